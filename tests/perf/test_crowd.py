"""What clients of a crowd say, and when: to servers that greet them otherwise than a nats-server at its best."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

import pytest

from callout.errors import CommandError
from perf.crowd import Arrival, Crowd, Outcome, make_client
from perf.wire import PONG, Address
from tests.waiting import PATIENCE_SECONDS

TOKEN = "conspicuous"
MAX_READ = 1 << 16
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


def meet(protocol: str, answer: Answer) -> list[Outcome]:
    """Let one client come to a server that answers so, once after the one who knocks."""

    async def scenario() -> list[Outcome]:
        served = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            served.append(asyncio.current_task())
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):  # who knocks says nothing
                await answer(reader, writer)
            writer.close()

        server = await asyncio.start_server(serve, "127.0.0.1", 0)
        async with server, asyncio.timeout(PATIENCE_SECONDS):
            address = Address("127.0.0.1", server.sockets[0].getsockname()[1])
            async with Crowd(address, protocol) as crowd:
                outcomes = await crowd.arrive([make_client(protocol, TOKEN, 0, "", address)], Arrival(1))
            await asyncio.gather(*filter(None, served))
            return outcomes

    return asyncio.run(scenario())


def test_a_greeting_may_come_in_pieces() -> None:
    """A client logs in when the line is complete."""
    logins = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'INFO {"server_id"')
        await writer.drain()
        writer.write(b':"N"}\r\n')
        logins.append(await reader.readuntil(b"PING\r\n"))
        writer.write(PONG)
        await reader.read()

    (outcome,) = meet("nats", answer)
    assert outcome.admitted_at is not None
    assert [True] == [TOKEN.encode() in login for login in logins]


def test_a_token_is_not_shown_to_who_speaks_no_websocket() -> None:
    """As a server with TLS does when it is spoken to in the clear."""
    heard = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n")
        while said := await reader.read(MAX_READ):
            heard.append(said)

    (outcome,) = meet("ws", answer)
    assert outcome.admitted_at is None
    assert 1 == len(heard)
    assert TOKEN.encode() not in heard[0]


@pytest.mark.parametrize(
    ("greeting", "complaint"),
    [
        (b'INFO {"tls_required":true}\r\n', "the server wants TLS"),
        (b"220 mail.example ESMTP\r\n", "this is no NATS server"),
        (b"", "this is no NATS server"),
    ],
)
def test_nobody_comes_where_the_first_is_not_welcome(greeting: bytes, complaint: str) -> None:
    """Whoever knocks tells, and the one line names the server."""
    knocks = []

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        knocks.append(greeting)
        writer.write(greeting)

    with pytest.raises(CommandError, match=rf"nobody can connect to 127\.0\.0\.1:\d+ \(nats\): {complaint}"):
        meet("nats", answer)
    assert [greeting] == knocks
