"""workers.connection: the promises that nats-py does not keep by itself."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from nats.errors import Error

from tests.waiting import until
from workers.connection import ArrivedMsg, CalloutClient, describe

INFO = b'INFO {"server_id":"x","version":"2.15.1","proto":1,"max_payload":1048576}\r\n'
DEADLINE_S = 10


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


@pytest.mark.parametrize("header", [b"NATS", b"NATS/1.0 \xff\xfe\r\n\r\n", b"NATS/1.0\r\n\xff: x\r\n\r\n", b"\0"])
def test_a_header_that_cannot_be_read_is_none(header: bytes) -> None:
    """nats-py would raise, stop reading and stay connected: a worker that hears nothing."""
    assert asyncio.run(CalloutClient()._process_headers(header)) is None


def test_a_message_knows_when_it_arrived() -> None:
    """Each later than the one before."""
    client = CalloutClient()
    first, second = (client._build_message(1, b"a", b"b", b"", None) for _ in range(2))
    assert isinstance(first, ArrivedMsg)
    assert first.arrived_at <= second.arrived_at


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (TimeoutError(), "the NATS server does not answer; is NATS_URL right?"),
        (
            OSError(111, "Connection refused"),
            "the NATS server cannot be reached (Connection refused); is NATS_URL right?",
        ),
        (Error("nats: no"), "nats: no"),
    ],
)
def test_an_error_says_what_to_look_at(error: Exception, expected: str) -> None:
    """A bare number of an error helps nobody."""
    assert describe(error) == expected
