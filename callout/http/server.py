"""Serving the pages for probes and for Prometheus: /livez, /readyz, /health, /metrics, and / with a list of them.

The liveness probe decides whether the pod is killed, so whoever can reach the port must not be able to make it fail.
h11 parses (RFC 9112) and knows no sockets; this module adds sockets and bounds; `callout.http.pages` has the answers.

Rules kept here:
- Everything is bounded: the size of a request's head, its time, the time of an idle connection, the time a client takes
  to read, and the number of connections. When there are too many, the one that has kept us waiting longest gives way,
  be it for its request to be complete, for its answer to be taken, or for it to hang up: the slow displace each
  other, and a probe is served.
- GET and HEAD only, and no bodies.
- One answer per connection and turn of the event loop. Requests sent without waiting for the answer are not served:
  asyncio reads 256 KB at once, thousands of requests, and nobody else would have a turn until the last was answered.
"""

import asyncio
import contextlib
import errno
import socket
from email.utils import formatdate
from http import HTTPStatus
from types import TracebackType
from typing import Self

import h11
import msgspec

from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.files import reason_of
from callout.http.pages import Answer, Pages, Router, report

_NOT_OUR_ADDRESS = frozenset({errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT})
READ_BYTES = 4096  # a request of a probe or of Prometheus fits into one read

# For a connection too many, while all others are being answered; it is closed without reading from it.
_BUSY = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Limits(msgspec.Struct, frozen=True):
    """What a client may use.

    Attributes:
        head_bytes: of a request's line and headers together.
        connections: at once. Prometheus and the kubelet need a handful.
        request_seconds: from the first byte of a request to the end of its head, and for a new connection to begin one.
        idle_seconds: between two requests on a connection; longer than the minute that Prometheus scrapes at.
        render_seconds: to wait for the metrics.
        send_seconds: for the client to take the answer.
        linger_seconds: after an answer with "close", for the client to take it and hang up.
    """

    head_bytes: int = 16 * 1024
    connections: int = 64
    request_seconds: float = 5.0
    idle_seconds: float = 75.0
    render_seconds: float = 10.0
    send_seconds: float = 10.0
    linger_seconds: float = 1.0


DEFAULT_LIMITS = Limits()


