"""The scripts against deployed set-ups with TLS: users and passwords, credentials, curve keys, the sentinel.

No figure is asserted: who was answered and let in is, and that what is wrong is said.
"""

import json
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.interop.environments import BINARIES, Setting
from tests.minting import CurveKey, NatsKey
from tests.perf.deployed import TOKENS, Deployed, complaint, complaints, deploy, report, run
from tests.perf.interrupting import interrupt_soak
from workers.jose import encode_segment

SERVER_MODE = Setting("server", xkey=False, binary=BINARIES[0])
OPERATOR_MODE = Setting("operator-creds", xkey=True, binary=BINARIES[0])
WITH_SENTINEL = Setting("operator-default-sentinel", xkey=True, binary=BINARIES[0])
SHORT = ("--windows=4", "--seconds=0.2")
STORM = ("--at-once=3", f"--clients={TOKENS}", "--retry=no")


def on(*settings: Setting) -> pytest.MarkDecorator:
    """Run a test on each of these."""
    return pytest.mark.parametrize("deployed", settings, indirect=True, ids=str)


@pytest.fixture(scope="module")
def deployed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """One after the other, for all tests on it."""
    with deploy(request.param, tmp_path_factory.mktemp("deployed")) as running:
        yield running


@on(SERVER_MODE, OPERATOR_MODE)
def test_requests_are_answered_and_let_in(deployed: Deployed) -> None:
    """`perf.load`: with user and password from a file, and with credentials and a curve key."""
    before = deployed.count(reason="")
    points = deployed.ask("load", *SHORT)["points"]
    assert 2 == len(points)
    for point in points:
        assert point["answered"] == point["allowed"] == point["latency_ms"]["count"] > 0
        assert 0 == point["unanswered"]
    asked_before = 1
    assert sum(point["answered"] for point in points) + asked_before == deployed.count(reason="") - before


@on(SERVER_MODE, OPERATOR_MODE)
def test_a_soak_loses_nothing(deployed: Deployed) -> None:
    """`perf.soak`: as much of it as an interval."""
    (row,) = deployed.ask("soak", "--hours=0", "--rate=50", "--interval=0.5")["rows"]
    assert (25, 0, 0) == (row["answered"], row["not_let_in"], row["unanswered"])


@on(SERVER_MODE, OPERATOR_MODE)
def test_an_overload_is_answered(deployed: Deployed) -> None:
    """`perf.overload`: whoever is answered is let in; in operator mode clients come besides and show the sentinel."""
    sentinel = deployed.folder / "creds/sentinel.creds"
    clients = 5 if sentinel.exists() else 0
    shown = {"sentinel": str(sentinel)} if clients else {}
    found = deployed.ask("overload", "--factors=1", "--seconds=0.5", f"--clients={clients}", **shown)
    (step,) = found["straight"]["steps"]
    assert step["in_time"] + step["late"] == step["allowed"] > 0
    assert clients == sum(step["admitted"] for step in found["end_to_end"].get("steps", []))


@on(SERVER_MODE, WITH_SENTINEL)
def test_clients_get_in_by_every_protocol(deployed: Deployed) -> None:
    """`perf.storm` over NATS, WebSocket and MQTT; a sentinel is the server's to give, MQTT has no place for one."""
    rows = report("storm", deployed.place("ws", "mqtt"), "--protocol=nats,ws,mqtt", *STORM)["rows"]
    assert [("nats", TOKENS), ("ws", TOKENS), ("mqtt", TOKENS)] == [(row["protocol"], row["admitted"]) for row in rows]


