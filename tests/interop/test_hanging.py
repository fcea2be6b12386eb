"""Servers and services that hang, or whose node is lost without a word: who is left serves once they are given up.

When nats-server gives them up is a matter of `ping_interval` and `ping_max`, here as the example values have them. By
default that takes a route a minute or more, and a client, the service's workers among them, four minutes or more.
"""

import contextlib
import json
import re
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import yaml

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.interop.operation import PLAIN, is_let_in, serve, until_refused
from tests.pages import ROOT
from tests.service import Service
from tests.standstill import stopped
from tests.waiting import PATIENCE_SECONDS, until

VALUES: Final = ROOT / "k8s/examples/server-mode/1-nats.yaml"
SETTINGS: Final = ("ping_interval", "ping_max")
GIVEN_UP: Final = "Stale Connection"
TRIES: Final = 20
"""If half of the requests went to who does not answer, all would be let in once in a million times."""
NOBODY: Final = "nats://127.0.0.1:1"
"""With JetStream a member of a cluster has to be told of another, and the first one knows of none."""
_ROUTES: Final = re.compile(r"Listening for route connections on (127\.0\.0\.1:\d+)")


def configure(name: str, *routes: str) -> Callable[[str], str]:
    """Make a server a member of a cluster that gives up as the example has it."""
    merged = yaml.safe_load(VALUES.read_text())["config"]["merge"]
    members = {setting: merged[setting] for setting in SETTINGS}
    members["cluster"] = {"name": "bench", "host": "127.0.0.1", "port": -1, "routes": routes}

    def edit(config: str) -> str:
        kept = [line for line in config.splitlines() if not line.startswith("server_name:")]
        written = [f"{member}: {json.dumps(value)}" for member, value in {"server_name": name, **members}.items()]
        return "\n".join([*kept, *written])

    return edit


@contextlib.asynccontextmanager
async def run_pair(folder: Path) -> AsyncIterator[tuple[Environment, Environment]]:
    """Two servers in a cluster, with the same keys."""
    folders = [folder / name for name in ("one", "other")]
    for made in folders:
        made.mkdir()
    one, other = (Environment(PLAIN, made) for made in folders)
    other.keys = one.keys
    with contextlib.ExitStack() as stack:
        routes = [NOBODY]
        for environment in (one, other):
            stack.callback(environment.server.release)
            stack.callback(environment.server.stop)
            environment.server.start(configure(environment.folder.name, *routes))
            [address] = _ROUTES.findall(environment.server.log())
            routes.append(f"nats://{address}")
        yield one, other


async def until_all_decide(environment: Environment, cluster: ChangingCluster, *services: Service) -> None:
    """Wait until logins at this server are decided by all of these services: the servers know of all their workers."""
    allowed = [service.metric("nats_auth_requests_total", result="allowed") for service in services]

    async def have_decided() -> bool:
        assert await is_let_in(environment, cluster.token("orders", "checkout"))
        now = [service.metric("nats_auth_requests_total", result="allowed") for service in services]
        return all(after > before for before, after in zip(allowed, now, strict=True))

    await until(have_decided, PATIENCE_SECONDS, "each service has decided a login")


async def until_given_up(environment: Environment, cluster: ChangingCluster) -> None:
    """Wait until a login fails for want of an answer, and then until all are let in, because the server has given up.

    It does so connection by connection, and has several to another server.
    """
    server, token = environment.server, cluster.token("orders", "checkout")
    before = len(server.logged(GIVEN_UP))
    await until_refused(environment, token)

    async def are_let_in() -> bool:
        for _ in range(TRIES):
            if not await is_let_in(environment, token):
                return False
        return True

    await until(are_let_in, PATIENCE_SECONDS, "all are let in")
    assert len(server.logged(GIVEN_UP)) > before


async def test_a_server_that_hangs_takes_requests_with_it_until_its_route_is_given_up(
    tmp_path: Path, cluster: ChangingCluster
) -> None:
    """Until then its workers are in the queue group, as far as the other server knows."""
    async with (
        run_pair(tmp_path) as (lost, left),
        serve(lost, cluster) as there,
        serve(left, cluster) as here,
    ):
        await until_all_decide(left, cluster, there, here)
        with stopped(lost.server.pid):
            await until_given_up(left, cluster)


async def test_a_service_whose_node_hangs_takes_requests_with_it_until_its_connections_are_given_up(
    tmp_path: Path, cluster: ChangingCluster
) -> None:
    """All its processes stand still at once, so that no supervisor ends a worker."""
    async with (
        run_pair(tmp_path) as (server, _),
        serve(server, cluster) as lost,
        serve(server, cluster) as left,
    ):
        await until_all_decide(server, cluster, lost, left)
        with stopped(lost.pid, *lost.worker_pids()):
            await until_given_up(server, cluster)
