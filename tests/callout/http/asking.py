"""What the tests of the HTTP pages share: pages whose content a test decides, and a client that sees every byte."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import h11

from callout.http.pages import Check
from callout.http.server import Limits

DEADLINE = 20.0  # seconds: long beside every limit below, so that only a hang reaches it
LOCAL = "127.0.0.1"
QUICK = Limits(request_seconds=0.2, idle_seconds=0.2, render_seconds=0.2, send_seconds=0.2, linger_seconds=0.2)
OPENED = b"GET /livez HTTP/1.1\r\nHost: x\r\n"  # lacks its end


class FakePages:
    """Content that a test decides."""

    def __init__(self) -> None:
        self.live = Check(ok=True, body={"live": True})
        self.ready = Check(ok=True, body={"ready": True})
        self.details = Check(ok=True, body={"workers": 2})
        self.render: Callable[[], tuple[str, bytes]] = lambda: ("text/plain; version=0.0.4", b"up 1\n")

    def livez(self) -> Check:
        """Tell whether it lives."""
        return self.live

    def readyz(self) -> Check:
        """Tell whether it is ready."""
        return self.ready

    def health(self) -> Check:
        """Tell the details."""
        return self.details

    def metrics(self) -> Callable[[], tuple[str, bytes]]:
        """Hand out what renders the metrics."""
        return self.render


async def ask(port: int, raw: bytes, *, host: str = LOCAL, finish: bool = False) -> bytes:
    """Send bytes and return all that comes back until the server closes; `finish` closes our side first."""
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(raw)
            if finish:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.transport.abort()


def parse(raw: bytes, method: str = "GET") -> tuple[h11.Response, bytes]:
    """Read one response, and check that nothing follows it."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    client.receive_data(b"")
    response = client.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return response, body


async def get(port: int, target: str, method: str = "GET", host: str = LOCAL) -> tuple[int, dict[str, str], bytes]:
    """Ask for a page on a connection of its own; status, headers and body."""
    raw = await ask(port, f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), host=host)
    response, body = parse(raw, method)
    return response.status_code, {name.decode(): value.decode() for name, value in response.headers}, body


async def status_of(port: int, raw: bytes) -> int:
    """Send bytes that must be answered and lead to the end of the connection."""
    return parse(await ask(port, raw))[0].status_code


@asynccontextmanager
async def crowd(port: int, count: int, raw: bytes = b"") -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open connections one after the other, on each of which only `raw` is sent."""
    streams = []
    try:
        for _ in range(count):
            reader, writer = await asyncio.open_connection(LOCAL, port)
            streams.append((reader, writer))
            writer.write(raw)
        yield [reader for reader, _ in streams]
    finally:
        for _, writer in streams:
            writer.transport.abort()


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Wait for the server to close; whatever it said first is dropped."""
    try:
        async with asyncio.timeout(DEADLINE):
            await reader.read()
    except ConnectionError:
        return True
    return reader.at_eof()
