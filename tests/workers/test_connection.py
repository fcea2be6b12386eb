"""workers.connection: the promises that nats-py does not keep by itself."""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import uvloop
from nats.errors import ConnectionClosedError, Error, MaxPayloadError, OutboundBufferLimitError

from tests.authority import Authority
from tests.greeting_server import (
    INFO,
    TLS_INFO,
    Greeting,
    GreetingServer,
    be_silent,
    encrypt,
    hang_up,
    reset,
    say,
    stop_reading,
)
from tests.waiting import until
from workers.connection import CalloutClient, describe
from workers.transport import TcpTransport

DEADLINE_S = 10
MIB = 1 << 20
MORE_THAN_SOCKETS_TAKE = 32
"""MiB; some stay unsent when the other side reads none."""
QUICK: dict[str, Any] = {"reconnect_time_wait": 0, "max_reconnect_attempts": -1, "connect_timeout": 1}
"""Options of a client that tries again at once."""
MALFORMED = {
    "a number": b"INFO 5\r\n",
    "a list": b"INFO []\r\n",
    "endless": b"INFO " + b"x" * 200_000 + b"\r\n",
    "binary": b"INFO \xff\xfe\r\n",
    "deep": b"INFO " + b"[" * 20_000 + b"\r\n",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n",
    "empty": b"\r\n",
}
"""How no NATS server greets."""


@asynccontextmanager
async def server(heard: list[bytes]) -> AsyncIterator[int]:
    """A server that says it has no TLS, as somebody in between would make it say; keeps what it is sent."""

    async def converse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        while line := await reader.readline():
            heard.append(line)
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()

    listening = await asyncio.start_server(converse, "127.0.0.1", 0)
    async with listening:
        yield listening.sockets[0].getsockname()[1]


def test_nothing_is_sent_in_the_clear_where_tls_was_asked_for() -> None:
    """The server's first line is not trusted: it comes before TLS does."""

    async def scenario() -> None:
        heard: list[bytes] = []
        errors: list[Exception] = []

        async def note(error: Exception) -> None:
            errors.append(error)

        async with server(heard) as port:
            client = CalloutClient(must_encrypt=True)
            options: dict[str, Any] = {
                "user": "callout",
                "password": "hunter2",
                "tls": ssl.create_default_context(),
                "error_cb": note,
            }
            connecting = asyncio.create_task(client.connect(f"tls://127.0.0.1:{port}", **options))
            await until(lambda: [error for error in errors if "no TLS" in str(error)], DEADLINE_S, "the refusal")
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
            await client.close()
        assert heard == []

    asyncio.run(scenario())


def test_without_tls_it_connects() -> None:
    """The same server is good enough where nobody asked for TLS."""

    async def scenario() -> None:
        heard: list[bytes] = []
        async with server(heard) as port:
            client = CalloutClient()
            await client.connect(f"nats://127.0.0.1:{port}", user="callout", password="hunter2")
            assert b"hunter2" in heard[0]
            await client.close()

    asyncio.run(scenario())


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


def test_messages_are_handed_over_as_they_are_read() -> None:
    """In their order, past nats-py, which gets what else the server says in between."""

    async def scenario(client: CalloutClient, arrived: list[bytes]) -> None:
        await until(lambda: len(arrived) == 2, DEADLINE_S, "both messages")
        assert [b"one", b"two"] == arrived
        assert {"in_msgs": 0} == {"in_msgs": client.stats["in_msgs"]}

    server = Subscribed(b"MSG a 1 3\r\none\r\nPING\r\nMSG a 1 r 3\r\ntwo\r\n")
    asyncio.run(server.run(scenario))
    assert b"PONG\r\n" in server.heard


def test_after_another_connection_reading_begins_anew() -> None:
    """Half a message of the last one is not the beginning of the next one's."""

    async def scenario(_: CalloutClient, arrived: list[bytes]) -> None:
        await until(lambda: len(arrived) == 2, DEADLINE_S, "a message of each connection")
        assert [b"one", b"two"] == arrived

    stale = b"MSG a 1 3\r\none\r\n-ERR 'Stale Connection'\r\nMSG a 1 3\r\nnot\r\nMSG a 1 100\r\nhalf"
    asyncio.run(Subscribed(stale, b"MSG a 1 3\r\ntwo\r\n").run(scenario))


def test_what_no_server_says_ends_the_connection_and_not_the_client() -> None:
    """A client that went on would be deaf, or would take the middle of a message for its beginning."""

    async def scenario(_: CalloutClient, arrived: list[bytes]) -> None:
        await until(lambda: arrived, DEADLINE_S, "a message of the next connection")
        assert [b"two"] == arrived

    asyncio.run(Subscribed(b"MSG a 1 x\r\n", b"MSG a 1 3\r\ntwo\r\n").run(scenario))


def test_who_has_stopped_listening_has_everything_that_was_sent() -> None:
    """Also what the server sent before it knew."""

    async def scenario(client: CalloutClient, arrived: list[bytes]) -> None:
        await client.stop_listening()
        assert [b"last"] == arrived

    asyncio.run(Subscribed().run(scenario))


