"""The service in the place of the Go service: its whole environment, on a real server and behind an API server."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.fake_kube_api import FakeKubeApi
from tests.go_service import DEPLOYED
from tests.interop.attempts import denied_publishes
from tests.interop.changing_cluster import AUDIENCE, ISSUER, ApiCluster, replace
from tests.interop.clients import CONNECT_SECONDS, WorkloadClient
from tests.interop.environments import Environment
from tests.interop.operation import PLAIN, until_serving
from tests.interop.server_configs import CALLOUT, PASSWORD
from tests.service import Service

GLOBAL = "$G"
"""The account that every server has; the Go service places clients there in some of its versions."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A server in server mode: the Go service knows no other."""
    with Environment(PLAIN, tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
def api(tmp_path: Path) -> Iterator[ApiCluster]:
    """A cluster behind an API server."""
    with FakeKubeApi() as running:
        made = ApiCluster(tmp_path, running)
        made.put("orders", "checkout", pub=("audit.orders",))
        yield made


async def account_of(environment: Environment, client: WorkloadClient) -> str:
    """The account that the server has placed a client in."""
    async with await environment.connect_system() as system:
        query = json.dumps({"auth": True, "cid": client.client_id}).encode()
        reply = await system.request("$SYS.REQ.SERVER.PING.CONNZ", query, timeout=CONNECT_SECONDS)
    [connection] = json.loads(reply.data)["data"]["connections"]
    # The server leaves the global account out (nats-server's monitor.go).
    found: str = connection.get("account", GLOBAL)
    return found


@pytest.mark.parametrize("account", ["clients", GLOBAL])
async def test_its_environment_is_enough(
    environment: Environment, api: ApiCluster, tmp_path: Path, account: str
) -> None:
    """Every variable of it set, none of ours: logins work, annotations count, and one warning is all that is said."""
    jwks = tmp_path / "jwks.json"
    replace(jwks, json.dumps({"keys": [api.signer.jwk()]}))
    name = environment.account(account) if account != GLOBAL else GLOBAL
    changes = {
        "PORT": "0",
        "NATS_URL": f"nats://{CALLOUT}:{PASSWORD}@127.0.0.1:{environment.server.ports.client}",
        "NATS_USER_CREDS_FILE": "",
        "NATS_SIGNING_KEY_FILE": environment.service_env()["NATS_SIGNING_KEY_FILE"],
        "NATS_ACCOUNT": name,
        "JWKS_URL": "",
        "JWKS_PATH": str(jwks),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
    }
    with Service(DEPLOYED | changes | api.variables) as service:
        await service.ready()
        await until_serving(service, len(service.worker_pids()))
        async with await environment.connect(api.token("orders", "checkout")) as client:
            assert name == await account_of(environment, client)
            wanted = ["orders.created", "audit.orders", "audit.billing"]
            assert ["audit.billing"] == await denied_publishes(client, wanted)
        assert 200 == service.get("/health")[0]
        assert 200 == service.get("/metrics")[0]
        assert 0 == await service.stop()
    [warning] = service.log_lines("setting")
    assert "CACHE_CLEANUP_INTERVAL: is ignored" in warning["problem"]
    assert [] == service.plain_lines
