"""A set-up on this machine: a pretend API server, a real nats-server, and replicas of the service as in production.

Everything stands in one folder in shared memory and listens on free ports of the loopback address; it is gone with the
block that started it. nats-server, the service and the tokens are those of `callout demo`.
"""

import asyncio
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from callout.demo.issuer import LocalIssuer
from callout.demo.processes import POLL_S, running
from callout.demo.server import find_binary, run_server
from callout.demo.service import Service, run_service
from callout.errors import CommandError
from callout.files import reason_of
from perf.commandline.shared_memory import make_folder
from perf.figures.pages import fetch_json, read_metric
from perf.figures.processes import SERVER, SUPERVISOR, WORKERS, list_children
from perf.generator.making import make_each
from perf.generator.target import Groups, Target
from perf.generator.wire import Address, Login, say_why
from perf.here.certificate import HOST, make_certificate
from perf.here.cluster import identify, subject_of
from perf.here.inputs import AUDIENCE, ISSUER
from perf.here.plan import ASKER, Made, make_plan, make_settings
from perf.kube.changing import Changed

T = TypeVar("T")

START_S: Final = 300.0  # a million ServiceAccounts take a minute or two
CLUSTER_S: Final = 30.0  # until the pretend API server listens; it takes a second
TOKEN_LIFETIME_S: Final = 32 * 24 * 3600  # longer than the longest soak
_MQTT: Final = re.compile(r"Listening for MQTT clients on mqtt://127\.0\.0\.1:(\d+)")


class Population:
    """Tokens of so many ServiceAccounts, minted once for all set-ups of a run; RS256, as most clusters have it."""

    def __init__(self) -> None:
        """Draw the issuer's key; that takes some tenths of a second."""
        self.issuer = LocalIssuer(ISSUER)
        self._tokens: dict[int, list[str]] = {}

    async def mint(self, number: int, serviceaccounts: int) -> list[str]:
        """Return so many tokens, each of another pod, spread over the ServiceAccounts; a millisecond each."""
        now = int(time.time())
        minted = self._tokens.setdefault(serviceaccounts, [])
        missing = range(len(minted), number)
        minted += await make_each(lambda position: self.mint_one(position % serviceaccounts, now), missing)
        return minted[:number]

    def mint_one(self, position: int, now: int) -> str:
        """Mint a token of one of the ServiceAccounts."""
        minted = self.issuer.mint(*identify(position), audience=AUDIENCE, issued_at=now, lifetime=TOKEN_LIFETIME_S)
        return minted.reveal()


