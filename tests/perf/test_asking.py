"""Whoever asks straight at the subject takes nothing from a server that no nats-server would send."""

import asyncio
import ssl
from pathlib import Path

import pytest

from callout.errors import CommandError
from perf.asking import Asker, is_allowed
from perf.requests import RequestMaker
from perf.wire import PONG, Address, Login
from tests.authority import Authority
from tests.greeting_server import INFO, TLS_INFO, Greeting, GreetingServer, encrypt, say
from tests.minting import NatsKey
from tests.waiting import PATIENCE_SECONDS
from workers.frames import MAX_LINE_SIZE
from workers.jose import encode_segment

PASSWORD = "conspicuous"
ACCOUNT = NatsKey.generate("account").public


async def ask(greeting: Greeting, tls: ssl.SSLContext | None = None) -> tuple[bytes, bytes]:
    """Connect to a server that greets so and ask once; return the answer and what the server has heard."""
    maker = RequestMaker(ACCOUNT)
    async with GreetingServer(greeting) as server, asyncio.timeout(PATIENCE_SECONDS):
        asker = Asker(Login({"user": "perf", "pass": PASSWORD}), maker)
        try:
            await asker.connect(Address("127.0.0.1", server.port, tls))
            return await asker.ask(maker.message("a.b.c", 0), PATIENCE_SECONDS), server.heard
        except CommandError as error:
            raise CommandError(*error.lines, warnings=(server.heard.decode(),)) from None
        finally:
            await asker.close()


def answer_with(text: str) -> Greeting:
    """Let in whoever comes, and answer a request with that; `INBOX` is where its answer is awaited."""

    async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        await reader.readuntil(b"PING\r\n")
        await reader.readuntil(b"PING\r\n")  # behind the subscription
        writer.write(PONG)
        words = (await reader.readline()).split()
        writer.write(text.replace("INBOX", words[2].decode()).encode())

    return greet


def test_an_answer_is_taken_with_and_without_a_header() -> None:
    """And with a reply subject, which nobody answers."""
    for text in ("MSG INBOX 1 2\r\nok\r\n", "MSG INBOX 1 r 2\r\nok\r\n", "HMSG INBOX 1 3 5\r\n...ok\r\n"):
        assert b"ok" == asyncio.run(ask(answer_with(text)))[0]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("MSG a 1 xyz\r\n", "a message that is none of NATS"),
        ("MSG INBOX\r\n", "a message that is none of NATS"),
        ("MSG a 1 2\r\nok\r\n", "a message that nobody has asked for"),
        ("MSG INBOX.-1 1 2\r\nok\r\n", "a message that nobody has asked for"),
        ("MSG INBOX1 1 2\r\nok\r\n", "a message that nobody has asked for"),
        ("MSG INBOX" + "9" * 5000 + " 1 2\r\nok\r\n", "a message that nobody has asked for"),
        ("MSG INBOX 1 999999999\r\n", "a message of more than"),
        ("x" * (MAX_LINE_SIZE + 1), "a line of more than"),
        ("-ERR '\x1b[2J\r'\r\n", r"has ended: -ERR '\\x1b\[2J\\r'$"),
    ],
)
def test_what_no_server_sends_ends_it_in_one_line(text: str, complaint: str) -> None:
    """However it is malformed, nothing hangs, and nothing commands the terminal."""
    with pytest.raises(CommandError, match=complaint):
        asyncio.run(ask(answer_with(text)))


@pytest.mark.parametrize(
    ("greeting", "complaint"),
    [
        (b"INFO " + b"[" * 20_000 + b"\r\n", "this is no NATS server"),
        (b"INFO 5\r\n", "this is no NATS server"),
        (b"x" * (MAX_LINE_SIZE + 1), "this is no NATS server"),
        (TLS_INFO, "the server wants TLS"),
    ],
)
def test_a_login_is_not_shown_to_who_greets_otherwise(greeting: bytes, complaint: str) -> None:
    """Nothing at all is sent."""
    with pytest.raises(CommandError, match=complaint) as refused:
        asyncio.run(ask(say(greeting)))
    assert ("",) == refused.value.warnings


def test_what_comes_in_the_clear_counts_for_nothing(tmp_path: Path) -> None:
    """TLS begins right behind the greeting: a server, or somebody in between, says nothing more before it."""
    authority = Authority(tmp_path)
    trusting = ssl.create_default_context(cafile=str(authority.ca_file))
    with pytest.raises(CommandError, match="says more in the clear where TLS is to begin") as refused:
        asyncio.run(ask(encrypt(authority.server_context(), TLS_INFO + PONG), trusting))
    assert ("",) == refused.value.warnings


@pytest.mark.parametrize("claims", [b"[" * 20_000, b"{}", b'{"nats":{"jwt":5}}', b"\xff"])
def test_an_answer_that_is_none_lets_nobody_in(claims: bytes) -> None:
    """Deep, empty, of other types or no text."""
    assert not is_allowed(b"e30." + encode_segment(claims) + b".AA")
