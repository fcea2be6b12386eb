"""A server that a client has subscribed to, and that says what the test wants."""

import asyncio
from collections.abc import Awaitable, Callable

from tests.greeting_server import INFO
from workers.connection import CalloutClient


class Subscribed:
    """A server that answers a subscription with what `replies` says, and keeps the rest of what it is sent."""

    def __init__(self, *replies: bytes) -> None:
        self.heard = b""
        self._replies = list(replies)

    async def converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection; a reply that is empty ends it."""
        writer.write(INFO)
        while line := await reader.readline():
            self.heard += line
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
            if line.startswith(b"SUB") and self._replies:
                writer.write(self._replies.pop(0))
            if line.startswith(b"UNSUB"):
                writer.write(b"MSG a 1 4\r\nlast\r\n")
        writer.close()

    async def run(self, scenario: Callable[[CalloutClient, list[bytes]], Awaitable[None]]) -> None:
        """Connect to it, listen, and let `scenario` see what arrives."""
        listening = await asyncio.start_server(self.converse, "127.0.0.1", 0)
        async with listening:
            client, arrived = CalloutClient(), list[bytes]()
            port = listening.sockets[0].getsockname()[1]
            await client.connect(f"nats://127.0.0.1:{port}", reconnect_time_wait=0, max_reconnect_attempts=-1)
            await client.listen("a", "group", lambda message: arrived.append(message.payload))
            await client.flush()
            await scenario(client, arrived)
            await client.close()
