"""workers.transport: a connection comes to its end whatever the other side does; on the loop that workers have."""

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, cast
from urllib.parse import urlparse

import pytest
import uvloop
from aiohttp import web
from nats.aio.transport import Transport

from tests.greeting_server import Greeting, GreetingServer, be_silent, hang_up, reset, say, stop_reading
from tests.waiting import until
from workers.transport import READ_SIZE, TcpTransport, WebSocketTransport, make_transport

DEADLINE_S = 10
BUFFER_SIZE = 1 << 15
"""Bytes; nats-py's."""
MORE_THAN_SOCKETS_TAKE = 32 << 20
"""Bytes; some stay unsent when the other side reads none."""

Run = Callable[[Coroutine[Any, Any, None]], None]


@pytest.fixture(params=[asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both loops: what happens to a connection at its end is up to them."""
    chosen: Run = request.param
    return chosen


async def connect(port: int) -> TcpTransport:
    """A transport that is connected."""
    transport = TcpTransport()  # type: ignore[no-untyped-call]  # the library has no types there
    await transport.connect(urlparse(f"nats://127.0.0.1:{port}"), BUFFER_SIZE, DEADLINE_S)
    return transport


async def close(transport: Transport) -> None:
    """Close it as nats-py does; it fails if that has no end."""
    transport.close()  # type: ignore[no-untyped-call]  # nor there
    await asyncio.wait_for(transport.wait_closed(), DEADLINE_S)  # type: ignore[no-untyped-call]


def test_much_is_read_at_once(run: Run) -> None:
    """What waits in sockets has an age that nobody knows; yet no more is taken in than twice as much."""

    async def flood(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(bytes(MORE_THAN_SOCKETS_TAKE))

    async def scenario() -> None:
        async with GreetingServer(flood) as server:
            transport = await connect(server.port)
            assert transport._io_writer is not None
            stream = cast("asyncio.Transport", transport._io_writer.transport)  # which reads, too
            await until(lambda: not stream.is_reading(), DEADLINE_S, "the other side is held back")
            assert READ_SIZE == len(await transport.read(BUFFER_SIZE))
            await close(transport)

    run(scenario())


def test_a_connection_that_nobody_reads_from_is_closed(run: Run) -> None:
    """What cannot be sent is thrown away, and whoever waits for it to be read is let go."""

    async def scenario() -> None:
        async with GreetingServer(stop_reading) as server:
            transport = await connect(server.port)
            transport.write(bytes(MORE_THAN_SOCKETS_TAKE))  # type: ignore[no-untyped-call]
            draining = asyncio.create_task(transport.drain())  # type: ignore[no-untyped-call]
            await asyncio.sleep(0)
            assert not draining.done()
            await close(transport)
            await asyncio.wait_for(draining, DEADLINE_S)

    run(scenario())


@pytest.mark.parametrize("greeting", [hang_up, reset, be_silent])
def test_a_connection_on_which_tls_has_failed_is_closed(run: Run, greeting: Greeting) -> None:
    """Nobody tells the stream below of its end."""

    async def scenario() -> None:
        async with GreetingServer(greeting) as server:
            transport = await connect(server.port)
            await transport.readline()  # type: ignore[no-untyped-call]
            with pytest.raises((OSError, RuntimeError)):
                await transport.connect_tls("localhost", ssl.create_default_context(), BUFFER_SIZE, 1)
            await close(transport)

    run(scenario())


def test_a_connection_is_over_when_the_next_is_made(run: Run) -> None:
    """Attempts that fail one after the other leave nothing open behind them."""

    async def scenario() -> None:
        ended: list[int] = []

        async def note_end(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
            with suppress(OSError):
                await reader.read()
            ended.append(1)

        async with GreetingServer(say(b""), note_end) as server:
            transport = await connect(server.port)
            await transport.connect(urlparse(f"nats://127.0.0.1:{server.port}"), BUFFER_SIZE, DEADLINE_S)
            await until(lambda: ended, DEADLINE_S, "the first connection is over")
            await close(transport)

    run(scenario())


def test_what_is_not_connected_can_be_closed() -> None:
    """Also before there was anything; and it counts as a transport, so that no other is put in its place."""
    transport = TcpTransport()  # type: ignore[no-untyped-call]
    assert transport
    asyncio.run(close(transport))


@pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning:nats")
def test_a_websocket_that_nobody_reads_from_is_closed(run: Run) -> None:
    """And is ready to be replaced."""

    async def scenario() -> None:
        done = asyncio.Event()

        async def accept(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse(timeout=0.1)
            await socket.prepare(request)
            assert request.transport is not None
            request.transport.pause_reading()
            await done.wait()
            return socket

        application = web.Application()
        application.router.add_get("/", accept)
        runner = web.AppRunner(application, shutdown_timeout=0)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = runner.addresses[0][1]
        transport = WebSocketTransport()
        await transport.connect(urlparse(f"ws://127.0.0.1:{port}/"), BUFFER_SIZE, DEADLINE_S)
        transport.write(bytes(MORE_THAN_SOCKETS_TAKE))  # type: ignore[no-untyped-call]
        draining = asyncio.create_task(transport.drain())  # type: ignore[no-untyped-call]
        await close(transport)
        assert not transport
        with suppress(OSError):
            await asyncio.wait_for(draining, DEADLINE_S)
        done.set()
        await runner.cleanup()

    run(scenario())


@pytest.mark.parametrize(
    ("scheme", "kind"), [("nats", TcpTransport), ("tls", TcpTransport), ("ws", WebSocketTransport)]
)
def test_the_scheme_says_which(scheme: str, kind: type) -> None:
    """TLS begins later, on the same."""

    async def scenario() -> None:
        transport = make_transport(scheme)
        assert isinstance(transport, kind)
        await close(transport)

    asyncio.run(scenario())
