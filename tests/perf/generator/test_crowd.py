"""What clients of a crowd say, and when: to servers that greet them otherwise than a nats-server at its best."""

import asyncio
import contextlib
import errno
import ssl
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from callout.errors import CommandError
from perf.generator.crowd import SHORTAGES, Arrival, Crowd, Outcome, make_client
from perf.generator.wire import PONG, Address
from tests.authority import Authority
from tests.greeting_server import INFO, TLS_INFO, Greeting, GreetingServer, encrypt, say
from tests.pages import ROOT
from tests.waiting import PATIENCE_SECONDS
from workers.frames import MAX_LINE_SIZE

TOKEN = "conspicuous"
FEW_FILES = 64
"""As many as Python itself needs, and some clients more."""
MAX_READ = 1 << 16
Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


ONCE = Arrival(1, timeout_s=PATIENCE_SECONDS)
"""Gives up where that is the subject alone."""


def meet(protocol: str, answer: Answer, arrival: Arrival = ONCE) -> list[Outcome]:
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
                outcomes = await crowd.arrive([make_client(protocol, TOKEN, 0, "", address)], arrival)
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


def test_who_waits_in_vain_gives_up_and_a_refusal_is_none() -> None:
    """The tries that a client gives up itself are told apart from those that end without it."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.read()

    (outcome,) = meet("nats", say_nothing, Arrival(1, timeout_s=0.05))
    assert (None, 1, 1) == (outcome.admitted_at, outcome.tries, outcome.given_up)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")
        writer.write(b"-ERR 'Authorization Violation'\r\n")

    (outcome,) = meet("nats", refuse)
    assert (None, 1, 0) == (outcome.admitted_at, outcome.tries, outcome.given_up)


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
        (b"", "the server has ended the connection"),
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


def come(protocol: str, *greetings: Greeting, tls: ssl.SSLContext | None = None) -> tuple[list[bool], bytes]:
    """Let one knock and others come, each greeted so; return who is in, and what the server has heard."""

    async def scenario() -> tuple[list[bool], bytes]:
        async with GreetingServer(greetings[-1], *greetings) as server, asyncio.timeout(PATIENCE_SECONDS):
            address = Address("127.0.0.1", server.port, tls)
            clients = [make_client(protocol, TOKEN, number, "", address) for number in range(len(greetings) - 1)]
            async with Crowd(address, protocol) as crowd:
                outcomes = await crowd.arrive(clients, ONCE)
            return [outcome.admitted_at is not None for outcome in outcomes], server.heard

    return asyncio.run(scenario())


def test_each_server_is_asked_anew_whether_it_wants_tls() -> None:
    """Behind one address there may be several, as while TLS is rolled out: no token goes to one that wants it."""
    admitted, heard = come("nats", say(INFO), say(TLS_INFO), say(INFO))
    assert [False, True] == admitted
    assert 1 == heard.count(TOKEN.encode())
    admitted, heard = come("nats", say(INFO), say(TLS_INFO))
    assert ([False], False) == (admitted, TOKEN.encode() in heard)


def test_a_verdict_in_the_clear_is_none(tmp_path: Path) -> None:
    """Whoever stands in between can say PONG before TLS begins, and cannot let anybody in by it."""
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    good = encrypt(authority.server_context())
    early = encrypt(authority.server_context(), TLS_INFO + PONG)
    admitted, heard = come("nats", good, early, good, tls=trusting)
    assert [False, True] == admitted
    assert 1 == heard.count(TOKEN.encode())


def knock(line: bytes) -> str:
    """Let one client log in at a server that says this to its login."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        if await reader.readline():
            writer.write(line)
            writer.close()

    async def scenario() -> str:
        async with GreetingServer(greet) as server, asyncio.timeout(PATIENCE_SECONDS):
            address = Address("127.0.0.1", server.port)
            async with Crowd(address, "nats") as crowd:
                return await crowd.knock(make_client("nats", TOKEN, 0, "", address))

    return asyncio.run(scenario())


def test_the_reason_of_a_refusal_is_a_printable_line() -> None:
    """For the one who is let ahead of the others."""
    refused = knock(b"-ERR 'Authorization\x1b[2J Violation'\r\n")
    assert r"-ERR 'Authorization\x1b[2J Violation'" == refused
    assert "" == knock(PONG)


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (b"MSG a 1 xyz\r\n", "the server sends a message that is none of NATS"),
        (b"x" * (MAX_LINE_SIZE + 1), "the server sends a line of more than"),
        (b"", "the server has ended the connection"),
    ],
)
def test_what_is_no_verdict_is_no_refusal(line: bytes, complaint: str) -> None:
    """The tokens are not to blame for it."""
    with pytest.raises(CommandError, match=rf"nobody can connect to 127\.0\.0\.1:\d+ \(nats\): {complaint}"):
        knock(line)


@pytest.mark.parametrize("protocol", ["ws", "mqtt"])
def test_tls_where_there_is_none_is_said(tmp_path: Path, protocol: str) -> None:
    """The other side answers in the clear, or goes: both are said before any client comes."""
    trusting = ssl.create_default_context(cafile=str(Authority(tmp_path).ca_file))

    async def leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    for answer in (say(b"HTTP/1.1 400 Bad Request\r\n\r\n"), leave):
        with pytest.raises(CommandError, match=rf"nobody can connect to .*\({protocol}\): .* speak none"):
            come(protocol, answer, tls=trusting)


def test_what_this_machine_lacks_is_no_refusal(tmp_path: Path) -> None:
    """A process that may open few files: the first that finds none ends the storm, in a line that says what to do."""
    tokens = tmp_path / "tokens"
    tokens.write_text("a.b.c\n")

    async def scenario() -> tuple[bytes, bytes, int | None]:
        async with GreetingServer(say(INFO)) as server, asyncio.timeout(PATIENCE_SECONDS):
            words = f"--nats-url=nats://127.0.0.1:{server.port} --tokens={tokens} --at-once=200 --clients=200 --quiet"
            process = await asyncio.create_subprocess_exec(
                *("sh", "-c", f"ulimit -n {FEW_FILES} && exec {sys.executable} -m perf.storm {words}"),
                cwd=ROOT,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
            return out, err, process.returncode

    out, err, code = asyncio.run(scenario())
    assert (1, b"") == (code, out)
    (line,) = err.decode().splitlines()
    assert line.startswith(f"error: {SHORTAGES[errno.EMFILE]}; ")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.EADDRNOTAVAIL])
def test_a_shortage_says_what_to_do(number: int) -> None:
    """Files of the process, files of the machine, ports."""
    assert "let fewer clients come" in SHORTAGES[number]
