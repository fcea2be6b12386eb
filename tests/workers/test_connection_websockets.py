"""workers.connection over WebSockets: servers are tried in turn there too, and what has failed is over."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal

import pytest
import uvloop
from aiohttp import WSMsgType, web

from tests.authority import Authority
from tests.greeting_server import INFO
from tests.waiting import PATIENCE_SECONDS, until
from workers.connection import CalloutClient
from workers.transport import WebSocketTransport

Scheme = Literal["ws", "wss"]

pytestmark = pytest.mark.filterwarnings("ignore:parameter 'timeout' of type 'float':DeprecationWarning:nats")

QUICK: dict[str, Any] = {
    "reconnect_time_wait": 0,
    "max_reconnect_attempts": -1,
    "connect_timeout": 1,
    "dont_randomize": True,
}
"""Options of a client that tries again at once, its servers in their order."""


class Listener:
    """What listens on loopback.

    Attributes:
        port: where.
        begun: how many connections there were.
        open: how many there are.
    """

    def __init__(self) -> None:
        self.port = 0
        self.begun = 0
        self.open = 0
        self._sockets: list[web.WebSocketResponse] = []

    async def cut(self) -> None:
        """End the WebSockets that there are."""
        for socket in self._sockets:
            await socket.close()

    @asynccontextmanager
    async def speak(self, context: ssl.SSLContext | None) -> AsyncIterator[None]:
        """Be a nats-server."""
        async with self._serve(INFO, context):
            yield

    @asynccontextmanager
    async def keep_silent(self, context: ssl.SSLContext | None) -> AsyncIterator[None]:
        """Be a server of WebSockets that never greets."""
        async with self._serve(b"", context):
            yield

    @asynccontextmanager
    async def be_deaf(self, _: ssl.SSLContext | None) -> AsyncIterator[None]:
        """Be a server that takes connections, and answers nothing at all."""

        async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.begun += 1
            self.open += 1
            with suppress(OSError):
                while await reader.read(1 << 16):
                    pass
            self.open -= 1
            writer.close()

        async with await asyncio.start_server(converse, "127.0.0.1", 0) as listening:
            self.port = listening.sockets[0].getsockname()[1]
            yield

    @asynccontextmanager
    async def _serve(self, greeting: bytes, context: ssl.SSLContext | None) -> AsyncIterator[None]:
        async def converse(request: web.Request) -> web.WebSocketResponse:
            socket = web.WebSocketResponse()
            await socket.prepare(request)
            self._sockets.append(socket)
            self.begun += 1
            self.open += 1
            if greeting:
                await socket.send_bytes(greeting)
            async for message in socket:
                if message.type is WSMsgType.BINARY and b"PING" in message.data:
                    await socket.send_bytes(b"PONG\r\n")
            self.open -= 1
            return socket

        application = web.Application()
        application.router.add_get("/", converse)
        runner = web.AppRunner(application, shutdown_timeout=0)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
            self.port = runner.addresses[0][1]
            yield
        finally:
            await self.cut()
            await runner.cleanup()


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@pytest.mark.parametrize("silence", ["keep_silent", "be_deaf"])
def test_a_silent_server_is_left_for_the_next(tmp_path: Path, scheme: Scheme, silence: str) -> None:
    """At the start and when a connection is lost; nothing of the attempts stays open."""
    authority = Authority(tmp_path)
    context = authority.server_context() if scheme == "wss" else None
    options = QUICK | ({"tls": ssl.create_default_context(cafile=authority.ca_file)} if scheme == "wss" else {})

    async def scenario() -> None:
        silent, good = Listener(), Listener()
        async with getattr(silent, silence)(context), good.speak(context):
            client = CalloutClient(must_encrypt=scheme == "wss")
            servers = [f"{scheme}://localhost:{one.port}/" for one in (silent, good)]
            await asyncio.wait_for(client.connect(servers, **options), PATIENCE_SECONDS)
            for _ in range(2):
                # There may be more attempts: on a busy machine one may take too long, and another one follows.
                tried, wanted = silent.begun, good.begun + 1
                await good.cut()
                await until(lambda: good.begun >= wanted and client.is_connected, PATIENCE_SECONDS, "another")  # noqa: B023
                await until(lambda: (silent.open, good.open) == (0, 1), PATIENCE_SECONDS, "the attempts are over")
                assert silent.begun > tried
            await client.close()

    uvloop.run(scenario())


@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_nothing_stays_of_an_attempt_that_is_under_way_at_the_end(tmp_path: Path, scheme: Scheme) -> None:
    """Nor of one that follows another, while nats-py takes the client for closed."""
    authority = Authority(tmp_path)
    context = authority.server_context() if scheme == "wss" else None
    options = QUICK | ({"tls": ssl.create_default_context(cafile=authority.ca_file)} if scheme == "wss" else {})

    async def scenario() -> None:
        silent, deaf = Listener(), Listener()
        async with silent.keep_silent(context), deaf.be_deaf(context):
            client = CalloutClient(must_encrypt=scheme == "wss")
            servers = [f"{scheme}://localhost:{one.port}/" for one in (silent, deaf)]
            connecting = asyncio.create_task(client.connect(servers, **options))
            await until(lambda: deaf.open, PATIENCE_SECONDS, "an attempt after one that has failed")
            assert isinstance(client._transport, WebSocketTransport)
            session = client._transport._client
            connecting.cancel()
            await client.close()
            assert session.closed
            await until(lambda: (silent.open, deaf.open) == (0, 0), PATIENCE_SECONDS, "the attempts are over")
            await asyncio.wait({connecting})

    uvloop.run(scenario())


def test_no_attempt_begins_when_the_end_comes_while_the_last_one_is_ended() -> None:
    """Nor does anything stay of it. That nats-py cancels it is not relied on, and here nobody does."""

    async def scenario() -> None:
        server = Listener()
        async with server.keep_silent(None):
            client = CalloutClient()
            connecting = asyncio.create_task(client.connect(f"ws://localhost:{server.port}/", **QUICK))
            await until(lambda: server.open, PATIENCE_SECONDS, "an attempt")
            connecting.cancel()
            await asyncio.wait({connecting})
            (address,) = client._server_pool
            await client._connect_to_server(address)
            attempt = asyncio.create_task(client._connect_to_server(address))
            await asyncio.sleep(0)  # it first ends the last one
            before = address.last_attempt
            await client.close()
            await asyncio.wait({attempt})
            assert (before, True) == (address.last_attempt, attempt.cancelled())
            assert not client._transport

    uvloop.run(scenario())
