"""What NATS's queue groups do with the workers, as docs/scaling.md says: two servers, a service beside each."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import msgspec

from callout.demo.config import Plan
from callout.demo.server import Server, find_binary, run_server
from callout.demo.service import Service, run_service
from perf.figures.pages import fetch_json, read_metric
from perf.generator.crowd import Arrival, Crowd, make_client
from perf.generator.wire import Address
from perf.here.local import Population, run_cluster
from perf.here.plan import make_plan, make_settings
from tests.waiting import PATIENCE_SECONDS, until

LOGINS = 60
LISTED_WORKERS = 3
"""Of each service: enough for either server to have some, as a rule."""
LOOPBACK = "127.0.0.1"
ALLOWED = 'nats_auth_requests_total{reason="",result="allowed"}'


class Pair(msgspec.Struct, frozen=True):
    """Two servers that know each other, a service beside each, and tokens of clients."""

    servers: list[Server]
    services: list[Service]
    tokens: list[str]

    async def log_in(self, server: int) -> tuple[int, list[float]]:
        """Let clients log in at one of the servers; return how many are in, and how many each service has decided."""
        before = [await self.count(service) for service in self.services]
        address = Address(LOOPBACK, urlsplit(self.servers[server].url).port or 0)
        clients = [make_client("nats", token, number, "", address) for number, token in enumerate(self.tokens)]
        async with Crowd(address, "nats") as crowd:
            outcomes = await crowd.arrive(clients, Arrival(at_once=10))
        admitted = sum(outcome.admitted_at is not None for outcome in outcomes)
        return admitted, [await self.count(service) - old for service, old in zip(self.services, before, strict=True)]

    async def count(self, service: Service) -> float:
        """How many logins a service has allowed; 0 when it has been stopped."""
        return await read_metric(service, ALLOWED) if service.process.returncode is None else 0


@asynccontextmanager
async def run_pair(kind: str, folder: Path, *, listed: bool = False) -> AsyncIterator[Pair]:
    """Run it inside the block; `kind` is cluster or gateway.

    Each service knows the server beside it, or both if they are `listed`: then its workers are at either, by chance.
    """
    population = Population()
    async with AsyncExitStack() as stack:
        cluster_url = await stack.enter_async_context(run_cluster(folder, LOGINS))
        plan = make_plan(folder).plan
        servers = [await stack.enter_async_context(_run_server(plan, folder / "0", _link(kind, 0, None)))]
        port = (await fetch_json(f"{servers[0].monitoring_url}/varz"))[kind][
            "cluster_port" if kind == "cluster" else "port"
        ]
        servers.append(await stack.enter_async_context(_run_server(plan, folder / "1", _link(kind, 1, port))))
        for server in servers:
            await until(lambda server=server: _is_linked(kind, server), PATIENCE_SECONDS, "the servers know each other")  # type: ignore[misc]  # the default binds it
        services = []
        for number, server in enumerate(servers):
            settings = make_settings(
                plan, server.url, _make(folder / f"files-{number}"), population.issuer, cluster_url
            )
            own = _make(folder / f"service-{number}")
            addresses = [urlsplit(one.url).netloc for one in servers] if listed else []
            urls = [settings["NATS_URL"].replace(urlsplit(server.url).netloc, address) for address in addresses]
            settings |= (
                {"NATS_WORKERS": str(LISTED_WORKERS), "NATS_URL": ",".join(urls)} if listed else {"NATS_WORKERS": "1"}
            )
            services.append(await stack.enter_async_context(run_service(settings, own)))
        yield Pair(servers, services, await population.mint(LOGINS, LOGINS))


@asynccontextmanager
async def _run_server(plan: Plan, folder: Path, link: Mapping[str, object]) -> AsyncIterator[Server]:
    """Run a server without the listeners and the storage that both would have in one place."""
    left_out = ("websocket:", "mqtt:", "jetstream:", "server_name:")
    kept = [line for line in plan.config.splitlines() if not line.startswith(left_out)]
    members = {"server_name": folder.name, **link}
    config = "\n".join([*kept, *(f"{name}: {json.dumps(value)}" for name, value in members.items())])
    bare = msgspec.structs.replace(plan, config=config.replace('{"jetstream": "enabled"}', "{}"))
    async with run_server(find_binary(), bare, _make(folder)) as server:
        yield server


def _link(kind: str, number: int, port: int | None) -> dict[str, object]:
    """What a server is told of the other: nothing, if it is the first."""
    url = f"nats://{LOOPBACK}:{port}"
    name = "perf" if kind == "cluster" else f"perf-{number}"
    own = {"name": name, "host": LOOPBACK, "port": -1}
    if kind == "cluster":
        return {"cluster": {**own, **({"routes": [url]} if port else {})}}
    return {"gateway": {**own, **({"gateways": [{"name": "perf-0", "urls": [url]}]} if port else {})}}


async def _is_linked(kind: str, server: Server) -> bool:
    if kind == "cluster":
        return bool((await fetch_json(f"{server.monitoring_url}/routez"))["num_routes"])
    page = await fetch_json(f"{server.monitoring_url}/gatewayz")
    return bool(page["outbound_gateways"]) and bool(page["inbound_gateways"])


def _make(folder: Path) -> Path:
    folder.mkdir()
    return folder


def test_in_a_cluster_all_members_decide(tmp_path: Path) -> None:
    """Wherever they are connected, and wherever the client is."""

    async def scenario() -> None:
        async with run_pair("cluster", tmp_path) as pair:
            for server in (0, 1):

                async def both_decide(server: int = server) -> bool:
                    admitted, decided = await pair.log_in(server)
                    assert LOGINS == admitted == sum(decided)
                    return min(decided) > 0

                await until(both_decide, PATIENCE_SECONDS, "both services decide")

    asyncio.run(scenario())


def test_across_gateways_the_own_clusters_members_decide_as_long_as_there_are_any(tmp_path: Path) -> None:
    """And those of the other cluster afterwards."""

    async def scenario() -> None:
        async with run_pair("gateway", tmp_path) as pair:
            assert (LOGINS, [LOGINS, 0]) == await pair.log_in(0)
            assert (LOGINS, [0, LOGINS]) == await pair.log_in(1)
            pair.services[0].process.terminate()
            await pair.services[0].process.wait()

            async def other_decides() -> bool:
                return (await pair.log_in(0))[0] == LOGINS

            await until(other_decides, PATIENCE_SECONDS, "the other cluster's service decides")

    asyncio.run(scenario())


def test_workers_of_a_server_that_ends_decide_at_another(tmp_path: Path) -> None:
    """If both are listed: all are at the one that is left, and let everybody in."""

    async def scenario() -> None:
        async with run_pair("cluster", tmp_path, listed=True) as pair:

            async def find_all(servers: Sequence[Server]) -> list[int] | None:
                counts = [await _count_workers(server) for server in servers]
                return counts if sum(counts) == 2 * LISTED_WORKERS else None

            counts = await until(lambda: find_all(pair.servers), PATIENCE_SECONDS, "all workers are there")
            most = counts.index(max(counts))  # they are at either by chance, so this one has some
            left = 1 - most
            pair.servers[most].process.kill()
            await pair.servers[most].process.wait()
            await until(
                lambda: find_all([pair.servers[left]]), PATIENCE_SECONDS, "all workers are at the server that is left"
            )
            admitted, decided = await pair.log_in(left)
            assert LOGINS == admitted == sum(decided)

    asyncio.run(scenario())


async def _count_workers(server: Server) -> int:
    """How many members of the queue group are connected to a server itself."""
    page = await fetch_json(f"{server.monitoring_url}/connz?subs=1")
    return sum("$SYS.REQ.USER.AUTH" in found.get("subscriptions_list", []) for found in page["connections"])
