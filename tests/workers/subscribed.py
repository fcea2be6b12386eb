"""A server that a client has subscribed to, and that says what the test wants."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from tests.greeting_server import INFO, GreetingServer, say
from workers.connection import CalloutClient


class SubscribedServer(GreetingServer):
    """A server that answers a subscription with what `replies` says, one each, and the end of one with a last message.

    Attributes:
        client: who has subscribed.
        arrived: the payloads that were handed over to it.
    """

    def __init__(self, *replies: bytes) -> None:
        super().__init__(say(INFO))
        self.client = CalloutClient()
        self.arrived: list[bytes] = []
        self._replies = list(replies)

    def answer(self, line: bytes) -> bytes:
        """What is said to a line that was heard, if anything."""
        if line.startswith(b"SUB"):
            return self._replies.pop(0) if self._replies else b""
        if line.startswith(b"UNSUB"):
            return b"MSG a 1 4\r\nlast\r\n"
        return super().answer(line)


@asynccontextmanager
async def subscribed(*replies: bytes) -> AsyncIterator[SubscribedServer]:
    """Such a server, with a client that listens; it is closed with the block, however that ends."""
    async with SubscribedServer(*replies) as server:
        client, arrived = server.client, server.arrived
        await client.connect(f"nats://127.0.0.1:{server.port}", reconnect_time_wait=0, max_reconnect_attempts=-1)
        try:
            await client.listen("a", "group", lambda message: arrived.append(message.payload))
            await client.flush()
            yield server
        finally:
            await client.close()
