"""The ladder measures what it says: its report's shape, its order, and that first seen means first seen.

How fast anything is stands in no test.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from nacl.exceptions import BadSignatureError

from perf.cases import FIRST_SEEN, REMEMBERED, Batch, list_cases, list_stages
from perf.commandline.command import Progress
from perf.here.inputs import ALGORITHMS, Accounts, Issuer, ServiceAccounts
from perf.ladder import climb, main, render
from perf.libraries import USED, list_ed25519, list_operations
from perf.timing import Step, measure, repeat
from tests.commands import attempt
from workers.jose import decode_segment
from workers.snapshot import SnapshotReader
from workers.user_jwt import Mode

BATCH = 4
STAGES = [
    "take the request apart",
    "verify the request's signature",
    "take the token apart",
    "recall a remembered token",
    "look the ServiceAccount up",
    "make and sign the user JWT",
    "make and sign the response",
    "open a sealed request",
    "seal an answer",
    *(f"verify the token's signature, {algorithm}" for algorithm in ALGORITHMS),
]


@pytest.fixture(scope="module")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SnapshotReader]:
    """A snapshot of a few ServiceAccounts."""
    directory = tmp_path_factory.mktemp("snapshot")
    ServiceAccounts(20).write(directory, "APP")
    made = SnapshotReader(directory)
    yield made
    made.close()


@pytest.fixture
def batch(reader: SnapshotReader) -> Batch:
    """A few requests with quickly made keys."""
    return Batch(Issuer("EdDSA"), Accounts(Mode.SERVER), ServiceAccounts(20), reader, BATCH)


def check_report(report: dict[str, Any]) -> None:
    """The shape that machines may rely on."""
    assert {
        "unit",
        "machine",
        "commit",
        "rounds",
        "batch",
        "serviceaccounts",
        "decisions",
        "stages",
        "libraries",
    } == set(report)
    assert {"processor", "cores", "system", "python", "build", "libraries"} == set(report["machine"])
    assert {"PyNaCl", "cryptography", "PyJWT", "msgspec", "orjson", "lmdb"} <= set(report["machine"]["libraries"])
    rows = report["decisions"]
    expected = {(alg, seen, mode) for alg in ALGORITHMS for seen in (FIRST_SEEN, REMEMBERED) for mode in Mode}
    assert expected == {(row["algorithm"], row["token"], row["mode"]) for row in rows}
    assert len(expected) == len(rows)
    for row in rows:
        assert {"algorithm", "token", "mode", "whole", "bare"} == set(row)
        assert row["bare"] > 0
        assert row["whole"] > 0
    assert any(round(row["whole"], 2) != row["whole"] for row in rows), "what is judged was not rounded before"
    assert STAGES == list(report["stages"])
    assert [
        "Ed25519 sign",
        "Ed25519 verify",
        "RSA-2048 verify (RS256)",
        "P-256 verify (ES256)",
        "base64url decode a request",
        "base64url encode a request",
        "JSON decode a request",
        "JSON encode a request",
    ] == list(report["libraries"])
    assert all(cost > 0 for costs in (report["stages"], *report["libraries"].values()) for cost in costs.values())


def test_the_command_prints_a_report_for_machines() -> None:
    """Run as the documentation says."""
    words = ("--json", "--quiet", "--rounds", "1", "--batch", "3", "--serviceaccounts", "9")
    done = attempt([sys.executable, "-m", "perf.ladder", *words])
    assert (0, "") == (done.returncode, done.stderr)
    report = json.loads(done.stdout)
    assert (1, 3, 9) == (report["rounds"], report["batch"], report["serviceaccounts"])
    check_report(report)


def test_progress_is_shown_while_it_is_measured(capfd: pytest.CaptureFixture[str]) -> None:
    """What is made before, and then every tenth of the rounds; --quiet says nothing of it."""
    words = ["--json", "--batch=2", "--serviceaccounts=5"]
    assert 0 == main([*words, "--rounds=20"])
    said = [line.partition("] ")[2] for line in capfd.readouterr().err.splitlines()]
    made = [f"ladder: requests and a snapshot for {mode} mode, ServiceAccounts: 5" for mode in Mode]
    assert [*made, *(f"ladder: round {number} of 20" for number in range(1, 20, 2))] == said
    assert 0 == main([*words, "--rounds=1", "--quiet"])
    assert "" == capfd.readouterr().err


def test_the_table_holds_what_the_report_holds(tmp_path: Path) -> None:
    """Every decision, stage and library has its line."""
    report = climb(tmp_path, rounds=2, batch_size=2, service_accounts=5, progress=Progress(silent=True))
    check_report(report)
    lines = render(report)
    for row in report["decisions"]:
        (line,) = (line for line in lines if line.startswith(f"{row['algorithm']}, {row['token']}, {row['mode']} "))
        assert [f"{row['whole']:.1f}", f"{row['bare']:.1f}", f"{row['whole'] / row['bare']:.3f}"] == line.split()[-3:]
    for name, cost in report["stages"].items():
        assert [line.split()[-1] for line in lines if line.startswith(f"{name} ")] == [f"{cost:.1f}"]


@pytest.mark.parametrize("option", ["--help", "--rounds=0", "--batch=-1", "--serviceaccounts=0", "--batch=10001"])
def test_the_command_explains_itself(option: str) -> None:
    """Help on request, and one line of complaint for what cannot be measured."""
    done = attempt([sys.executable, "-m", "perf.ladder", option])
    if option == "--help":
        assert (0, "") == (done.returncode, done.stderr)
        assert "--rounds" in done.stdout
    else:
        assert (2, "") == (done.returncode, done.stdout)
        assert "error:" in done.stderr.splitlines()[-1]


def test_every_round_runs_every_step_and_every_other_one_backwards() -> None:
    """After one run for nothing; and each is prepared each time."""
    calls: list[str] = []
    steps = [
        Step(lambda name=name: calls.append(name), 1, lambda name=name: calls.append(f"prepare {name}"))  # type: ignore[misc]
        for name in "ab"
    ]
    times = measure(steps, 3)
    there, back = ["prepare a", "a", "prepare b", "b"], ["prepare b", "b", "prepare a", "a"]
    assert there + there + back + there == calls
    assert len(steps) == len(times)


def test_a_repeated_operation_runs_once_for_each_item() -> None:
    """As many times as the time is divided by."""
    calls: list[int] = []
    step = repeat(lambda: calls.append(1), 7)
    step.run()
    assert [1] * step.items == calls


def test_a_first_seen_token_is_verified_each_time_and_a_remembered_one_once(batch: Batch) -> None:
    """Otherwise the ladder would measure something else than it says."""
    (verify,) = batch.keyset.keys["EdDSA"].values()
    calls: list[bytes] = []

    def count(signature: bytes, signing_input: bytes) -> bool:
        calls.append(signing_input)
        return verify(signature, signing_input)

    batch.keyset.keys["EdDSA"]["EdDSA"] = count
    for case, expected in zip(list_cases(batch), (3 * BATCH, BATCH), strict=True):
        calls.clear()
        for _ in range(3):
            case.whole.prepare()
            case.whole.run()
        assert expected == len(calls)
        assert BATCH == len(set(calls))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_bare_cryptography_is_that_of_the_decisions(reader: SnapshotReader, algorithm: str) -> None:
    """It passes over true requests and tokens, and fails over others: so it verifies what it says it verifies."""
    batch = Batch(Issuer(algorithm), Accounts(Mode.SERVER), ServiceAccounts(20), reader, 2)
    batch.bare(first_seen=True).run()
    batch.tokens.reverse()
    batch.tokens[0] = batch.tokens[0]._replace(signing_input=batch.tokens[1].signing_input)
    batch.bare(first_seen=False).run()
    with pytest.raises((InvalidSignature, BadSignatureError)):
        batch.bare(first_seen=True).run()
    batch.requests[0] = batch.requests[0]._replace(signing_input=batch.requests[1].signing_input)
    with pytest.raises(BadSignatureError):
        batch.bare(first_seen=False).run()


def test_every_request_is_another_clients(batch: Batch) -> None:
    """Another user key, another token, another ServiceAccount."""
    for made in (batch.messages, batch.texts, batch.identities, batch.users):
        assert BATCH == len(set(made))


def test_a_batch_that_is_not_let_in_is_not_measured(reader: SnapshotReader) -> None:
    """A denial is quicker than a login, and would look like a success."""
    strangers = ServiceAccounts(40)
    with pytest.raises(RuntimeError, match="serviceaccount_unknown"):
        Batch(Issuer("EdDSA"), Accounts(Mode.SERVER), strangers, reader, 40)


def test_stages_run(batch: Batch) -> None:
    """Each once for every request."""
    for step in list_stages(batch).values():
        step.run()
        assert BATCH == step.items


def test_of_each_operation_one_library_is_used(batch: Batch) -> None:
    """It is among those that are compared, under the same name."""
    operations = list_operations(decode_segment(batch.requests[0].payload))
    assert list(operations) == list(USED)
    assert [] == [operation for operation, library in USED.items() if library not in operations[operation]]


@pytest.mark.parametrize("name", list_ed25519())
def test_each_library_signs_alike(name: str) -> None:
    """Ed25519 is deterministic (RFC 8032): the adapters do the same thing, so their times compare."""
    libraries = list_ed25519()
    seed, message = bytes(range(32)), b"message"
    signature = libraries[name](seed).sign(message)
    assert libraries["PyNaCl"](seed).sign(message) == signature
    libraries[name](seed).verify(message, signature)
