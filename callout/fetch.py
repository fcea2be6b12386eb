"""GET requests that neither keep us for ever nor fill our memory.

urllib3's own time-out is for each read by itself: a server that sends a byte every few seconds, be it of the head of
its answer or of the body, would keep us for ever. And the length that a server announces is only what it says.

Rules kept here:
- The head of an answer arrives, whole, within its time, and so does a body; else an alarm shuts the socket down under
  the read that blocks on it. So nothing is left behind: no thread, no connection.
- A body is taken up to a limit of bytes, whatever was announced.
- Redirects are not followed, nothing is sent twice, and nothing is unpacked: compression was not asked for.
- Every failure is a `FetchError` (`callout.fetch_errors`), one line that names the host.

What does not end with the alarm is bounded by itself: resolving a name by the resolver's own time-outs, connecting by
`CONNECT_SECONDS` for each address, the TLS handshake by the same.
"""

import contextlib
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from urllib3 import BaseHTTPResponse, HTTPConnectionPool, PoolManager, Timeout
from urllib3.connection import HTTPConnection
from urllib3.exceptions import HTTPError
from urllib3.util import parse_url

from callout.fetch_errors import FetchError, TooMuchError, explain

CONNECT_SECONDS: Final = 5.0
READ_BYTES: Final = 64 << 10  # per read; what has arrived is taken at once, up to this
# kube-apiserver calls its key set application/jwk-set+json, and answers 406 to who does not accept that.
ACCEPTED: Final = "application/json, application/jwk-set+json"
HEADERS: Final = {"Accept": ACCEPTED, "User-Agent": "nats-k8s-oidc-callout"}


class GuardedPool:
    """Sends GET requests over the connections of a pool. Several threads may use it at once.

    Args:
        pool: makes the connections; its TLS settings are the ones that count.
    """

    def __init__(self, pool: PoolManager) -> None:
        pool.pool_classes_by_scheme = {
            scheme: _make_interruptible(kind) for scheme, kind in pool.pool_classes_by_scheme.items()
        }
        self._pool = pool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.clear()

    def open(
        self, url: str, *, head_seconds: float, silence_seconds: float, authorization: str | None = None
    ) -> BaseHTTPResponse:
        """Send a GET and return the answer, whatever its status, with its body unread. The caller closes it.

        Args:
            url: where to; one that `callout.urls.parse_origin` takes.
            head_seconds: how long connecting and the head of the answer may take together.
            silence_seconds: how long nothing at all may come, before the body and within it.
            authorization: the header of that name.

        Raises:
            FetchError: no answer.
        """
        with Alarm(head_seconds, parse_url(url).host or "the server") as alarm:
            response = self._pool.request(
                "GET",
                url,
                headers=HEADERS | ({"Authorization": authorization} if authorization else {}),
                timeout=Timeout(connect=CONNECT_SECONDS, read=silence_seconds),
                retries=False,
                redirect=False,
                preload_content=False,
            )
            if alarm.end():
                response.close()
            return response


def read_body(response: BaseHTTPResponse, host: str, *, limit: int, seconds: float) -> bytes:
    """Read a body to its end and let the connection be used again, or give up and close it.

    Args:
        response: an answer whose body was not read yet, of `GuardedPool.open`.
        host: who sends it, for the error.
        limit: bytes.
        seconds: how long the whole body may take.

    Raises:
        TooMuchError: more than `limit` bytes came.
        FetchError: the body did not come in time, or not whole.
    """
    body = bytearray()
    try:
        with Alarm(seconds, host, response.shutdown):
            while data := response.read1(READ_BYTES, decode_content=False):
                body += data
                if len(body) > limit:
                    raise TooMuchError(f"{host} sent more than {limit} bytes")
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return bytes(body)


class Alarm:
    """Cuts a connection when the time is over, and turns what goes wrong within the block into a `FetchError`."""

    def __init__(self, seconds: float, host: str, cut: Callable[[], object] = lambda: None) -> None:
        self._seconds = seconds
        self._host = host
        self._cut = cut
        self._lock = threading.Lock()
        self._rang = self._over = False
        self._timer = threading.Timer(seconds, self._ring)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        _current.alarm = self
        self._timer.start()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: TracebackType | None) -> None:
        _current.alarm = None
        if self.end() and (error is None or isinstance(error, Exception)):
            raise FetchError(f"{self._host} took more than {self._seconds:.3g} s to answer") from None
        if isinstance(error, HTTPError | OSError | ValueError):
            raise explain(error, self._host) from None

    def end(self) -> bool:
        """Let nothing be cut from now on; tell whether the time was over before."""
        self._timer.cancel()
        with self._lock:
            self._over = True
            return self._rang

    def hold(self, cut: Callable[[], object]) -> None:
        """Take another connection for the one to be cut. Raises `TimeoutError` if the time is over already."""
        self._cut = cut
        if self._rang:  # looked at after `_cut` was set, as `_ring` does the reverse: nothing falls in between
            raise TimeoutError

    def _ring(self) -> None:
        with self._lock:
            if self._over:
                return
            self._rang = True
            with contextlib.suppress(RuntimeError, ValueError, OSError):  # it has just ended by itself
                self._cut()


class _Current(threading.local):
    alarm: Alarm | None = None


_current = _Current()
"""The alarm of the request that a thread is sending: the library hands nothing of ours down to its connections."""


class _Interruptible(HTTPConnection):
    """A connection that can be cut while it waits for a proxy or for the head of an answer."""

    def connect(self) -> None:
        self._show()
        super().connect()

    def getresponse(self) -> Any:
        self._show()
        return super().getresponse()

    def _show(self) -> None:
        if _current.alarm:
            _current.alarm.hold(self._cut)

    def _cut(self) -> None:
        if self.sock:
            self.sock.shutdown(socket.SHUT_RDWR)


def _make_interruptible(kind: type[HTTPConnectionPool]) -> type[HTTPConnectionPool]:
    """Return the same class of pool (plain, TLS, through a proxy) with connections that can be cut."""
    connection = type("InterruptibleConnection", (_Interruptible, kind.ConnectionCls), {})
    return type("InterruptiblePool", (kind,), {"ConnectionCls": connection})