def test_what_is_sent_together_arrives_in_its_order() -> None:
    """One that is larger than the server takes is left out: the server would break with us for it."""

    async def scenario(client: CalloutClient, _: list[bytes]) -> None:
        large = bytes(client.max_payload + 1)
        with pytest.raises(MaxPayloadError):
            await client.send([(b"x", b"first"), (b"y", large), (b"z", b"second")])
        await client.flush()

    server = Subscribed()
    asyncio.run(server.run(scenario))
    assert b"PUB x 5\r\nfirst\r\nPUB z 6\r\nsecond\r\n" in server.heard


def test_nothing_is_kept_without_bound_for_a_server_that_is_away() -> None:
    """Answers wait for the next connection as long as there is room."""

    async def scenario(client: CalloutClient, _: list[bytes]) -> None:
        client._status = CalloutClient.RECONNECTING
        half = bytes(client._max_pending_size // 2)
        await client.send([(b"x", half)])
        with pytest.raises(OutboundBufferLimitError):
            await client.send([(b"x", half)])
        client._status = CalloutClient.CONNECTED

    asyncio.run(Subscribed().run(scenario))


def test_a_client_that_is_closed_sends_nothing() -> None:
    """It says so: the answers are lost."""

    async def scenario(client: CalloutClient, _: list[bytes]) -> None:
        await client.close()
        with pytest.raises(ConnectionClosedError):
            await client.send([(b"x", b"y")])

    asyncio.run(Subscribed().run(scenario))


async def send_much(client: CalloutClient) -> None:
    """Send as workers do, more than can be sent to somebody who reads nothing."""
    for _ in range(MORE_THAN_SOCKETS_TAKE):
        await client.send([(b"x", bytes(MIB))])


def is_connected_again(client: CalloutClient, server: GreetingServer, connections: int) -> bool:
    """Tell whether the client is connected, by that connection of all that there were."""
    return server.connections == connections and client.is_connected


async def keep(client: CalloutClient, server: GreetingServer, **options: Any) -> None:
    """Have a client connect that keeps trying."""
    scheme = "tls" if "tls" in options else "nats"
    await asyncio.wait_for(client.connect(f"{scheme}://localhost:{server.port}", **QUICK | options), DEADLINE_S)


@pytest.mark.parametrize("failing", ["cut", "reset", "silent", "wrong certificate"])
def test_tls_that_fails_is_tried_again(tmp_path: Path, failing: str) -> None:
    """A certificate that is being replaced, a load balancer without a server: the next attempt may succeed."""
    good, another = Authority(tmp_path), Authority(tmp_path, "another")
    greetings: dict[str, Greeting] = {
        "cut": hang_up,
        "reset": reset,
        "silent": be_silent,
        "wrong certificate": encrypt(another.server_context()),
    }

    async def scenario() -> None:
        context = ssl.create_default_context(cafile=good.ca_file)
        async with GreetingServer(encrypt(good.server_context()), greetings[failing], greetings[failing]) as server:
            client = CalloutClient(must_encrypt=True)
            await keep(client, server, tls=context)
            assert client.is_connected
            server.cut()
            await until(lambda: is_connected_again(client, server, 4), DEADLINE_S, "another connection")
            await client.close()

    uvloop.run(scenario())


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
def test_a_greeting_that_cannot_be_understood_is_an_error_like_any_other(line: bytes) -> None:
    """The first or a later one: it is reported, and the client tries again."""

    async def scenario() -> None:
        reported: asyncio.Queue[Exception] = asyncio.Queue()
        async with GreetingServer(say(INFO), say(line), say(INFO), say(line)) as server:
            client = CalloutClient()
            await keep(client, server, error_cb=reported.put)
            assert isinstance(await asyncio.wait_for(reported.get(), DEADLINE_S), Error | OSError)
            server.cut()
            await until(lambda: is_connected_again(client, server, 4), DEADLINE_S, "another connection")
            await client.close()

    asyncio.run(scenario())


def test_a_server_names_no_others(tmp_path: Path) -> None:
    """Whoever stands in between could name his own before TLS begins, and would be shown the password.

    His certificate is good for the name that he gives, and of the same authority.
    """
    authority = Authority(tmp_path)

    async def scenario() -> None:
        context = ssl.create_default_context(cafile=authority.ca_file)
        async with GreetingServer(encrypt(authority.server_context())) as strange:
            named = b',"connect_urls":["localhost:%d"]}' % strange.port
            greeting = encrypt(authority.server_context(), TLS_INFO.replace(b"}", named))
            async with GreetingServer(greeting) as server:
                client = CalloutClient(must_encrypt=True)
                await keep(client, server, tls=context, user="callout", password="hunter2")
                for connections in range(2, 6):
                    server.cut()
                    again = partial(is_connected_again, client, server, connections)
                    await until(again, DEADLINE_S, "another connection")
                assert 1 == len(client.server_pool)
                await client.close()
            assert 0 == strange.connections

    uvloop.run(scenario())


@pytest.mark.parametrize("named", [b'["127.0.0.1:1"]', b'["["]', b"5"])
def test_what_it_names_is_not_even_read(named: bytes) -> None:
    """So it may be anything."""

    async def scenario() -> None:
        async with GreetingServer(say(INFO.replace(b"}", b',"connect_urls":%b}' % named))) as server:
            client = CalloutClient()
            await keep(client, server)
            assert 1 == len(client.server_pool)
            await client.close()

    asyncio.run(scenario())


def test_nor_is_it_later() -> None:
    """An INFO after the first is not read: it may hold anything."""

    async def scenario(client: CalloutClient, arrived: list[bytes]) -> None:
        await until(lambda: arrived, DEADLINE_S, "what comes after it")
        assert 1 == len(client.server_pool)

    later = b'INFO {"connect_urls":["127.0.0.1:1"]}\r\nINFO 5\r\nMSG a 1 3\r\none\r\n'
    asyncio.run(Subscribed(later).run(scenario))


def test_a_server_that_stops_reading_is_left() -> None:
    """Although not everything is sent to it; and whoever waits for that is let go."""

    async def scenario() -> None:
        async with GreetingServer(say(INFO), stop_reading) as server:
            client = CalloutClient()
            await keep(client, server, ping_interval=1, max_outstanding_pings=1)
            sending = asyncio.create_task(send_much(client))
            await until(lambda: is_connected_again(client, server, 2), DEADLINE_S, "another connection")
            await asyncio.wait_for(asyncio.gather(sending, return_exceptions=True), DEADLINE_S)
            await client.close()

    uvloop.run(scenario())


def test_a_server_that_stops_reading_does_not_hold_up_the_end() -> None:
    """Neither by what it was being sent nor by what still waits to be."""

    async def scenario() -> None:
        async with GreetingServer(stop_reading) as server:
            client = CalloutClient()
            await keep(client, server)
            sending = asyncio.create_task(send_much(client))
            assert isinstance(client._transport, TcpTransport)
            assert client._transport._io_writer is not None
            await until(client._transport._io_writer.transport.get_write_buffer_size, DEADLINE_S, "something is unsent")
            await client._send_command(b"PUB y 0\r\n\r\n")
            await asyncio.wait_for(client.close(), DEADLINE_S)
            with pytest.raises(ConnectionClosedError):
                await asyncio.wait_for(sending, DEADLINE_S)

    uvloop.run(scenario())


def test_a_client_without_a_connection_can_be_closed_with_something_left_to_send() -> None:
    """There is nobody to send it to."""

    async def scenario() -> None:
        closed = asyncio.Event()

        async def note() -> None:
            closed.set()

        async with GreetingServer(say(INFO)) as server:
            client = CalloutClient()
            await keep(client, server, closed_cb=note)
        await until(lambda: client.is_reconnecting, DEADLINE_S, "the connection is lost")
        await client.send([(b"x", b"y")])
        await client.close()
        assert closed.is_set()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "oversize",
    [b"MSG a 1 99999999999\r\n", b"MSG a 1 67108865\r\n", b"x" * 5000 + b"\r\n", b"HMSG a 1 5 3\r\n"],
    ids=["digits", "size", "long line", "header larger than all"],
)
def test_what_would_be_kept_without_bound_ends_the_connection(oversize: bytes) -> None:
    """Neither we nor nats-py collect the rest of something that is not going to be a message."""

    async def scenario(_: CalloutClient, arrived: list[bytes]) -> None:
        await until(lambda: arrived, DEADLINE_S, "a message of the next connection")
        assert [b"two"] == arrived

    asyncio.run(Subscribed(oversize + b"MSG a 1 3\r\none\r\n", b"MSG a 1 3\r\ntwo\r\n").run(scenario))


