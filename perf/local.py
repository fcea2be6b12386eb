"""A set-up on this machine: a pretend API server, a real nats-server, and replicas of the service as in production.

Everything stands in one folder in shared memory and listens on free ports of the loopback address; it is gone with the
block that started it. nats-server, the service and the tokens are those of `callout demo`.
"""

import asyncio
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from http import HTTPStatus
from math import isfinite, nan
from pathlib import Path
from typing import Any, Final, TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3

from callout.demo.config import (
    SERVICE_PUBLISHES,
    SERVICE_SUBSCRIBES,
    SERVICE_USER,
    Plan,
    draw_key,
    render_config,
    write_private,
    write_seed,
)
from callout.demo.issuer import LocalIssuer
from callout.demo.processes import POLL_S, running
from callout.demo.server import find_binary, run_server
from callout.demo.service import Service, run_service
from callout.errors import CommandError
from callout.fetch import GuardedPool, read_body
from callout.fetch_errors import FetchError
from callout.secret import Secret
from perf.changing import Changed
from perf.cluster import identify, subject_of
from perf.inputs import AUDIENCE, ISSUER
from perf.processes import list_children
from perf.requests import ASKING_SUBJECT, INBOX, SUBJECT
from perf.target import SERVER, SUPERVISOR, WORKERS, Groups, Target
from perf.wire import Address, Login
from workers.nkeys import Kind
from workers.user_jwt import Mode

T = TypeVar("T")

ASKER: Final = "perf"
START_S: Final = 300.0  # a million ServiceAccounts take a minute or two
HTTP_S: Final = 30.0  # for a whole page
MAX_PAGE: Final = 1 << 20  # bytes; that of a service has 8 KB, however many its workers are
TOKEN_LIFETIME_S: Final = 24 * 3600
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a folder of ours is made in it
_MQTT: Final = re.compile(r"Listening for MQTT clients on mqtt://127\.0\.0\.1:(\d+)")


class Population:
    """Tokens of so many ServiceAccounts, minted once for all set-ups of a run; RS256, as most clusters have it."""

    def __init__(self) -> None:
        """Draw the issuer's key; that takes some tenths of a second."""
        self.issuer = LocalIssuer(ISSUER)
        self._tokens: dict[int, list[str]] = {}

    def mint(self, number: int, serviceaccounts: int) -> list[str]:
        """Return so many tokens, each of another pod, spread over the ServiceAccounts; a millisecond each."""
        now = int(time.time())
        minted = self._tokens.setdefault(serviceaccounts, [])
        while len(minted) < number:
            minted.append(self.mint_one(len(minted) % serviceaccounts, now))
        return minted[:number]

    def mint_one(self, position: int, now: int) -> str:
        """Mint a token of one of the ServiceAccounts."""
        minted = self.issuer.mint(*identify(position), audience=AUDIENCE, issued_at=now, lifetime=TOKEN_LIFETIME_S)
        return minted.reveal()


