"""The scripts against deployed set-ups with TLS: users and passwords, credentials, curve keys, the sentinel.

No figure is asserted: who was answered and let in is, and that what is wrong is said.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.interop.environments import BINARIES, Setting
from tests.minting import CurveKey, NatsKey
from tests.perf.deployed import TOKENS, Deployed, complaint, deploy, report

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
    assert sum(point["answered"] for point in points) == deployed.count(reason="") - before


@on(SERVER_MODE, OPERATOR_MODE)
def test_a_soak_loses_nothing(deployed: Deployed) -> None:
    """`perf.soak`: as much of it as an interval."""
    (row,) = deployed.ask("soak", "--hours=0", "--rate=50", "--interval=0.5", "--workers=1")["rows"]
    assert (25, 0, 0) == (row["answered"], row["not_let_in"], row["unanswered"])


@on(SERVER_MODE, OPERATOR_MODE)
def test_an_overload_is_answered(deployed: Deployed) -> None:
    """`perf.overload`: whoever is answered is let in; in operator mode clients come besides and show the sentinel."""
    sentinel = deployed.folder / "creds/sentinel.creds"
    clients = 5 if sentinel.exists() else 0
    shown = {"sentinel": str(sentinel)} if clients else {}
    found = deployed.ask("overload", "--factors=1", "--seconds=0.5", f"--clients={clients}", "--workers=1", **shown)
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
    hidden = report("storm", deployed.place("ws"), "--protocol=nats,ws", *STORM, "--retry=both")
    assert [(0, TOKENS)] * 2 == [(row["admitted"], row["refused"]) for row in hidden["rows"]]


@on(OPERATOR_MODE)
def test_requests_are_sealed(deployed: Deployed) -> None:
    """A service with a curve key lets nobody in who asks in the clear."""
    before = deployed.count(reason="request_not_sealed")
    (point,) = [point for point in deployed.ask("load", *SHORT, xkey="")["points"] if point["window"]]
    assert (0, 0) == (point["allowed"], point["unanswered"])
    assert point["answered"] > 0
    assert deployed.count(reason="request_not_sealed") - before >= point["answered"]


@on(OPERATOR_MODE)
def test_another_curve_key_is_never_answered(deployed: Deployed) -> None:
    """The service cannot read what was sealed for somebody else, and drops it; nobody waits for that without end."""
    (point,) = deployed.ask("load", *SHORT, xkey=CurveKey.generate().public)["points"]
    assert (0, 0, 4) == (point["answered"], point["allowed"], point["unanswered"])


@on(SERVER_MODE)
def test_a_curve_key_that_the_service_has_not_is_never_answered(deployed: Deployed) -> None:
    """Sealed requests need a service that can open them; of one that cannot there is no capacity to be overloaded."""
    arguments = deployed.place() | deployed.asking | {"--xkey": CurveKey.generate().public}
    line = complaint("overload", arguments, "--clients=0", "--workers=1")
    assert line.startswith("error: nothing is answered at all")


@on(SERVER_MODE, OPERATOR_MODE)
def test_requests_for_another_account_let_nobody_in(deployed: Deployed) -> None:
    """They are answered, and counted as not let in."""
    before = deployed.count(reason="request_subject")
    points = deployed.ask("load", *SHORT, callout_account=NatsKey.generate("account").public)["points"]
    for point in points:
        assert point["answered"] > point["allowed"] == point["unanswered"] == 0
    assert sum(point["answered"] for point in points) == deployed.count(reason="request_subject") - before


@on(SERVER_MODE, OPERATOR_MODE)
def test_nothing_is_said_in_the_clear_to_a_server_with_tls(deployed: Deployed) -> None:
    """The line says what to write; neither credentials nor tokens have left by then."""
    there = deployed.place()
    clear = {"--nats-url": there["--nats-url"].replace("tls://", "nats://"), "--ca-file": ""}
    for script, asking in (("load", deployed.asking), ("storm", {})):
        assert complaint(script, there | asking | clear).endswith("the server wants TLS: write tls:// for nats://")
    there = deployed.place("ws")
    websocket = {"--ws-url": there["--ws-url"].replace("wss://", "ws://")}
    (row,) = report("storm", there | websocket, "--protocol=ws", *STORM)["rows"]
    assert (0, TOKENS) == (row["admitted"], row["refused"])


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
