"""What `callout doctor` says of nats.conf, carried out on real nats-servers of each line: a reload, or a restart."""

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from callout.doctor.users import RELOAD, RESTART
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import BINARIES, Environment, Setting
from tests.interop.patient import Patient
from tests.interop.server_configs import LISTENER
from tests.waiting import PATIENCE_SECONDS, until

DONE = "Reloaded server configuration"
REFUSED = "config reload not supported for "


class Fault(msgspec.Struct, frozen=True):
    """Something in nats.conf that is wrong.

    Attributes:
        check: which one finds it.
        spoil: makes it wrong.
        option: what nats-server calls it as it refuses to reload it; empty if it reloads it.
        severity: how it is called.
    """

    check: str
    spoil: Callable[[Environment, str], str]
    option: str = ""
    severity: str = "wrong"


def drop_auth_callout(_: Environment, text: str) -> str:
    """The server decides by itself."""
    return "".join(line for line in text.splitlines(keepends=True) if not line.startswith("authorization: "))


def drop_xkey(environment: Environment, text: str) -> str:
    """Requests are not sealed."""
    return text.replace(f', "xkey": "{environment.keys.curve.public}"', "")


def change_issuer(environment: Environment, text: str) -> str:
    """Answers are to be signed by another key."""
    keys = environment.keys
    return text.replace(keys.issuer.public, keys.accounts["other"].public)


def forget_auth_user(_: Environment, text: str) -> str:
    """The service's user is sent to the callout."""
    return text.replace('"auth_users": ["callout", ', '"auth_users": [')


def wait_longer(_: Environment, text: str) -> str:
    """The server waits for an answer as long as it would with TLS."""
    return text.replace("authorization: {", 'authorization: {"timeout": 3, ')


def take_rights(_: Environment, text: str) -> str:
    """The service's user may answer nobody."""
    return text.replace("$SYS._INBOX.>", "$SYS._NOWHERE.>")


def let_everybody_in(_: Environment, text: str) -> str:
    """Whoever has no credentials is one of the users that never meet the callout."""
    return f'{text}no_auth_user: "{LISTENER}"\n'


def let_everybody_in_by_websocket(_: Environment, text: str) -> str:
    """Likewise, for them alone."""
    return text.replace('"no_tls": true', f'"no_tls": true, "no_auth_user": "{LISTENER}"')


def let_everybody_in_by_mqtt(_: Environment, text: str) -> str:
    """Likewise, for them alone."""
    return text.replace("mqtt: {", f'mqtt: {{"no_auth_user": "{LISTENER}", ')


FAULTS = (
    Fault("answered", drop_auth_callout, "AuthCallout"),
    Fault("signing key", change_issuer, "AuthCallout"),
    Fault("xkey", drop_xkey, "AuthCallout"),
    Fault("service user", forget_auth_user, "AuthCallout"),
    Fault("bypass", let_everybody_in, "NoAuthUser"),
    Fault("service rights", take_rights),
    Fault("patience", wait_longer, severity="notice"),
)


@pytest.fixture
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    """A fresh server for each test: these tests spoil them."""
    home = tmp_path / "nats"
    home.mkdir()
    with Environment(Setting("server", xkey=True, binary=request.param), home) as running:
        yield running


@pytest.mark.parametrize("environment", BINARIES, indirect=True, ids=lambda binary: binary.line)
@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.check)
async def test_a_reload_or_a_restart(
    environment: Environment, cluster: ChangingCluster, tmp_path: Path, fault: Fault
) -> None:
    """What is called a reload is taken by one; what is called a restart is refused by it, and taken by a start."""
    server = environment.server
    async with Patient(environment, cluster, tmp_path) as patient:
        server.restart(lambda text: fault.spoil(environment, text))
        _, before = await patient.examine()
        assert fault.severity == before[fault.check]["severity"], before
        mend = before[fault.check]["mend"]
        assert (not fault.option, bool(fault.option)) == (RELOAD in mend, RESTART in mend)
        server.begin_reload(str)
        said = f"{REFUSED}{fault.option}: " if fault.option else DONE
        await until(lambda: server.logged(said), PATIENCE_SECONDS, "nats-server has reloaded or refused to")
        if fault.option:
            assert [] == server.logged(DONE)
            server.restart()
        await patient.serve()
        _, after = await patient.examine()
    assert "ok" == after[fault.check]["severity"], after


@pytest.mark.parametrize("environment", BINARIES, indirect=True, ids=lambda binary: binary.line)
@pytest.mark.parametrize(
    ("change", "option"),
    [
        (drop_auth_callout, "AuthCallout"),
        (let_everybody_in, "NoAuthUser"),
        (let_everybody_in_by_websocket, "Websocket"),
        (let_everybody_in_by_mqtt, "MQTT"),
    ],
)
async def test_what_is_not_reloaded_keeps_out_what_would_be(
    environment: Environment, change: Callable[[Environment, str], str], option: str
) -> None:
    """The file as a whole is refused, as long as that change stands in it: another one, which is good, is too."""
    server = environment.server
    refused = f"{REFUSED}{option}: "
    server.begin_reload(lambda text: change(environment, text))
    await until(lambda: len(server.logged(refused)) == 1, PATIENCE_SECONDS, "it is refused")
    server.begin_reload(lambda text: take_rights(environment, change(environment, text)))
    await until(lambda: len(server.logged(refused)) == 2, PATIENCE_SECONDS, "it is refused again")
    assert [] == server.logged(DONE)
    server.reload(lambda text: take_rights(environment, text))
