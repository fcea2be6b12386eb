"""A NATS that has clients begins to ask a callout, one server after the other; and then to speak TLS, as the page says.

docs/existing-nats.md; what becomes of users is in test_existing_users.py.
"""

import contextlib
import json
import re
import ssl
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

from tests.authority import Authority
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import CONNECT_SECONDS
from tests.interop.environments import BINARIES, Environment, ServerBinary, Setting
from tests.interop.intruder import intrude
from tests.interop.operation import is_let_in, serve, until_let_in
from tests.interop.residents import PASSWORD, WAYS, after, before, enter, is_welcome, refuse_reload, run_line
from tests.interop.server_configs import CALLOUT
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until

NOBODY: Final = "nats://127.0.0.1:1"
"""With JetStream a member of a cluster has to be told of another, and the first one knows of none."""
BETWEEN_SERVERS: Final = {"user": "server", "password": PASSWORD}
LISTENER: Final = {"host": "127.0.0.1", "port": -1, "authorization": BETWEEN_SERVERS}
LISTENS: Final = {
    "cluster": r"Listening for route connections on 127\.0\.0\.1:(\d+)",
    "gateway": r"Address for gateway \"\w+\" is 127\.0\.0\.1:(\d+)",
}
"""What a server logs of its port for others, by how they are connected."""


@pytest.fixture(params=BINARIES, ids=lambda binary: binary.line)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    """A server of each line in server mode."""
    with run_line(request.param, tmp_path / "nats") as running:
        yield running


def count_denied(service: Service) -> float:
    """How many logins the service has denied."""
    return service.metric("nats_auth_requests_total", result="denied")


@contextlib.contextmanager
def run_pair(
    binary: ServerBinary, folder: Path, how: str, join: Callable[[str, list[str]], dict[str, Any]]
) -> Iterator[tuple[Environment, Environment]]:
    """Two servers with the same keys, of which the second asks the callout.

    `how` they are connected is a key of `LISTENS`; `join` makes what that takes, of a name and addresses of others.
    """
    one, two = (
        Environment(Setting("server", xkey=False, binary=binary), _make(folder / name)) for name in ("one", "two")
    )
    two.keys = one.keys
    addresses: list[str] = []
    with contextlib.ExitStack() as stack:
        for environment, edit in ((one, before), (two, after)):
            stack.callback(environment.server.release)
            stack.callback(environment.server.stop)
            name = environment.folder.name
            environment.server.start(partial(edit, server_name=name, **join(name, addresses)))
            [port] = re.findall(LISTENS[how], environment.server.log())
            addresses.append(f"nats://{':'.join(BETWEEN_SERVERS.values())}@127.0.0.1:{port}")
        yield one, two


def _make(folder: Path) -> Path:
    folder.mkdir()
    return folder


@pytest.mark.parametrize("binary", BINARIES, ids=lambda binary: binary.line)
async def test_servers_of_a_cluster_are_restarted_in_turn(
    binary: ServerBinary, tmp_path: Path, cluster: ChangingCluster
) -> None:
    """Each asks from its own restart on, wherever the service is connected; no server is asked about."""

    def join(_: str, addresses: list[str]) -> dict[str, Any]:
        return {"cluster": {**LISTENER, "name": "bench", "routes": addresses or [NOBODY]}}

    with run_pair(binary, tmp_path, "cluster", join) as (old, new):
        async with serve(old, cluster) as service:
            token = cluster.token("orders", "checkout")
            await until_let_in(new, token)
            assert not await is_let_in(old, token)
            denied = count_denied(service)
            assert await is_welcome(old, "not listed")
            assert not await is_welcome(new, "not listed")
            assert await is_welcome(new, "listed")
            await until(lambda: count_denied(service) == denied + 1, PATIENCE_SECONDS, "one denial is counted")


@pytest.mark.parametrize("binary", BINARIES, ids=lambda binary: binary.line)
async def test_gateways_are_not_asked_about_and_hand_requests_on(
    binary: ServerBinary, tmp_path: Path, cluster: ChangingCluster
) -> None:
    """The service is in one cluster, and who asks it in the other."""

    def join(name: str, addresses: list[str]) -> dict[str, Any]:
        others = [{"name": "one", "url": address} for address in addresses]
        cluster = {**LISTENER, "name": name, "routes": [NOBODY]}
        return {"cluster": cluster, "gateway": {**LISTENER, "name": name, "gateways": others}}

    with run_pair(binary, tmp_path, "gateway", join) as (far, near):
        async with serve(far, cluster) as service:
            await until_let_in(near, cluster.token("orders", "checkout"))
            assert 0 == count_denied(service)


async def test_tls_comes_in_beside_what_is_plain(environment: Environment, cluster: ChangingCluster) -> None:
    """By `allow_non_tls`, with the callout as without, until the last client has it; a reload changes it not."""
    authority = Authority(environment.folder)
    chain = str(authority.chain_file)
    alone: dict[str, Any] = {"tls": {"cert_file": chain, "key_file": chain, "handshake_first": "auto"}}
    context: dict[str, Any] = {"tls": ssl.create_default_context(cafile=authority.ca_file)}
    ca: dict[str, Any] = {"NATS_TLS_CA_FILE": str(authority.ca_file)}

    async def is_let_in_plain() -> bool:
        """By a bare socket: nats-py never ends a connection whose TLS handshake has failed."""
        login = {"user": "billing", "pass": PASSWORD}
        async with intrude(environment.server.ports.client, login) as intruder:
            return intruder.has_heard(b"PONG")

    environment.server.restart(lambda config: after(config, allow_non_tls=True, **alone))
    assert await is_let_in_plain()
    plain_url = environment.service_env()["NATS_URL"]
    secure_url = plain_url.replace("nats://", "tls://")
    ways: tuple[tuple[dict[str, Any], bool], ...] = (
        ({"NATS_URL": plain_url}, False),
        (ca | {"NATS_URL": secure_url}, True),
    )
    for variables, spoken in ways:
        async with serve(environment, cluster, **variables) as service:
            async with await environment.connect_system() as system:
                reply = await system.request(
                    "$SYS.REQ.SERVER.PING.CONNZ", json.dumps({"auth": True}).encode(), timeout=CONNECT_SECONDS
                )
            connections = json.loads(reply.data)["data"]["connections"]
            workers = [one for one in connections if one["authorized_user"] == CALLOUT]
            assert [spoken] * 2 == ["tls_version" in one for one in workers]
            for options, is_secure in (({}, False), (context, False), (context | {"tls_handshake_first": True}, True)):
                assert "clients" == await enter(environment, WAYS["listed"] | options)
                client = await environment.connect(cluster.token("orders", "checkout"), **options)
                async with client:
                    assert is_secure == ("tls_version" in await environment.connection(client))
            assert 0 == await service.stop()
    await refuse_reload(environment, lambda config: after(config, **alone), "AllowNonTLS")
    environment.server.restart(lambda config: after(config, **alone))
    async with serve(environment, cluster, NATS_URL=secure_url, **ca):
        token = cluster.token("orders", "checkout")
        async with await environment.connect(token, tls_handshake_first=True, **context):
            assert not await is_let_in_plain()
