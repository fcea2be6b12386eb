"""The issuer, the curve key and the service's password in server mode are replaced, as docs/upgrade.md says.

nats-server knows one of each, so a second service in an account of its own takes over from the first.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest

from tests.interop.changing_cluster import ChangingCluster, replace
from tests.interop.environments import BINARIES, Environment, ServerBinary, Setting
from tests.interop.operation import Logins, is_let_in, serve, until_let_in, until_reasons
from tests.interop.server_configs import CALLOUT, SERVER_MODE_NAMES, USERS
from tests.interop.test_key_files import until_replaced
from tests.minting import CurveKey, NatsKey
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until

OLD: Final = SERVER_MODE_NAMES["callout"]
NEW: Final = f"{OLD}2"
USER: Final = f"{CALLOUT}2"
NEW_PASSWORD: Final = "not-a-secret-either"
Edit = Callable[[str], str]


class Successor(msgspec.Struct, frozen=True):
    """What takes the place of the first service's: keys, account, user."""

    issuer: NatsKey
    curve: CurveKey

    def announce(self, config: str) -> str:
        """Add account and user to nats.conf; the callout stays as it is."""
        members = _read(config)
        [callout] = (one for one in members["accounts"][OLD]["users"] if one["user"] == CALLOUT)
        members["accounts"][NEW] = {"users": [callout | {"user": USER, "password": NEW_PASSWORD}]}
        members["authorization"]["auth_callout"]["auth_users"] = [*USERS, USER]
        return _write(members)

    def switch(self, config: str) -> str:
        """Let the callout be the new one."""
        members = _read(self.announce(config))
        replaced = {"issuer": self.issuer.public, "xkey": self.curve.public, "account": NEW}
        members["authorization"]["auth_callout"].update(replaced)
        return _write(members)

    def retire(self, config: str) -> str:
        """Leave the first service's user out."""
        members = _read(self.switch(config))
        members["accounts"][OLD]["users"] = []
        members["authorization"]["auth_callout"]["auth_users"] = [*(user for user in USERS if user != CALLOUT), USER]
        return _write(members)

    def variables(self, environment: Environment) -> dict[str, str]:
        """The second service's."""
        files = {"NATS_SIGNING_KEY_FILE": self.issuer.seed, "NATS_XKEY_FILE": self.curve.seed}
        for name, seed in files.items():
            replace(environment.folder / f"new-{name}", seed)
        url = f"nats://{USER}:{NEW_PASSWORD}@127.0.0.1:{environment.server.ports.client}"
        return {"NATS_URL": url, **{name: str(environment.folder / f"new-{name}") for name in files}}


def _read(config: str) -> dict[str, Any]:
    pairs = (line.partition(": ") for line in config.splitlines())
    return {name: json.loads(value) for name, _, value in pairs}


def _write(members: dict[str, Any]) -> str:
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in members.items())


@pytest.fixture(params=BINARIES, ids=lambda binary: binary.line)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    """A server of each line, with a curve key."""
    binary: ServerBinary = request.param
    folder = tmp_path / "nats"
    folder.mkdir()
    with Environment(Setting("server", xkey=True, binary=binary), folder) as running:
        yield running


async def log_in(environment: Environment, cluster: ChangingCluster, *services: Service) -> list[bool]:
    """Let clients in, none of which may be refused; tell which of the services have decided that."""
    before = [service.metric("nats_auth_requests_total") for service in services]
    async with Logins(environment, cluster) as logins:
        await logins.more()
    assert [] == logins.refusals
    return [service.metric("nats_auth_requests_total") > old for service, old in zip(services, before, strict=True)]


async def test_a_second_service_takes_over_without_a_refusal(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Issuer, curve key and password at once: a server asks the one until it ends, and the other once it is back."""
    successor = Successor(NatsKey.generate("account"), CurveKey.generate())
    token = cluster.token("orders", "checkout")
    async with serve(environment, cluster) as old:
        environment.server.restart(successor.announce)
        await until_let_in(environment, token)
        async with serve(environment, cluster, wait=True, **successor.variables(environment)) as new:
            assert [True, False] == await log_in(environment, cluster, old, new)
            environment.server.restart(successor.switch)
            await until_let_in(environment, token)
            assert [False, True] == await log_in(environment, cluster, old, new)
            assert 0 == await old.stop()
            environment.server.restart(successor.retire)
            await until_let_in(environment, token)
            assert [True] == await log_in(environment, cluster, new)


async def test_a_reload_replaces_none_of_them(environment: Environment, cluster: ChangingCluster) -> None:
    """The server says that it cannot, and goes on with what it had: what changes there takes a restart."""
    successor = Successor(NatsKey.generate("account"), CurveKey.generate())
    async with serve(environment, cluster) as service:
        environment.server.begin_reload(successor.switch)
        refusal = "config reload not supported for AuthCallout"
        await until(lambda: bool(environment.server.logged(refusal)), PATIENCE_SECONDS, "the server refuses")
        assert [True] == await log_in(environment, cluster, service)


async def test_a_service_that_is_ahead_of_the_server_refuses_all(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """With a new signing key, until the server has restarted with it: the quick way, for a seed that has leaked."""
    issuer, token = NatsKey.generate("account"), cluster.token("orders", "checkout")

    def rename(config: str) -> str:
        members = _read(config)
        members["authorization"]["auth_callout"]["issuer"] = issuer.public
        return _write(members)

    async with serve(environment, cluster) as service:
        workers = service.worker_pids()
        replace(Path(environment.service_env()["NATS_SIGNING_KEY_FILE"]), issuer.seed)
        await until_replaced(service, workers)
        assert not await is_let_in(environment, token)
        await until_reasons(service, ["request_subject"])
        environment.server.restart(rename)
        await until_let_in(environment, token)
        assert [True] == await log_in(environment, cluster, service)