class Local(msgspec.Struct, frozen=True):
    """A running set-up, and what changes its ServiceAccounts (`perf.kube.changing.Changer`).

    Attributes:
        target: how to measure it.
        services: the replicas.
        cluster_url: of the pretend API server.
    """

    target: Target
    services: list[Service]
    cluster_url: str

    async def tell_cluster(self, action: str, **query: object) -> dict[str, float]:
        """Ask the pretend API server for a change, or when it has last handed a list over."""
        answer: dict[str, float] = await fetch_json(f"{self.cluster_url}/perf/{action}?{urlencode(query)}")
        return answer

    async def change(self, value: str) -> Changed:
        """Let the first of them publish to one more subject."""
        sent_at = time.monotonic()
        answer = await self.tell_cluster("change", position=0, value=value)
        return Changed(subject_of(value), sent_at, answer["at"])

    async def churn_while(self, rate: int, work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
        """Change so many a second while work is done; return also how many a second really were changed."""
        before = await self.tell_cluster("churn", rate=rate)
        try:
            done = await work()
        finally:
            after = await self.tell_cluster("churn", rate=0)
        return done, (after["changes"] - before["changes"]) / (after["at"] - before["at"])


@asynccontextmanager
async def run_local(
    population: Population,
    *,
    workers: int,
    replicas: int = 1,
    serviceaccounts: int,
    tokens: int,
    tls: bool = False,
    sealed: bool = False,
) -> AsyncIterator[Local]:
    """Run a set-up inside the block, which begins when all replicas are ready.

    Args:
        population: whose tokens clients have.
        workers: of each replica.
        replicas: of the service.
        serviceaccounts: that there are.
        tokens: that are minted.
        tls: whether NATS clients have to speak TLS.
        sealed: whether requests are encrypted, by an xkey.

    Raises:
        CommandError: a part of it does not start.
    """
    minted = await population.mint(tokens, serviceaccounts)
    with make_folder() as directory:
        async with AsyncExitStack() as stack:
            try:
                shown = make_certificate(Path(directory)) if tls else None
                made = make_plan(Path(directory), shown, sealed=sealed)
                local = await _start(
                    stack, Path(directory), population, workers, replicas, serviceaccounts, minted, made
                )
            except OSError as error:
                raise CommandError(f"the set-up cannot be started in {directory}: {say_reason(error)}") from None
            yield local


async def _start(
    stack: AsyncExitStack,
    folder: Path,
    population: Population,
    workers: int,
    replicas: int,
    serviceaccounts: int,
    minted: list[str],
    made: Made,
) -> Local:
    """Start it, part by part; the stack ends what has been started."""
    cluster_url = await stack.enter_async_context(run_cluster(folder, serviceaccounts))
    server = await stack.enter_async_context(run_server(find_binary(), made.plan, folder))
    settings = make_settings(made.plan, server.url, folder, population.issuer, cluster_url)
    settings["NATS_WORKERS"] = str(workers)
    services = []
    for number in range(replicas):
        own = folder / f"replica-{number}"
        own.mkdir()
        services.append(await stack.enter_async_context(run_service(settings, own, START_S)))
    await _wait_for_workers(services, workers)
    ports = await _find_ports(folder, server.process.pid)

    def find_processes() -> Groups:
        pids = [service.process.pid for service in services]
        return {
            SERVER: [server.process.pid],
            SUPERVISOR: pids,
            WORKERS: [child for pid in pids for child in list_children(pid)],
        }

    context = ssl.create_default_context(cafile=str(made.tls.certificate)) if made.tls else None
    target = Target(
        addresses={
            "nats": _local(urlsplit(server.url).port, context),
            **{name: _local(port) for name, port in ports.items()},
        },
        login=Login({"user": ASKER, "pass": made.password}),
        callout_account=made.issuer,
        xkey=made.xkey,
        sentinel="",
        tokens=minted,
        find_processes=find_processes,
    )
    return Local(target, services, cluster_url)


@asynccontextmanager
async def run_cluster(folder: Path, serviceaccounts: int) -> AsyncIterator[str]:
    """Run a pretend API server inside the block, and say where it is.

    Raises:
        CommandError: it does not start.
    """
    output = folder / "cluster.log"
    async with running([sys.executable, "-m", "perf.here.cluster", str(serviceaccounts)], output) as process:
        end = time.monotonic() + CLUSTER_S
        while not output.read_text().endswith("\n"):
            if process.returncode is not None or time.monotonic() > end:
                raise CommandError("the pretend API server does not start; run this in the project's folder")
            await asyncio.sleep(POLL_S)
        yield f"http://127.0.0.1:{int(output.read_text())}"


async def _wait_for_workers(services: Sequence[Service], workers: int) -> None:
    """Wait until all are in the queue group; a service is ready with the first of them."""
    end = time.monotonic() + START_S
    for service in services:
        while await read_metric(service, 'nats_auth_workers{state="serving"}') < workers:
            if time.monotonic() > end:
                raise CommandError("the service does not get all its workers to serve")
            await asyncio.sleep(POLL_S)


async def _find_ports(folder: Path, pid: int) -> dict[str, int]:
    """Find where the server listens besides; that of MQTT stands in its log alone."""
    ports = msgspec.json.decode((folder / f"{find_binary().name}_{pid}.ports").read_bytes(), type=dict[str, list[str]])
    found = _MQTT.search((folder / "nats.log").read_text(errors="replace"))
    if found is None or "websocket" not in ports:
        raise CommandError("this nats-server does not say where it listens for WebSocket and MQTT")
    port = urlsplit(ports["websocket"][0]).port
    assert port is not None
    return {"ws": port, "mqtt": int(found[1])}


def say_reason(error: OSError) -> str:
    """Say in a few words what has failed: the system says it of a file, and a connection of itself."""
    return reason_of(error) if error.strerror else say_why(error)


def _local(port: int | None, tls: ssl.SSLContext | None = None) -> Address:
    assert port is not None
    return Address(HOST, port, tls)