@on(OPERATOR_MODE)
@pytest.mark.parametrize("form", ["credentials", "JWT"])
def test_clients_show_the_sentinel(deployed: Deployed, form: str) -> None:
    """Beside their tokens, as `callout bootstrap` writes it or as a JWT by itself; without it nobody gets in."""
    sentinel = deployed.folder / "creds/sentinel.creds"
    if form == "JWT":
        jwt = next(line for line in sentinel.read_text().splitlines() if line.startswith("eyJ"))
        sentinel = deployed.folder / "sentinel.jwt"
        sentinel.write_text(jwt + "\n")
    shown = report("storm", deployed.place("ws") | {"--sentinel": str(sentinel)}, "--protocol=nats,ws", *STORM)
    assert [(TOKENS, 0)] * 2 == [(row["admitted"], row["refused"]) for row in shown["rows"]]
    nats, ws = complaints("storm", deployed.place("ws"), "--protocol=nats,ws", *STORM)
    for protocol, line in (("nats", nats), ("ws", ws)):
        assert line.startswith("error: the first client is not let in at 127.0.0.1:")
        assert f"({protocol}): -ERR 'Authorization Violation'; see that the tokens are for this service" in line
        assert "--sentinel" in line


@on(OPERATOR_MODE)
@pytest.mark.parametrize("script", ["load", "overload", "soak"])
def test_requests_are_sealed(deployed: Deployed, script: str) -> None:
    """A service with a curve key lets nobody in who asks in the clear; that is no rate, however quick the refusals."""
    before = deployed.count(reason="request_not_sealed")
    line = deployed.fail(script, xkey="")
    assert line.startswith("error: what is asked is answered, and nobody is let in: see that --callout-account")
    assert "--xkey is given if the service has a curve key" in line
    assert 1 == deployed.count(reason="request_not_sealed") - before


@on(SERVER_MODE, OPERATOR_MODE)
@pytest.mark.parametrize("script", ["load", "overload", "soak"])
def test_another_curve_key_is_never_answered(deployed: Deployed, script: str) -> None:
    """The service drops what it cannot open, whether it has another key or none; nobody waits for that without end."""
    line = deployed.fail(script, xkey=CurveKey.generate().public)
    assert line.startswith("error: nothing is answered: see that the service runs")
    assert "--xkey is the service's own" in line


@on(SERVER_MODE, OPERATOR_MODE)
def test_requests_for_another_account_let_nobody_in(deployed: Deployed) -> None:
    """They are answered, and it is said what is wrong after the first."""
    before = deployed.count(reason="request_subject")
    line = deployed.fail("load", callout_account=NatsKey.generate("account").public)
    assert line.startswith("error: what is asked is answered, and nobody is let in")
    assert 1 == deployed.count(reason="request_subject") - before


@on(SERVER_MODE)
@pytest.mark.parametrize("script", ["load", "soak", "storm"])
def test_tokens_of_somebody_else_are_one_line(deployed: Deployed, tmp_path: Path, script: str) -> None:
    """Forged ones say nothing of it; the line names what they may lack."""
    forged = tmp_path / "tokens"
    forged.write_text("a.b.c\n")
    line = deployed.fail(script, tokens=str(forged))
    assert "let in" in line
    assert "the tokens are for this service" in line


@on(SERVER_MODE)
@pytest.mark.parametrize("script", ["load", "overload", "soak", "storm"])
def test_expired_tokens_are_one_line(deployed: Deployed, tmp_path: Path, script: str) -> None:
    """Before anything is connected to."""
    expired = tmp_path / "tokens"
    claims = encode_segment(json.dumps({"exp": int(time.time()) - 1}).encode()).decode()
    expired.write_text(f"e30.{claims}.AA\n")
    line = deployed.fail(script, tokens=str(expired))
    assert "error: 1 of 1 tokens have expired: make new ones" == line


@on(SERVER_MODE)
def test_clients_that_are_more_are_told(deployed: Deployed) -> None:
    """More at once than in all, and more than there are tokens."""
    said = run("storm", deployed.place(), "--at-once=10", "--clients=3", "--retry=no", quiet=False).stderr
    assert "storm: 10 clients in place of 3, since so many come at once" in said
    assert f"10 clients share {TOKENS} tokens, which the service remembers" in said


@on(SERVER_MODE)
def test_a_soak_that_outlasts_its_tokens_says_so(deployed: Deployed) -> None:
    """In its first line; and a signal ends it with what was found until then, as after hours."""
    words = [f"{name}={value}" for name, value in (deployed.place() | deployed.asking).items()]
    said, printed, code = interrupt_soak(words, signal.SIGTERM)
    assert "tokens expire before the end: the first in " in said[0]
    assert "this takes about 4 d" in said[0]
    assert 128 + signal.SIGTERM == code
    assert "Of growth by the hour" in printed


