"""Clients that connect, thousands of them: thin connections that say who they are and wait for the server's verdict.

Rules kept here:
- What a client sends is made before the clock runs, but for what the server's greeting decides.
- Nobody says who he is before the server has greeted, on each connection anew: behind one address there may be servers
  with TLS and servers without. But MQTT clients speak first.
- Somebody knocks before the crowd comes: a wrong address or certificate is one error, and not thousands of clients that
  nobody refused.
- What this machine has run out of is no refusal: it ends the measurement, in a line that says what to do.
- A client waits for its verdict as long as nats.go does (`Timeout`, 2 s, to be connected, and once more from then on),
  and gives up. nats-server goes on with its login: what that costs is part of a storm.
- A client that was refused, or gave up, is counted with each try; one that may try again does so after the wait of
  nats.go (`ReconnectWait` 2 s, and up to 0.1 s drawn at random), as often as it is let.
- Connections stay open until the crowd leaves, as those of pods do; they are then reset, so that no port of this
  machine is kept waiting.
"""

import asyncio
import errno
import random
import socket
import ssl
import struct
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Final, Self, TypeVar, cast

import msgspec

from callout.errors import CommandError
from perf.generator.hearing import Hearing, MqttHearing, NatsHearing, Verdict, WebSocketHearing, Welcome
from perf.generator.wire import UNGREETED, Address, Login, mqtt_connect, say_why, websocket_frame, websocket_upgrade
from workers.frames import OversizeError

T = TypeVar("T")

RETRY_S: Final = 2.0
RETRY_JITTER_S: Final = 0.1
TIMEOUT_S: Final = 2.0  # `Timeout` of nats.go, `connect_timeout` of nats-py, unless they are told otherwise
KNOCK_S: Final = 10.0  # the server itself hangs up after two; this is for one that has stopped
SHORTAGES: Final = {
    errno.EMFILE: "this process may open no more files: raise the limit (ulimit -n), or let fewer clients come",
    errno.ENFILE: "this machine may open no more files: raise fs.file-max, or let fewer clients come",
    errno.EADDRNOTAVAIL: "this machine has no port left for another connection: let fewer clients come, or widen"
    " net.ipv4.ip_local_port_range",
}
"""What a client can lack before the server has heard of it."""
HUNG_UP: Final = "the server has ended the connection"
_LINGER: Final = struct.pack("ii", 1, 0)  # reset instead of a farewell: no TIME_WAIT