class Local(msgspec.Struct, frozen=True):
    """A running set-up, and what changes its ServiceAccounts (`perf.changing.Changer`).

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
    population: Population, *, workers: int, replicas: int = 1, serviceaccounts: int, tokens: int
) -> AsyncIterator[Local]:
    """Run a set-up inside the block, which begins when all replicas are ready.

    Raises:
        CommandError: a part of it does not start.
    """
    shared = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
    minted = population.mint(tokens, serviceaccounts)
    with tempfile.TemporaryDirectory(prefix="nats-perf-", dir=shared) as directory:
        folder = Path(directory)
        async with AsyncExitStack() as stack:
            cluster_url = await stack.enter_async_context(_run_cluster(folder, serviceaccounts))
            plan, account, password = _make_plan(folder)
            server = await stack.enter_async_context(run_server(find_binary(), plan, folder))
            settings = _make_settings(plan, server.url, folder, population, cluster_url) | {
                "NATS_WORKERS": str(workers)
            }
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

            target = Target(
                addresses={
                    "nats": _local(urlsplit(server.url).port),
                    **{name: _local(port) for name, port in ports.items()},
                },
                login=Login({"user": ASKER, "pass": password}),
                callout_account=account,
                xkey="",
                sentinel="",
                tokens=minted,
                find_processes=find_processes,
            )
            yield Local(target, services, cluster_url)


async def fetch_json(url: str) -> Any:
    """Fetch a page of this machine."""
    response = await asyncio.to_thread(urllib3.request, "GET", url, timeout=HTTP_S, retries=False)
    return response.json()


async def read_metric(service: Service, name: str) -> float:
    """Return a metric; of a name without labels the sum of all its samples."""
    return await read_metric_of(f"{service.url}/metrics", name)


async def read_metric_of(url: str, name: str) -> float:
    """Do as `read_metric` by the address of the page.

    Raises:
        CommandError: there is no such page.
    """
    page = await asyncio.to_thread(_fetch_page, url)
    try:
        lines = [line for line in page.decode().splitlines() if line.startswith((f"{name} ", f"{name}{{"))]
        value = sum(float(line.rpartition(" ")[2]) for line in lines)
    except ValueError:
        value = nan
    if not isfinite(value):
        raise CommandError(f"{url} is no page of the service: {name} cannot be read on it")
    return value


def _fetch_page(url: str) -> bytes:
    ends_at = time.monotonic() + HTTP_S
    try:
        with GuardedPool(urllib3.PoolManager()) as pool:
            response = pool.open(url, head_seconds=HTTP_S, silence_seconds=HTTP_S)
            page = read_body(response, "it", limit=MAX_PAGE, seconds=ends_at - time.monotonic())
    except FetchError as error:
        raise CommandError(f"{url} cannot be read: {error}") from None
    if response.status != HTTPStatus.OK:
        raise CommandError(f"{url} answers with status {response.status}")
    return page


@asynccontextmanager
async def _run_cluster(folder: Path, serviceaccounts: int) -> AsyncIterator[str]:
    output = folder / "cluster.log"
    async with running([sys.executable, "-m", "perf.cluster", str(serviceaccounts)], output) as process:
        end = time.monotonic() + HTTP_S
        while not output.read_text().endswith("\n"):
            if process.returncode is not None or time.monotonic() > end:
                raise CommandError("the pretend API server does not start; run this in the project's folder")
            await asyncio.sleep(POLL_S)
        yield f"http://127.0.0.1:{int(output.read_text())}"


def _make_plan(folder: Path) -> tuple[Plan, str, str]:
    """Make the demo's plan in server mode, with listeners for WebSocket and MQTT, and an account that may ask.

    What the two accounts share is for each other alone: requests hold tokens, and answers logins.

    Returns: the plan, the callout's public key, the password of that user.
    """
    issuer = draw_key(Kind.ACCOUNT)
    passwords = {name: draw_key(Kind.USER).public for name in (SERVICE_USER, ASKER)}
    rights = {"publish": list(SERVICE_PUBLISHES), "subscribe": list(SERVICE_SUBSCRIBES)}
    answers = f"{INBOX}.>"
    asking = {"publish": ASKING_SUBJECT, "subscribe": answers}
    accounts = {
        "AUTH": {
            "users": [{"user": SERVICE_USER, "password": passwords[SERVICE_USER], "permissions": rights}],
            "exports": [{"stream": answers, "accounts": ["PERF"]}],
            "imports": [{"stream": {"account": "PERF", "subject": ASKING_SUBJECT}, "to": SUBJECT}],
        },
        "PERF": {
            "users": [{"user": ASKER, "password": passwords[ASKER], "permissions": asking}],
            "exports": [{"stream": ASKING_SUBJECT, "accounts": ["AUTH"]}],
            "imports": [{"stream": {"account": "AUTH", "subject": answers}}],
        },
        "APP": {"jetstream": "enabled"},
        "SYS": {},
    }
    listener = {"host": "127.0.0.1", "port": -1}
    members = {
        "accounts": accounts,
        "system_account": "SYS",
        "authorization": {
            "auth_callout": {"issuer": issuer.public, "account": "AUTH", "auth_users": [SERVICE_USER, ASKER]},
        },
        "websocket": {**listener, "no_tls": True},
        "mqtt": listener,
    }
    settings = {
        "NATS_MODE": Mode.SERVER.value,
        "NATS_ACCOUNT": "APP",
        "NATS_SIGNING_KEY_FILE": write_seed(folder / "signing.nk", issuer),
    }
    login = Secret(f"{SERVICE_USER}:{passwords[SERVICE_USER]}@")
    plan = Plan(render_config(members, folder), settings, login, {name: name for name in accounts}, "APP")
    return plan, issuer.public, passwords[ASKER]


def _make_settings(
    plan: Plan, server_url: str, folder: Path, population: Population, cluster_url: str
) -> dict[str, str]:
    kubeconfig = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "perf", "cluster": {"server": cluster_url}}],
        "users": [{"name": "perf", "user": {"token": "perf"}}],
        "contexts": [{"name": "perf", "context": {"cluster": "perf", "user": "perf"}}],
        "current-context": "perf",
    }
    return {
        **plan.settings,
        "NATS_URL": server_url.replace("://", f"://{plan.login.reveal()}"),
        "JWKS_PATH": write_private(folder / "jwks.json", Secret(population.issuer.jwks().decode())),
        "JWT_ISSUER": ISSUER,
        "JWT_AUDIENCE": AUDIENCE,
        "K8S_IN_CLUSTER": "false",
        "KUBECONFIG": write_private(folder / "kubeconfig", Secret(json.dumps(kubeconfig))),
        "LOG_LEVEL": "info",
    }


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


def _local(port: int | None) -> Address:
    assert port is not None
    return Address("127.0.0.1", port)
