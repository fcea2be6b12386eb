"""A connection over a bare socket, as a client or as a leafnode, that says what no client library would say."""

import asyncio
import base64
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Mapping

from tests.minting import NatsKey
from tests.waiting import PATIENCE_SECONDS

LEAFNODE = {"name": "leaf", "server_id": NatsKey.generate("server").public, "protocol": 1}
"""What a leafnode says in CONNECT besides."""
READ_SIZE = 1 << 16


class Intruder:
    """A connection that stays after an error, as long as the server lets it.

    Over a socket, since a stream forgets what was said last when the connection is reset.

    Attributes:
        heard: all lines of the server's so far.
    """

    def __init__(self, connection: socket.socket) -> None:
        self.heard: list[bytes] = []
        self._connection = connection
        self._unread = b""

    async def say(self, *commands: bytes) -> None:
        """Send these and a PING in one write, and listen until the answer to that, or until the server has hung up."""
        said = b"".join(command + b"\r\n" for command in (*commands, b"PING"))
        with contextlib.suppress(ConnectionError):
            await asyncio.get_running_loop().sock_sendall(self._connection, said)
        await self.listen(b"PONG\r\n")

    async def listen(self, last: bytes = b"") -> None:
        """Listen until a line is `last`, or until the server has hung up."""
        while line := await asyncio.wait_for(self.read_line(), PATIENCE_SECONDS):
            self.heard.append(line)
            if line == last:
                return

    async def read_line(self) -> bytes:
        """Return the next line; empty at the end of the connection, whichever that was."""
        while b"\n" not in self._unread:
            try:
                data = await asyncio.get_running_loop().sock_recv(self._connection, READ_SIZE)
            except ConnectionError:
                data = b""
            if not data:
                return b""
            self._unread += data
        line, end, self._unread = self._unread.partition(b"\n")
        return line + end

    def has_heard(self, text: bytes) -> bool:
        """Tell whether the server has said something that begins so."""
        return any(line.startswith(text) for line in self.heard)


@contextlib.asynccontextmanager
async def intrude(
    port: int, members: Mapping[str, object], *commands: bytes, key: NatsKey | None = None
) -> AsyncIterator[Intruder]:
    """Send CONNECT with those members, signed for with `key`, and `commands` behind it in the same write."""
    with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as connection:
        connection.settimeout(0)
        intruder = Intruder(connection)
        greeting = await asyncio.wait_for(intruder.read_line(), PATIENCE_SECONDS)
        nonce = json.loads(greeting.removeprefix(b"INFO "))["nonce"]
        signature = base64.urlsafe_b64encode(key.sign(nonce.encode())).rstrip(b"=").decode() if key else ""
        connect = {**members, "sig": signature, "verbose": False}
        await intruder.say(b"CONNECT " + json.dumps(connect).encode(), *commands)
        yield intruder
