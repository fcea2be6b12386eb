"""Clients that connect, thousands of them: thin connections that say who they are and wait for the server's verdict.

Rules kept here:
- What a client sends is made before the clock runs, but for what the server's greeting decides.
- Somebody knocks before the crowd comes: a wrong address or certificate is one error, and not thousands of clients that
  nobody refused.
- A client that was refused, or waited in vain, is counted with each try; one that may try again does so after the wait
  of nats.go (`ReconnectWait` 2 s, and up to 0.1 s drawn at random), as often as it is let.
- Connections stay open until the crowd leaves, as those of pods do; they are then reset, so that no port of this
  machine is kept waiting.
"""

import asyncio
import random
import socket
import ssl
import struct
import time
from collections.abc import Callable, Sequence
from typing import Final, Self, cast

import msgspec

from callout.errors import CommandError
from perf.wire import (
    PONG,
    Address,
    Login,
    mqtt_connect,
    read_greeting,
    say_why,
    websocket_frame,
    websocket_upgrade,
)

RETRY_S: Final = 2.0
RETRY_JITTER_S: Final = 0.1
VERDICT_S: Final = 10.0  # the server itself hangs up after two; this is for one that has stopped
_LINGER: Final = struct.pack("ii", 1, 0)  # reset instead of a farewell: no TIME_WAIT
_CONNACK: Final = 0x20
_CONNACK_SIZE: Final = 4
_END_OF_HEAD: Final = b"\r\n\r\n"
_UPGRADED: Final = b"HTTP/1.1 101 "


class Client(msgspec.Struct, frozen=True):
    """What a client sends: `greeting` as soon as it is connected, `login` when the server has said something."""

    greeting: bytes
    login: bytes


_NOBODY: Final = Client(b"", b"")
"""Who knocks, and goes away without having said anything."""


class Outcome(msgspec.Struct, frozen=True):
    """What became of a client.

    Attributes:
        began_at: when it first tried, seconds after the crowd's beginning.
        admitted_at: when it was in; None if it never was.
        tries: how often it tried.
    """

    began_at: float
    admitted_at: float | None
    tries: int


class Arrival(msgspec.Struct, frozen=True):
    """How clients come.

    Attributes:
        at_once: how many may be on their way; the next comes when one is in, or has given up.
        rate: how many come a second, whatever becomes of them; 0 if they come as `at_once` lets them.
        tries: how often each tries at most.
    """

    at_once: int
    rate: float = 0
    tries: int = 1


class Crowd:
    """Clients of one protocol; `async with` lets them all leave.

    Args:
        address: of the server's listener.
        protocol: nats, ws or mqtt.
    """

    def __init__(self, address: Address, protocol: str) -> None:
        """Nobody is there yet."""
        self._address = address
        self._protocol = protocol
        self._connections: list[_Connection] = []

    async def __aenter__(self) -> Self:
        connection = self._prepare(_NOBODY, hold=self._protocol == "nats")
        try:
            async with asyncio.timeout(VERDICT_S):
                await self._reach(connection)
        except (OSError, TimeoutError) as error:
            place = f"{self._address.host}:{self._address.port}"
            raise CommandError(f"nobody can connect to {place} ({self._protocol}): {say_why(error)}") from None
        finally:
            connection.leave()
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.leave()
        self._connections.clear()

    async def arrive(self, clients: Sequence[Client], arrival: Arrival) -> list[Outcome]:
        """Let all come, and return what became of each."""
        began = time.perf_counter()
        room = asyncio.Semaphore(arrival.at_once)

        async def come(position: int) -> Outcome:
            if arrival.rate:
                await asyncio.sleep(began + position / arrival.rate - time.perf_counter())
            async with room:
                return await self._come(clients[position], arrival.tries, began)

        return await asyncio.gather(*(come(position) for position in range(len(clients))))

    async def _come(self, client: Client, tries: int, began: float) -> Outcome:
        began_at = time.perf_counter() - began
        for number in range(1, tries + 1):
            if await self._try(client):
                return Outcome(began_at, time.perf_counter() - began, number)
            if number < tries:
                await asyncio.sleep(RETRY_S + random.random() * RETRY_JITTER_S)
        return Outcome(began_at, None, tries)

    async def _try(self, client: Client) -> bool:
        connection = self._prepare(client, hold=self._protocol == "nats" and self._address.tls is not None)
        try:
            async with asyncio.timeout(VERDICT_S):
                await self._reach(connection)
                admitted = await connection.verdict
        except (OSError, TimeoutError):
            admitted = False
        if admitted:
            self._connections.append(connection)
        else:
            connection.leave()
        return admitted

    def _prepare(self, client: Client, *, hold: bool) -> "_Connection":
        return _Connection(client, _VERDICTS[self._protocol], hold=hold)

    async def _reach(self, connection: "_Connection") -> None:
        """Connect, and let the client log in once the connection is as the address has it.

        NATS turns to TLS after its greeting, the others begin with it.
        """
        address = self._address
        early = None if self._protocol == "nats" else address.tls
        await asyncio.get_running_loop().create_connection(
            lambda: connection,
            address.host,
            address.port,
            ssl=early,
            server_hostname=address.host if early else None,
        )
        if connection.greeted is not None:
            read_greeting(await connection.greeted, address)
            if address.tls is not None:
                await connection.secure(address.tls, address.host)
            connection.log_in()


