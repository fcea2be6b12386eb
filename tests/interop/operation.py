"""What the tests of the running service share: starting it on an environment, and clients that never stop coming."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

import pytest

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import REFUSED, WorkloadClient
from tests.interop.environments import BINARIES, MODES, Environment, Setting
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until

WORKERS = 2
"""Enough to have another one, few enough for a machine with two cores."""
PAGE_POLL_SECONDS = 0.05
"""How often to look at a page: that costs some milliseconds on either side."""
AT_ONCE = 2

PLAIN = Setting("server", xkey=False, binary=BINARIES[0])
"""Where one environment is enough."""
REDUCED = (
    *(Setting(mode, xkey=False, binary=BINARIES[0]) for mode in MODES),
    *(Setting("server", xkey=False, binary=binary) for binary in BINARIES[1:]),
)
"""Where the server's version or mode may make a difference: all modes on the newest line, one mode on the others."""
SERVER_MODE = tuple(setting for setting in REDUCED if setting.mode == "server")
OPERATOR_MODE = tuple(setting for setting in REDUCED if setting.mode != "server")


def on(*settings: Setting) -> pytest.MarkDecorator:
    """Run a test in each of these environments."""
    return pytest.mark.parametrize("environment", settings, indirect=True, ids=str)


@contextlib.asynccontextmanager
async def serve(
    environment: Environment, cluster: ChangingCluster, *, wait: bool = True, **variables: str
) -> AsyncIterator[Service]:
    """Run the service on both, with `variables` besides; unless `wait` is false, all workers serve when this returns.

    At the end nothing but log lines may have been printed, and why it could not start: a traceback fails the test.
    """
    given = {"HTTP_HOST": "127.0.0.1", "NATS_WORKERS": str(WORKERS)} | cluster.variables | variables
    with Service(environment.service_env() | given) as service:
        await service.logged("http listening")
        if wait:
            await service.ready()
            await until_serving(service, int(given["NATS_WORKERS"]))
        yield service
    assert [] == [line for line in service.plain_lines if not line.startswith("callout: ")]


def count_workers(service: Service) -> dict[str, int]:
    """How many workers are in each state."""
    _, body = service.get("/health")
    workers: dict[str, int] = json.loads(body)["workers"]
    return workers


async def until_workers(service: Service, states: dict[str, int]) -> None:
    """Wait until so many workers are in these states, and there are no others."""
    await until(
        lambda: count_workers(service) == states,
        PATIENCE_SECONDS,
        f"there are workers in these states and no others: {states}",
        PAGE_POLL_SECONDS,
    )


async def until_serving(service: Service, workers: int = WORKERS) -> None:
    """Wait until so many workers serve, and there are no others."""
    await until_workers(service, {"serving": workers})


async def is_let_in(environment: Environment, token: str) -> bool:
    """Try to log in once."""
    try:
        client = await environment.connect(token)
    except REFUSED:
        return False
    await client.close()
    return True


async def until_let_in(environment: Environment, token: str) -> None:
    """Wait until a login with the token succeeds."""
    await until(lambda: is_let_in(environment, token), PATIENCE_SECONDS, "the login succeeds")


async def until_refused(environment: Environment, token: str) -> None:
    """Wait until a login with the token is refused."""

    async def is_refused() -> bool:
        return not await is_let_in(environment, token)

    await until(is_refused, PATIENCE_SECONDS, "the login is refused")


async def may_publish(client: WorkloadClient, subject: str) -> bool:
    """Try to publish to a subject; the server complains of a violation before it answers the flush."""
    before = len(client.errors)
    await client.publish(subject, b"")
    await client.flush()
    return len(client.errors) == before


async def until_reasons(service: Service, expected: list[str]) -> None:
    """Wait until these are the reasons of all denials so far; a line is written a moment after the answer."""

    def reasons() -> list[Any]:
        return [line["reason"] for line in service.log_lines("login denied")]

    await until(lambda: len(reasons()) >= len(expected), PATIENCE_SECONDS, f"{len(expected)} denials are logged")
    assert expected == reasons()


class Logins:
    """Clients that log in and leave again, without a pause, as long as an `async with` block lasts.

    Args:
        environment: where.
        cluster: whose ServiceAccount orders/checkout they are, each with a fresh token.
        at_once: how many at a time.

    Attributes:
        refusals: what those got that were not let in.
    """

    def __init__(self, environment: Environment, cluster: ChangingCluster, at_once: int = AT_ONCE) -> None:
        self.refusals: list[str] = []
        self._environment = environment
        self._cluster = cluster
        self._at_once = at_once
        self._begun = 0
        self._ended: list[int] = []
        self._going_on = True
        self._tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._tasks = [asyncio.create_task(self._log_in()) for _ in range(self._at_once)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._going_on = False
        if error is not None:
            for task in self._tasks:
                task.cancel()
        outcomes = await asyncio.gather(*self._tasks, return_exceptions=True)
        if error is None:
            assert [None] * self._at_once == outcomes

    async def more(self, number: int = 20) -> None:
        """Wait until so many have been decided that began after this call."""
        mark = self._begun
        await until(lambda: self._decided_since(mark) >= number, PATIENCE_SECONDS, f"{number} more logins")

    def _decided_since(self, mark: int) -> int:
        return sum(one >= mark for one in self._ended)

    async def _log_in(self) -> None:
        while self._going_on:
            number, self._begun = self._begun, self._begun + 1
            try:
                client = await self._environment.connect(self._cluster.token("orders", "checkout"))
            except REFUSED as error:
                self.refusals.append(str(error))
            else:
                await client.close()
            self._ended.append(number)
