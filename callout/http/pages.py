"""What the HTTP pages say: from an address to an answer, without a socket in sight.

Rules kept here:
- /health always has the status of /livez: it is the Go service's probe, and as a liveness probe it must not kill a pod
  that merely waits for NATS. Its body tells the rest.
- The metrics are rendered in a thread, since that reads a file of each worker, and once at a time: whoever asks
  meanwhile gets the same copy.
- A page that fails is a 500 for that request, and the event loop's exception handler hears of it; nothing of the error
  is shown to the client.
"""

import asyncio
from collections.abc import Callable
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

TEXT = "text/plain; charset=utf-8"
JSON = "application/json"
INDEX = b"""nats-k8s-oidc-callout
/livez    200 while the service works and need not be restarted
/readyz   200 while it can answer logins
/health   as /livez, with details
/metrics  for Prometheus
"""


class Check(msgspec.Struct, frozen=True):
    """The outcome of a check: whether all is well, and anything that JSON can hold."""

    ok: bool
    body: object


class Pages(Protocol):
    """Where the content comes from. All four are called on the loop and must be quick."""

    def livez(self) -> Check:
        """Whether the service works: no means that it should be restarted."""

    def readyz(self) -> Check:
        """Whether it can answer logins now."""

    def health(self) -> Check:
        """The details; the status of the page is that of `livez` all the same."""

    def metrics(self) -> Callable[[], tuple[str, bytes]]:
        """Take the readings of this moment; returns what renders them, to be called in a thread: type and body."""


class Answer(msgspec.Struct, frozen=True):
    """A response to be; `allow` is the header of a 405, `close` ends the connection after it."""

    status: int
    body: bytes
    content_type: str = TEXT
    allow: str = ""
    close: bool = False


class Router:
    """Answers addresses.

    Args:
        pages: where the content comes from.
        render_seconds: how long a request waits for the metrics.
    """

    def __init__(self, pages: Pages, render_seconds: float) -> None:
        self._pages = pages
        self._render_seconds = render_seconds
        self._rendering: asyncio.Task[tuple[str, bytes]] | None = None

    async def answer(self, target: str) -> Answer:
        """Answer a request's target: a path, perhaps with a query, or a whole address (RFC 9112, 3.2)."""
        try:
            path = urlsplit(target).path if "://" in target else target.partition("?")[0]
        except ValueError:
            return Answer(400, b"this is no address\n")
        try:
            match path:
                case "/":
                    return Answer(200, INDEX)
                case "/livez":
                    return _render(self._pages.livez())
                case "/readyz":
                    return _render(self._pages.readyz())
                case "/health":
                    return _render(Check(ok=self._pages.livez().ok, body=self._pages.health().body))
                case "/metrics":
                    return await self._render_metrics()
        except Exception as error:  # noqa: BLE001  # whatever a page raises is a 500, and the server lives
            report(error)
            return Answer(500, b"this page failed; the log says why\n")
        return Answer(404, b"no such page\n")

    async def _render_metrics(self) -> Answer:
        if self._rendering is None:
            self._rendering = asyncio.create_task(asyncio.to_thread(self._pages.metrics()))
            self._rendering.add_done_callback(self._forget_rendering)
        try:
            async with asyncio.timeout(self._render_seconds):
                content_type, body = await asyncio.shield(self._rendering)
        except TimeoutError:
            return Answer(503, b"the metrics are still being rendered\n")
        return Answer(200, body, content_type)

    def _forget_rendering(self, task: asyncio.Task[tuple[str, bytes]]) -> None:
        self._rendering = None
        if not task.cancelled():
            task.exception()  # seen, even if everyone who waited for it has left


def report(error: Exception) -> None:
    """Tell the event loop's exception handler of a fault of ours that ended one request."""
    asyncio.get_running_loop().call_exception_handler({"message": "an HTTP request failed", "exception": error})


def _render(check: Check) -> Answer:
    return Answer(200 if check.ok else 503, msgspec.json.encode(check.body) + b"\n", JSON)
