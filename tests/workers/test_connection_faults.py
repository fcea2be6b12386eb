"""workers.connection: servers that mean harm, break off or stop reading end a connection, and never the client."""

import asyncio
import ssl
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
from nats.errors import ConnectionClosedError

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
from tests.workers.subscribed import subscribed
from workers.connection import CalloutClient
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


async def send_much(client: CalloutClient) -> None:
    """Send as workers do, more than can be sent to somebody who reads nothing."""
    for _ in range(MORE_THAN_SOCKETS_TAKE):
        await client.send([(b"x", bytes(MIB))])


async def keep(client: CalloutClient, server: GreetingServer, **options: Any) -> None:
    """Have a client connect that keeps trying."""
    scheme = "tls" if "tls" in options else "nats"
    await asyncio.wait_for(client.connect(f"{scheme}://localhost:{server.port}", **QUICK | options), DEADLINE_S)


async def connect_again(client: CalloutClient, server: GreetingServer, connections: int) -> None:
    """End the client's connection; wait until it has the next one, of at least so many that there were then.

    There may be more: on a busy machine an attempt may take too long, and another one follows.
    """
    wanted = max(connections, server.connections + 1)
    server.cut()
    await until(lambda: server.connections >= wanted and client.is_connected, DEADLINE_S, "another connection")


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
            await connect_again(client, server, 4)
            await client.close()

    uvloop.run(scenario())


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
async def test_a_greeting_that_cannot_be_understood_is_an_error_like_any_other(line: bytes) -> None:
    """The first or a later one: it is reported, and the client tries again."""
    reported: list[str] = []

    async def note(error: Exception) -> None:
        reported.append(str(error))

    async with GreetingServer(say(INFO), say(line), say(INFO), say(line)) as server:
        client = CalloutClient()
        await keep(client, server, error_cb=note, connect_timeout=DEADLINE_S)
        (complaint,) = reported
        await connect_again(client, server, 4)
        assert (2, complaint) == (reported.count(complaint), reported[-1])
        await client.close()


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
                    await connect_again(client, server, connections)
                assert 1 == len(client.server_pool)
                await client.close()
            assert 0 == strange.connections

    uvloop.run(scenario())


@pytest.mark.parametrize("named", [b'["127.0.0.1:1"]', b'["["]', b"5"])
async def test_what_it_names_is_not_even_read(named: bytes) -> None:
    """So it may be anything."""
    async with GreetingServer(say(INFO.replace(b"}", b',"connect_urls":%b}' % named))) as server:
        client = CalloutClient()
        await keep(client, server)
        assert 1 == len(client.server_pool)
        await client.close()


async def test_nor_is_it_later() -> None:
    """An INFO after the first is not read: it may hold anything."""
    later = b'INFO {"connect_urls":["127.0.0.1:1"]}\r\nINFO 5\r\nMSG a 1 3\r\none\r\n'
    async with subscribed(later) as server:
        await until(lambda: server.arrived, DEADLINE_S, "what comes after it")
        assert 1 == len(server.client.server_pool)


def test_a_server_that_stops_reading_is_left() -> None:
    """Although not everything is sent to it; and whoever waits for that is let go."""

    async def scenario() -> None:
        async with GreetingServer(say(INFO), stop_reading) as server:
            client = CalloutClient()
            await keep(client, server, ping_interval=1, max_outstanding_pings=1)
            sending = asyncio.create_task(send_much(client))
            await until(lambda: server.connections >= 2 and client.is_connected, DEADLINE_S, "another connection")
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


async def test_a_client_without_a_connection_can_be_closed_with_something_left_to_send() -> None:
    """There is nobody to send it to."""
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


async def test_a_client_that_is_closed_tries_no_more() -> None:
    """Not even if it does not hear that it was cancelled: `asyncio.wait_for` may lose that before Python 3.12."""
    failed = asyncio.Event()

    async def lose(error: Exception) -> None:
        """Wait until it is cancelled, and go on."""
        if isinstance(error, ConnectionRefusedError) and not failed.is_set():
            failed.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

    async with GreetingServer(say(INFO)) as server:
        client = CalloutClient()
        await keep(client, server, error_cb=lose)
    await asyncio.wait_for(failed.wait(), DEADLINE_S)
    await client.close()
    assert client._reconnection_task is not None
    await until(client._reconnection_task.done, DEADLINE_S, "it has given up")


@pytest.mark.parametrize(
    "oversize",
    [b"MSG a 1 99999999999\r\n", b"MSG a 1 67108865\r\n", b"x" * 5000 + b"\r\n", b"HMSG a 1 5 3\r\n"],
    ids=["digits", "size", "long line", "header larger than all"],
)
async def test_what_would_be_kept_without_bound_ends_the_connection(oversize: bytes) -> None:
    """Neither we nor nats-py collect the rest of something that is not going to be a message."""
    async with subscribed(oversize + b"MSG a 1 3\r\none\r\n", b"MSG a 1 3\r\ntwo\r\n") as server:
        await until(lambda: server.arrived, DEADLINE_S, "a message of the next connection")
        assert [b"two"] == server.arrived


@pytest.mark.parametrize("giving_up", ["it was cancelled", "it took too long"])
async def test_who_has_given_up_waiting_does_not_end_the_connection(giving_up: str) -> None:
    """The server is just slow to say that it has seen all: what then comes is nobody's, and no error."""
    may_answer, asked = asyncio.Event(), asyncio.Event()
    disconnected = []

    async def be_slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")  # behind CONNECT
        writer.write(b"PONG\r\n")
        await reader.readuntil(b"PING\r\n")
        asked.set()
        await may_answer.wait()
        writer.write(b"PONG\r\n")

    async def note() -> None:
        disconnected.append(True)

    async with GreetingServer(be_slow) as server:
        client = CalloutClient()
        await keep(client, server, disconnected_cb=note)
        flushing = asyncio.create_task(client.flush(timeout=1 if giving_up == "it took too long" else DEADLINE_S))
        await until(asked.is_set, DEADLINE_S, "the question")
        if giving_up == "it was cancelled":
            flushing.cancel()
        await asyncio.gather(flushing, return_exceptions=True)
        may_answer.set()
        await client.flush()
        assert [] == disconnected
        await client.close()