def make_client(protocol: str, token: str, number: int, sentinel: str, address: Address) -> Client:
    """Make what the client of a token sends."""
    login = Login.by_token(token, sentinel).line()
    match protocol:
        case "mqtt":
            return Client(mqtt_connect(f"perf-{number}", token), b"")
        case "ws":
            return Client(websocket_upgrade(f"{address.host}:{address.port}"), websocket_frame(login))
        case _:
            return Client(b"", login)


class _Connection(asyncio.Protocol):
    """One try of a client; with `hold` it logs in when it is told to, and not when it is greeted."""

    def __init__(self, client: Client, judge: Callable[[bytes], bool | None], *, hold: bool) -> None:
        loop = asyncio.get_running_loop()
        self.verdict: asyncio.Future[bool] = loop.create_future()
        self._client = client
        self._judge = judge
        self._transport: asyncio.Transport | None = None
        self._heard = b""
        self._said = False
        self.greeted: asyncio.Future[bytes] | None = loop.create_future() if hold else None

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Turn to TLS."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(self._transport, self, context, server_hostname=host)

    def log_in(self) -> None:
        """Say who the client is."""
        assert self._transport is not None
        self._said = True
        self._transport.write(self._client.login)

    def leave(self) -> None:
        """Reset the connection, if there is one."""
        if self._transport is None:
            return
        own: socket.socket | None = self._transport.get_extra_info("socket")
        if own is not None and own.fileno() >= 0:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER)
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own do not say so
        if self._client.greeting:
            self._transport.write(self._client.greeting)

    def data_received(self, data: bytes) -> None:
        self._heard += data
        if self.greeted is not None:
            if not self.greeted.done() and self._may_log_in():
                self.greeted.set_result(self._heard.partition(b"\r\n")[0])
        elif not self._said and self._client.login and self._may_log_in():
            self.log_in()
        verdict = self._judge(self._heard)
        if verdict is not None:
            self._heard = b""
            if not self.verdict.done():
                self.verdict.set_result(verdict)

    def connection_lost(self, _: Exception | None) -> None:
        if not self.verdict.done():
            self.verdict.set_result(False)
        if self.greeted is not None and not self.greeted.done():
            self.greeted.set_result(b"")

    def _may_log_in(self) -> bool:
        """Tell whether the greeting is complete: a line of NATS, or the head of an HTTP answer that says yes."""
        if not self._client.greeting:
            return self._heard.endswith(b"\r\n")
        return self._heard.startswith(_UPGRADED) and _END_OF_HEAD in self._heard


def _judge_nats(heard: bytes) -> bool | None:
    if PONG in heard:
        return True
    return False if b"-ERR" in heard else None


def _judge_websocket(heard: bytes) -> bool | None:
    if _END_OF_HEAD in heard and not heard.startswith(_UPGRADED):
        return False
    return _judge_nats(heard)


def _judge_mqtt(heard: bytes) -> bool | None:
    if len(heard) < _CONNACK_SIZE:
        return None
    return heard[0] == _CONNACK and heard[3] == 0


_VERDICTS: Final = {"nats": _judge_nats, "ws": _judge_websocket, "mqtt": _judge_mqtt}
