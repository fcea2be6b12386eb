"""The streams below nats-py's client: they can be closed whatever the other side does, and are when a new one is made.

nats-py waits for a connection to be over before it makes the next. Two kinds never are: one on which TLS has failed,
since nobody tells the first stream of its end once `start_tls` has taken its place; and one whose other side has
stopped reading, since what is still to be sent is sent first.

Rules kept here:
- Much is read at once: what waits in sockets, and in the server, has an age that nobody here knows, and where it is
  more than what is read in a turn of the loop, requests are too late before they are seen.
- Closing ends within `CLOSE_TIMEOUT_S`: what is not over by then is aborted, and whoever waits for it to be read is let
  go.
- There is one connection at a time: an attempt that failed leaves nothing open when the next begins. A WebSocket is
  used once: nats-py would overwrite one that is open, and with TLS would take it for the next connection.
"""

import asyncio
from typing import Final
from urllib.parse import ParseResult

from nats.aio import transport

READ_SIZE: Final = 512 << 10  # bytes, some 200 requests; nats-py's 32 KiB are fewer than may be decided in a turn
CLOSE_TIMEOUT_S: Final = 1.0  # for TLS to say good-bye to a server that is far away
_WEB_SCHEMES: Final = ("ws", "wss")


class TcpTransport(transport.TcpTransport):
    """TCP, and TLS upon it."""

    def __bool__(self) -> bool:
        """Say that this is one, connected or not: nats-py would put its own in the place of one that is not."""
        return True

    async def connect(self, uri: ParseResult, buffer_size: int, connect_timeout: int) -> None:  # noqa: ARG002
        """Connect."""
        self.abort()
        await super().connect(uri, READ_SIZE, connect_timeout)

    async def read(self, buffer_size: int) -> bytes:  # noqa: ARG002
        """Return what has arrived, of which TLS has no bound but what arrives in a turn of the loop."""
        assert self._io_reader is not None, "connected"
        return await self._io_reader.read(READ_SIZE)

    async def wait_closed(self) -> None:
        """Wait until the connection is over, and end it if it is not in time."""
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await super().wait_closed()  # type: ignore[no-untyped-call]  # the library has no types there
        except TimeoutError:
            self.abort()

    def abort(self) -> None:
        """End the connection, sending nothing more."""
        for writer in (self._io_writer, self._bare_io_writer):
            if writer is not None:
                writer.transport.abort()


class WebSocketTransport(transport.WebSocketTransport):
    """A WebSocket."""

    async def wait_closed(self) -> None:
        """Wait until the connection is over, and end it if it is not in time."""
        connection = self._ws._response.connection if self._ws else None  # noqa: SLF001  # no other way
        stream = connection.transport if connection else None
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                await super().wait_closed()  # type: ignore[no-untyped-call]  # the library has no types there
        except TimeoutError:
            if stream is not None:
                stream.abort()
            await self._client.close()
            self._ws, self._client = None, None  # type: ignore[assignment]  # as the library does it


async def renew_transport(old: transport.Transport | None, scheme: str) -> transport.Transport:
    """Return what connects next, to a URL of that scheme: `old` if that may be used again, or else a new one.

    `old` is what has connected last, or None. A WebSocket is over when this returns.
    """
    if isinstance(old, WebSocketTransport):
        old.close()  # type: ignore[no-untyped-call]  # the library has no types there
        await old.wait_closed()
        old = None
    return old or make_transport(scheme)


def make_transport(scheme: str) -> transport.Transport:
    """Make the one for a URL of that scheme; it is not connected yet."""
    return WebSocketTransport() if scheme in _WEB_SCHEMES else TcpTransport()  # type: ignore[no-untyped-call]  # nor there