class HttpServer:
    """Serves the pages while its `async with` block lasts; then it stops listening and cuts all connections.

    Args:
        pages: what they show.
        host: the address to listen on; None is all, IPv6 and IPv4.
        port: 0 takes one that is free; afterwards `port` tells which.
        limits: what a client may use.

    Raises:
        CommandError: on entry, if the port is taken or the address is not ours.
    """

    def __init__(self, pages: Pages, host: str | None, port: int, limits: Limits = DEFAULT_LIMITS) -> None:
        self.port = port
        self._host = host
        self._limits = limits
        self._router = Router(pages, limits.render_seconds)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self._waiting: dict[asyncio.Task[None], None] = {}  # those whose client is to do something, oldest first

    async def __aenter__(self) -> Self:
        try:
            listener = _listen(self._host, self.port)
        except OSError as error:
            raise CommandError(_explain(error, self._host, self.port), exit_code=EXIT_WRONG_USAGE) from None
        self.port = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._accept, sock=listener, limit=READ_BYTES)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        connections = list(self._connections)
        for task in connections:
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._connections) >= self._limits.connections and not self._displace():
            writer.write(_BUSY)
            writer.close()
            return
        self._connections.add(task)
        try:
            # Without a buffer of its own the transport has sent everything when `drain` returns.
            writer.transport.set_write_buffer_limits(high=0)
            await self._converse(reader, writer, task)
        except OSError:
            pass  # the client is gone, or, after a TimeoutError, as good as gone
        except asyncio.CancelledError:
            pass  # displaced, or the end; not raised again, since asyncio 3.11 takes a cancelled task for a fault
        except Exception as error:  # noqa: BLE001  # a fault of ours costs this connection, not the server
            report(error)
        finally:
            self._connections.discard(task)
            self._waiting.pop(task, None)
            writer.transport.abort()

    def _displace(self) -> bool:
        """Cut the connection that has waited longest for its client; False if none waits."""
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            return False
        del self._waiting[oldest]
        self._connections.discard(oldest)
        oldest.cancel()
        return True

    async def _converse(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, task: asyncio.Task[None]
    ) -> None:
        """Answer one request after the other."""
        state = h11.Connection(h11.SERVER, max_incomplete_event_size=self._limits.head_bytes)
        patience = self._limits.request_seconds
        self._waiting[task] = None
        while True:
            answer, is_head = await self._next_answer(state, reader, patience, task)
            if answer is None:
                return
            self._waiting[task] = None  # from now on for the client to take it, to ask again or to hang up
            writer.write(_encode(state, answer, is_head=is_head))
            async with asyncio.timeout(self._limits.send_seconds):
                await writer.drain()
            await asyncio.sleep(0)  # neither `drain` nor `read` yields while there is room and there are bytes
            if state.our_state is not h11.DONE or state.their_state is not h11.DONE:
                break
            state.start_next_cycle()
            patience = self._limits.idle_seconds
        await self._linger(reader, writer)

    async def _next_answer(
        self, state: h11.Connection, reader: asyncio.StreamReader, patience: float, task: asyncio.Task[None]
    ) -> tuple[Answer | None, bool]:
        """Read a request and decide what to answer, and whether to a HEAD; None if none came."""
        try:
            request = await self._read_head(state, reader, patience)
        except TimeoutError:
            begun = state.trailing_data[0] != b""
            return (Answer(408, b"the request took too long\n", close=True) if begun else None), False
        except h11.RemoteProtocolError as error:
            return Answer(error.error_status_hint, b"this is no request that can be answered\n", close=True), False
        finally:
            self._waiting.pop(task, None)
        if request is None:
            return None, False
        if request.method not in {b"GET", b"HEAD"}:
            return Answer(405, b"only GET and HEAD\n", allow="GET, HEAD", close=True), False
        is_head = request.method == b"HEAD"
        if _has_body(request):
            return Answer(413, b"no bodies\n", close=True), is_head
        state.next_event()  # the end of the message, at once: there is no body
        has_more = state.trailing_data[0] != b""
        answer = await self._router.answer(request.target.decode("ascii"))
        return msgspec.structs.replace(answer, close=answer.close or has_more), is_head

    async def _read_head(
        self, state: h11.Connection, reader: asyncio.StreamReader, patience: float
    ) -> h11.Request | None:
        """Read up to the end of a request's headers; None if the client hangs up before it begins one."""
        loop = asyncio.get_running_loop()
        begun = False
        async with asyncio.timeout(patience) as timer:
            while True:
                event = state.next_event()
                if isinstance(event, h11.Request):
                    return event
                if isinstance(event, h11.ConnectionClosed):
                    return None
                data = await reader.read(READ_BYTES)
                if not begun:
                    timer.reschedule(loop.time() + self._limits.request_seconds)
                    begun = True
                state.receive_data(data)

    async def _linger(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Let the client read the last answer: closing under unread bytes resets the connection (RFC 9112, 9.6)."""
        if writer.is_closing():
            return
        writer.write_eof()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._limits.linger_seconds):
                while await reader.read(READ_BYTES):
                    pass


def _encode(state: h11.Connection, answer: Answer, *, is_head: bool) -> bytes:
    """Serialise an answer; h11 adds `Connection: close` where the protocol asks for it."""
    headers = [
        ("Content-Type", answer.content_type),
        ("Content-Length", str(len(answer.body))),
        ("Date", formatdate(usegmt=True)),
        ("Cache-Control", "no-store"),
    ]
    if answer.allow:
        headers.append(("Allow", answer.allow))
    if answer.close:
        headers.append(("Connection", "close"))
    reason = HTTPStatus(answer.status).phrase
    parts = [state.send(h11.Response(status_code=answer.status, headers=headers, reason=reason))]
    if not is_head:
        parts.append(state.send(h11.Data(data=answer.body)))
    parts.append(state.send(h11.EndOfMessage()))
    return b"".join(part for part in parts if part)


def _has_body(request: h11.Request) -> bool:
    headers = dict(request.headers)
    return b"transfer-encoding" in headers or headers.get(b"content-length", b"0").strip(b"0") != b""


def _explain(error: OSError, host: str | None, port: int) -> str:
    """Say why nobody can listen there, and which setting to change: the address may be wrong, or else the port."""
    reason = reason_of(error).partition(" (while ")[0]  # `create_server` adds the address, in its own words
    no_such_address = isinstance(error, socket.gaierror) or error.errno in _NOT_OUR_ADDRESS
    if host and no_such_address:
        return f"HTTP_HOST: cannot listen on {host}: {reason}; give an address of this machine, or leave it out for all"
    where = f"port {port}" + (f" of {host}" if host else "")
    return f"PORT: cannot listen on {where}: {reason}; choose another, or set HTTP_HOST"


def _listen(host: str | None, port: int) -> socket.socket:
    """Bind one socket; for all addresses one that speaks IPv6 and IPv4, or IPv4 alone where the kernel has no IPv6."""
    if host is not None:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        return socket.create_server(address[:2], family=family)
    if socket.has_dualstack_ipv6():
        try:
            return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
        except OSError as error:
            if error.errno not in _NOT_OUR_ADDRESS:
                raise
    return socket.create_server(("", port))
