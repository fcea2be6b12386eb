"""As much of an MQTT 3.1.1 client as the tests need: CONNECT, PUBLISH and SUBSCRIBE with QoS 0.

No MQTT library is among the dependencies, and these four packets are easy to write down
(https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html, chapter 3).
"""

import asyncio
from typing import Self

from tests.waiting import PATIENCE_SECONDS

ACCEPTED = 0
NOT_AUTHORIZED = 5
_CONNECT, _CONNACK, _PUBLISH, _SUBSCRIBE, _SUBACK = 1, 2, 3, 8, 9
_USERNAME, _PASSWORD, _CLEAN_SESSION = 0x80, 0x40, 0x02
_SUBSCRIBE_FLAGS = 0x02  # reserved bits that must be so, section 3.8.1
SUBSCRIBE_FAILED = 0x80
KEEP_ALIVE_SECONDS = 60


class MqttClient:
    """A connection; `connect` returns it with the server's verdict in `return_code` (0: let in)."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.return_code = -1
        self._reader = reader
        self._writer = writer

    @classmethod
    async def connect(cls, port: int, *, client_id: str, username: str, password: str) -> Self:
        """Log in. A server that hangs up instead of answering counts as `NOT_AUTHORIZED`."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        head = _text("MQTT") + bytes([4, _USERNAME | _PASSWORD | _CLEAN_SESSION]) + KEEP_ALIVE_SECONDS.to_bytes(2)
        client._send(_CONNECT, 0, head + _text(client_id) + _text(username) + _text(password))
        try:
            kind, body = await client._receive()
        except asyncio.IncompleteReadError:
            client.return_code = NOT_AUTHORIZED
        else:
            assert kind == _CONNACK
            client.return_code = body[1]
        return client

    def publish(self, topic: str, payload: bytes) -> None:
        """Send with QoS 0; the server answers nothing, not even to a publish that it refuses."""
        self._send(_PUBLISH, 0, _text(topic) + payload)

    async def subscribe(self, topic: str) -> int:
        """Subscribe with QoS 0; returns what the server granted, 0 or `SUBSCRIBE_FAILED`."""
        self._send(_SUBSCRIBE, _SUBSCRIBE_FLAGS, (1).to_bytes(2) + _text(topic) + bytes([0]))
        kind, body = await self._receive()
        assert kind == _SUBACK
        return body[2]

    async def next_message(self) -> tuple[str, bytes]:
        """The topic and payload of the next message."""
        kind, body = await self._receive()
        assert kind == _PUBLISH
        size = int.from_bytes(body[:2])
        return body[2 : 2 + size].decode(), body[2 + size :]

    async def close(self) -> None:
        """Hang up."""
        self._writer.close()
        await self._writer.wait_closed()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _send(self, kind: int, flags: int, body: bytes) -> None:
        size, length = len(body), b""
        while True:  # the remaining length, seven bits a byte, section 2.2.3
            size, low = divmod(size, 128)
            length += bytes([low | (0x80 if size else 0)])
            if not size:
                break
        self._writer.write(bytes([kind << 4 | flags]) + length + body)

    async def _receive(self) -> tuple[int, bytes]:
        async with asyncio.timeout(PATIENCE_SECONDS):
            first = (await self._reader.readexactly(1))[0]
            size, shift = 0, 0
            while True:
                byte = (await self._reader.readexactly(1))[0]
                size |= (byte & 0x7F) << shift
                shift += 7
                if not byte & 0x80:
                    break
            return first >> 4, await self._reader.readexactly(size)


def _text(value: str) -> bytes:
    raw = value.encode()
    return len(raw).to_bytes(2) + raw