@on(SERVER_MODE)
def test_a_protocol_that_fails_leaves_the_others_alone(deployed: Deployed) -> None:
    """What was measured is printed, what could not be is said, and the exit code tells of it."""
    there = deployed.place("ws", "mqtt")
    wrong = {
        "--ws-url": there["--nats-url"].replace("tls://", "ws://"),
        "--mqtt-url": there["--nats-url"],
    }
    done = run("storm", there | wrong, "--protocol=ws,nats,mqtt", *STORM)
    assert 1 == done.returncode
    assert [("nats", TOKENS)] == [(row["protocol"], row["admitted"]) for row in json.loads(done.stdout)["rows"]]
    ws, mqtt = done.stderr.splitlines()
    assert "(ws): this is where NATS clients connect, and no WebSocket" in ws
    assert "(mqtt): there is no TLS with the other side" in mqtt


@on(SERVER_MODE)
def test_of_a_deployed_set_up_no_goals_and_no_others_are_shown(deployed: Deployed) -> None:
    """Goals are of what is started here, and who the others are is not known."""
    done = run("storm", deployed.place(), *STORM, as_json=False)
    head, row = (re.split(r"  +", line) for line in done.stdout.splitlines())
    assert ("others' share", "-") == (head[-1], row[-1])
    arguments = deployed.place() | deployed.asking
    done = run("overload", arguments, "--factors=1", "--seconds=0.5", "--clients=0", as_json=False)
    assert (0, False) == (done.returncode, "goals" in done.stdout)


@on(SERVER_MODE, OPERATOR_MODE)
def test_nothing_is_said_in_the_clear_to_a_server_with_tls(deployed: Deployed) -> None:
    """The line says what to write; neither credentials nor tokens have left by then."""
    there = deployed.place()
    clear = {"--nats-url": there["--nats-url"].replace("tls://", "nats://"), "--ca-file": ""}
    for script, asking in (("load", deployed.asking), ("storm", {})):
        assert complaint(script, there | asking | clear).endswith("the server wants TLS: write tls:// for nats://")
    there = deployed.place("ws")
    websocket = {"--ws-url": there["--ws-url"].replace("wss://", "ws://")}
    line = complaint("storm", there | websocket, "--protocol=ws", *STORM)
    assert (
        "(ws): it is asked for a WebSocket and answers 400 Bad Request; where it has TLS, write wss:// for ws://"
        in line
    )


@on(SERVER_MODE)
def test_a_wrong_password_is_one_line(deployed: Deployed, tmp_path: Path) -> None:
    """And the line does not show it."""
    login = tmp_path / "login"
    login.write_text("perf:conspicuous\n")
    line = complaint("load", deployed.place() | deployed.asking | {"--creds": str(login)})
    assert line.endswith("cannot be asked: -ERR 'Authorization Violation'")
    assert "conspicuous" not in line


@on(OPERATOR_MODE)
def test_a_user_who_may_not_ask_is_one_line(deployed: Deployed) -> None:
    """The callout's own user, say, who may hear no such answers."""
    arguments = deployed.place() | deployed.asking | {"--creds": str(deployed.folder / "creds/callout.creds")}
    assert "Permissions Violation" in complaint("load", arguments)


@on(SERVER_MODE)
def test_another_authority_is_one_line(deployed: Deployed, tmp_path: Path) -> None:
    """Whoever asks, and clients of every protocol, refuse a certificate that they have no reason to trust."""
    other = {"--ca-file": str(Authority(tmp_path, "other", hosts=("nats.example",)).ca_file)}
    for script in ("load", "soak", "overload"):
        line = complaint(script, deployed.place() | deployed.asking | other)
        assert line.startswith("error: NATS at 127.0.0.1:")
        assert "its certificate is not trusted" in line
    for protocol in ("nats", "ws", "mqtt"):
        line = complaint("storm", deployed.place("ws", "mqtt") | other, f"--protocol={protocol}")
        assert line.startswith("error: nobody can connect to 127.0.0.1:")
        assert "its certificate is not trusted" in line