class Client(msgspec.Struct, frozen=True):
    """What a client sends: `greeting` as soon as it is connected, `login` when the server has greeted."""

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
        given_up: how many of these it gave up itself.
    """

    began_at: float
    admitted_at: float | None
    tries: int
    given_up: int = 0


class Arrival(msgspec.Struct, frozen=True):
    """How clients come.

    Attributes:
        at_once: how many may be on their way; the next comes when one is in, or has given up.
        rate: how many come a second, whatever becomes of them; 0 if they come as `at_once` lets them.
        tries: how often each tries at most.
        timeout_s: how long each waits, to be connected and then for its verdict.
    """

    at_once: int
    rate: float = 0
    tries: int = 1
    timeout_s: float = TIMEOUT_S


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
        connection = self._prepare(_NOBODY)

        async def look() -> None:
            await self._reach(connection)
            await self._turn_to_tls(connection)
            if self._protocol == "nats":
                await connection.welcomed

        await self._visit(connection, look())
        return self

    async def __aexit__(self, *_: object) -> None:
        for connection in self._connections:
            connection.leave()
        self._connections.clear()

    async def arrive(self, clients: Sequence[Client], arrival: Arrival) -> list[Outcome]:
        """Let all come, and return what became of each.

        Raises:
            CommandError: this machine has run out of what a client needs.
        """
        began = time.perf_counter()
        room = asyncio.Semaphore(arrival.at_once)

        async def come(position: int) -> Outcome:
            if arrival.rate:
                await asyncio.sleep(began + position / arrival.rate - time.perf_counter())
            async with room:
                return await self._come(clients[position], arrival, began)

        coming = [asyncio.create_task(come(position)) for position in range(len(clients))]
        try:
            return await asyncio.gather(*coming)
        finally:
            for task in coming:
                task.cancel()
            await asyncio.gather(*coming, return_exceptions=True)

    async def _come(self, client: Client, arrival: Arrival, began: float) -> Outcome:
        began_at = time.perf_counter() - began
        given_up = 0
        for number in range(1, arrival.tries + 1):
            try:
                if await self._try(client, arrival.timeout_s):
                    return Outcome(began_at, time.perf_counter() - began, number, given_up)
            except TimeoutError:
                given_up += 1
            if number < arrival.tries:
                await asyncio.sleep(RETRY_S + random.random() * RETRY_JITTER_S)
        return Outcome(began_at, None, arrival.tries, given_up)

    async def knock(self, client: Client) -> str:
        """Let one client log in, and leave; return why the server does not let it in, empty if it does.

        Raises:
            CommandError: there is no verdict of a server on it.
        """
        connection = self._prepare(client)
        return (await self._visit(connection, self._log_in(connection, KNOCK_S))).reason

    async def _visit(self, connection: "_Connection", visit: Coroutine[None, None, T]) -> T:
        try:
            async with asyncio.timeout(KNOCK_S):
                return await visit
        except (OSError, TimeoutError) as error:
            self._check_shortage(error)
            place = f"{self._address.host}:{self._address.port}"
            raise CommandError(f"nobody can connect to {place} ({self._protocol}): {say_why(error)}") from None
        finally:
            connection.leave()

    async def _try(self, client: Client, timeout_s: float) -> bool:
        """Try once; `TimeoutError` if the client gives up."""
        connection = self._prepare(client)
        admitted = False
        try:
            admitted = (await self._log_in(connection, timeout_s)).admitted
        except TimeoutError:
            raise
        except OSError as error:
            self._check_shortage(error)
        finally:
            if admitted:
                self._connections.append(connection)
            else:
                connection.leave()
        return admitted

    def _check_shortage(self, error: Exception) -> None:
        lacking = SHORTAGES.get(error.errno or 0) if isinstance(error, OSError) else None
        if lacking is not None:
            raise CommandError(f"{lacking}; {len(self._connections)} were in") from None

    async def _log_in(self, connection: "_Connection", timeout_s: float) -> Verdict:
        async with asyncio.timeout(timeout_s):
            await self._reach(connection)
        ends_at = time.perf_counter() + timeout_s
        if self._turns_to_tls:
            await _wait_until(asyncio.ensure_future(self._turn_to_tls(connection)), ends_at)
        return await _wait_until(connection.verdict, ends_at)

    def _prepare(self, client: Client) -> "_Connection":
        return _Connection(client, _HEARINGS[self._protocol](self._address), hold=self._turns_to_tls)

    async def _reach(self, connection: "_Connection") -> None:
        """Connect; WebSocket and MQTT begin with TLS, if there is any."""
        address = self._address
        early = None if self._protocol == "nats" else address.tls
        try:
            await asyncio.get_running_loop().create_connection(
                lambda: connection,
                address.host,
                address.port,
                ssl=early,
                server_hostname=address.host if early else None,
            )
        except (ConnectionResetError, ConnectionAbortedError):
            if early is None:
                raise
            raise ConnectionError("it ends the connection where TLS is to begin: it may speak none") from None

    async def _turn_to_tls(self, connection: "_Connection") -> None:
        """Turn to TLS after the greeting, as NATS does, and let the client log in then."""
        address = self._address
        if self._turns_to_tls and address.tls is not None:
            await connection.welcomed
            await connection.secure(address.tls, address.host)
            connection.log_in()

    @property
    def _turns_to_tls(self) -> bool:
        return self._protocol == "nats" and self._address.tls is not None


async def _wait_until(coming: asyncio.Future[T], ends_at: float) -> T:
    """Return what comes of it by then; `TimeoutError` if nothing does.

    A loop that is late looks at its timers first: what has come in time is read before the client gives up.
    """
    await asyncio.wait({coming}, timeout=ends_at - time.perf_counter())
    if not coming.done():
        await asyncio.sleep(0)
    if not coming.done():
        coming.cancel()
        raise TimeoutError
    return coming.result()


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

    def __init__(self, client: Client, hearing: Hearing, *, hold: bool) -> None:
        loop = asyncio.get_running_loop()
        self.verdict: asyncio.Future[Verdict] = loop.create_future()
        self.welcomed: asyncio.Future[None] = loop.create_future()
        self._client = client
        self._hearing = hearing
        self._hold = hold
        self._transport: asyncio.Transport | None = None

    async def secure(self, context: ssl.SSLContext, host: str) -> None:
        """Turn to TLS, unless there was more in the clear than the greeting."""
        assert self._transport is not None
        assert isinstance(self._hearing, NatsHearing), "the others begin with it"
        if self.verdict.done():
            await self.verdict
        self._hearing.begin_anew()
        # From here on the transport's bytes are those of TLS: `start_tls` takes them over before it waits for any.
        loop = asyncio.get_running_loop()
        self._transport = await loop.start_tls(self._transport, self, context, server_hostname=host)

    def log_in(self) -> None:
        """Say who the client is."""
        assert self._transport is not None
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
        if self.verdict.done():
            return
        try:
            for word in self._hearing.feed(data):
                self._take(word)
        except (ConnectionError, OversizeError) as error:
            self._fail(error)

    def connection_lost(self, error: Exception | None) -> None:
        ungreeted = self._hold and not self.welcomed.done()
        self._fail(error or ConnectionError(UNGREETED if ungreeted else HUNG_UP))

    def _take(self, word: Welcome | Verdict) -> None:
        if isinstance(word, Welcome):
            if not self.welcomed.done():
                self.welcomed.set_result(None)
            if not self._hold and self._client.login:
                self.log_in()
        elif not self.verdict.done():
            self.verdict.set_result(word)

    def _fail(self, error: Exception) -> None:
        for waiting in (self.welcomed, self.verdict):
            if not waiting.done():
                waiting.set_exception(ConnectionError(say_why(error)))
                waiting.exception()  # nobody may be waiting for this one


_HEARINGS: Final[dict[str, Callable[[Address], Hearing]]] = {
    "nats": NatsHearing,
    "ws": WebSocketHearing,
    "mqtt": lambda _: MqttHearing(),
}
