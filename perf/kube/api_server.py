"""Objects made, changed and deleted through a real API server, which the service itself never does.

How to reach it and with which credentials is found out as the service does it (`callout.kube.client`), which sends GETs
alone.

Rules kept here:
- Every wait has a bound, and so has every body, however it comes (`callout.fetch`). Who is told to come back later
  (429) does, so often and no oftener.
- A request is sent by a thread, which is waited for even when the measurement is cancelled: nothing that was sent is
  still on its way when the cleaning up begins. What only waits for its next attempt is given up at once.
- A refusal is one line, of which nothing was sent or received.
"""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Container, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from http import HTTPStatus
from typing import Any, Final, Self, TypeVar

import msgspec
import urllib3

from callout.errors import CommandError
from callout.fetch import CONNECT_SECONDS, Alarm, read_body
from callout.fetch_errors import FetchError
from callout.kube.client import API_SERVER, KubeClient
from callout.kube.errors import KubeError, Purpose, refuse
from perf.figures.limits import limit

T = TypeVar("T")

AT_ONCE: Final = 16  # requests on their way; the API server bears 200 that change something, by default
ANSWER_S: Final = 30.0  # for a whole answer of some KB, from connecting on
MAX_BODY: Final = 16 << 20  # bytes; a page of 500 ServiceAccounts of the largest kind has half of that
PAUSE_S: Final = 1.0  # what an API server with too much to do asks for
MAX_PAUSES: Final = 30
_CONTENT_TYPES: Final = {"PATCH": "application/merge-patch+json"}


class Answer(msgspec.Struct, frozen=True):
    """What the API server said, and when it was asked and had answered (CLOCK_MONOTONIC, seconds)."""

    status: int
    body: bytes
    sent_at: float
    answered_at: float


class ApiServer:
    """Sends requests to the API server, some at once, within an `async with` block.

    Args:
        kubeconfig: its path, or several joined by colons; empty for `~/.kube/config`.
    """

    def __init__(self, kubeconfig: str) -> None:
        """Ask nobody yet."""
        self._client = KubeClient(in_cluster=False, kubeconfig=kubeconfig)
        self._threads = ThreadPoolExecutor(AT_ONCE, "api server")

    async def __aenter__(self) -> Self:
        """Begin."""
        return self

    async def __aexit__(self, *_: object) -> None:
        """Let the threads go; none has anything to do."""
        self._threads.shutdown()

    async def send(
        self,
        method: str,
        path: str,
        purpose: Purpose,
        body: Mapping[str, object] | None = None,
        *,
        also: Container[int] = (),
    ) -> Answer:
        """Send a request and return its answer, whose status tells of success.

        Args:
            method: such as POST.
            path: with its query, if any.
            purpose: what for, so that a refusal can be explained.
            body: an object; a merge patch for PATCH.
            also: statuses that are no success, and yet for the caller to judge.

        Raises:
            CommandError: it was refused, or not answered.
        """
        given_up = threading.Event()
        future = asyncio.get_running_loop().run_in_executor(
            self._threads, partial(self._send, method, path, json.dumps(body).encode() if body else None, given_up)
        )
        try:
            answer = await asyncio.shield(future)
        except asyncio.CancelledError:
            given_up.set()
            await asyncio.gather(future, return_exceptions=True)
            raise
        if not 200 <= answer.status < 300 and answer.status not in also:
            raise CommandError(str(refuse(answer.status, purpose)))
        return answer

    def _send(self, method: str, path: str, body: bytes | None, given_up: threading.Event) -> Answer:
        sent_at = time.monotonic()
        for _ in range(MAX_PAUSES):
            answer = self._send_once(method, path, body, sent_at)
            if answer.status != HTTPStatus.TOO_MANY_REQUESTS or given_up.wait(PAUSE_S):
                break
        return answer

    def _send_once(self, method: str, path: str, body: bytes | None, sent_at: float) -> Answer:
        try:
            access = self._client._current()  # noqa: SLF001  # it keeps them the current ones, within bounds
        except KubeError as error:
            raise CommandError(str(error)) from None
        headers = {"Accept": "application/json", "Content-Type": _CONTENT_TYPES.get(method, "application/json")}
        if access.authorization:
            headers["Authorization"] = access.authorization.reveal()
        pool: Any = access.pool._pool  # noqa: SLF001  # a `GuardedPool` sends GETs alone; its connections can be cut
        pool.connection_pool_kw["maxsize"] = AT_ONCE  # connections that are kept; none is open yet, or it is so already
        try:
            with limit(ANSWER_S, API_SERVER) as left:
                with Alarm(ANSWER_S, API_SERVER) as alarm:
                    response = pool.request(
                        method,
                        f"{access.url}{path}",
                        body=body,
                        headers=headers,
                        timeout=urllib3.Timeout(connect=CONNECT_SECONDS, read=ANSWER_S),
                        retries=False,
                        redirect=False,
                        preload_content=False,
                    )
                    if alarm.end():
                        response.close()
                content = read_body(response, API_SERVER, limit=MAX_BODY, seconds=left())
        except FetchError as error:
            raise CommandError(str(error)) from None
        return Answer(response.status, content, sent_at, time.monotonic())


async def for_all(items: Iterable[T], do: Callable[[T], Awaitable[object]]) -> None:
    """Do something for all items, for some of them at once; the first that fails ends it.

    Raises:
        CommandError: one has failed.
    """
    waiting = iter(items)

    async def work() -> None:
        for item in waiting:
            await do(item)

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(work())
    except* CommandError as failed:
        errors: list[BaseException] = list(failed.exceptions)
    else:
        return
    raise errors[0]