@pytest.mark.parametrize(
    ("error", "server", "expected"),
    [
        (TimeoutError(), "", "the NATS server does not answer; is NATS_URL right?"),
        (TimeoutError(), "nats:4222", "the NATS server nats:4222 does not answer; is NATS_URL right?"),
        (
            OSError(111, "Connection refused"),
            "nats:4222",
            "the NATS server nats:4222 cannot be reached (Connection refused); is NATS_URL right?",
        ),
        (Error("nats: no"), "nats:4222", "nats: no"),
    ],
)
def test_an_error_says_what_to_look_at(error: Exception, server: str, expected: str) -> None:
    """A bare number of an error helps nobody, nor does an address that is wrong and not shown."""
    assert describe(error, server) == expected


def test_the_server_that_was_tried_is_known_though_it_cannot_be_reached() -> None:
    """Host and port, and nothing that may stand before them."""

    async def scenario() -> None:
        client = CalloutClient()
        assert "" == client.tried_address
        failed: asyncio.Queue[Exception] = asyncio.Queue()
        with socket.create_server(("127.0.0.1", 0)) as nobody:
            port = nobody.getsockname()[1]
        url = f"nats://callout:hunter2@127.0.0.1:{port}"
        connecting = asyncio.create_task(client.connect(url, max_reconnect_attempts=-1, error_cb=failed.put))
        assert isinstance(await asyncio.wait_for(failed.get(), DEADLINE_S), OSError)
        assert f"127.0.0.1:{port}" == client.tried_address
        connecting.cancel()

    asyncio.run(scenario())
