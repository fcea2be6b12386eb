"""workers.connection: the promises that nats-py does not keep by itself."""

import asyncio
import socket
import ssl
from pathlib import Path
from typing import Any

import pytest
from nats.errors import ConnectionClosedError, Error, MaxPayloadError, OutboundBufferLimitError

from tests.authority import Authority
from tests.greeting_server import INFO, GreetingServer, encrypt, say
from tests.waiting import until
from tests.workers.subscribed import subscribed
from workers.connection import CalloutClient, describe

DEADLINE_S = 10
SILENT = "does not answer; is NATS_URL right?"


async def test_nothing_is_sent_in_the_clear_where_tls_was_asked_for() -> None:
    """The server's first line is not trusted: it comes before TLS does, and somebody in between may have made it."""
    errors: list[Exception] = []

    async def note(error: Exception) -> None:
        errors.append(error)

    async with GreetingServer(say(INFO)) as server:
        client = CalloutClient(must_encrypt=True)
        options: dict[str, Any] = {
            "user": "callout",
            "password": "hunter2",
            "tls": ssl.create_default_context(),
            "error_cb": note,
        }
        connecting = asyncio.create_task(client.connect(f"tls://127.0.0.1:{server.port}", **options))
        await until(lambda: [error for error in errors if "no TLS" in str(error)], DEADLINE_S, "the refusal")
        connecting.cancel()
        await asyncio.gather(connecting, return_exceptions=True)
        await client.close()
    assert b"" == server.heard


async def test_without_tls_it_connects() -> None:
    """The same server is good enough where nobody asked for TLS."""
    async with GreetingServer(say(INFO)) as server:
        client = CalloutClient()
        await client.connect(f"nats://127.0.0.1:{server.port}", user="callout", password="hunter2")
        assert b"hunter2" in server.heard
        await client.close()


async def test_tls_that_the_server_leaves_open_is_taken_where_it_was_asked_for(tmp_path: Path) -> None:
    """With `allow_non_tls` a server says that there is TLS, and not that it has to be; nats-py does without it then."""
    authority = Authority(tmp_path)
    greeting = encrypt(authority.server_context(), INFO.replace(b"}", b',"tls_available":true}'))
    async with GreetingServer(greeting) as server:
        client = CalloutClient(must_encrypt=True)
        context = ssl.create_default_context(cafile=authority.ca_file)
        await client.connect(f"tls://localhost:{server.port}", user="callout", password="hunter2", tls=context)
        assert b"hunter2" in server.heard
        await client.close()


async def test_messages_are_handed_over_as_they_are_read() -> None:
    """In their order, past nats-py, which gets what else the server says in between."""
    async with subscribed(b"MSG a 1 3\r\none\r\nPING\r\nMSG a 1 r 3\r\ntwo\r\n") as server:
        await until(lambda: len(server.arrived) == 2, DEADLINE_S, "both messages")
        assert [b"one", b"two"] == server.arrived
        assert 0 == server.client.stats["in_msgs"]
        await until(lambda: b"PONG\r\n" in server.heard, DEADLINE_S, "the answer to the server's question")


async def test_after_another_connection_reading_begins_anew() -> None:
    """Half a message of the last one is not the beginning of the next one's."""
    stale = b"MSG a 1 3\r\none\r\n-ERR 'Stale Connection'\r\nMSG a 1 3\r\nnot\r\nMSG a 1 100\r\nhalf"
    async with subscribed(stale, b"MSG a 1 3\r\ntwo\r\n") as server:
        await until(lambda: len(server.arrived) == 2, DEADLINE_S, "a message of each connection")
        assert [b"one", b"two"] == server.arrived


async def test_what_no_server_says_ends_the_connection_and_not_the_client() -> None:
    """A client that went on would be deaf, or would take the middle of a message for its beginning."""
    async with subscribed(b"MSG a 1 x\r\n", b"MSG a 1 3\r\ntwo\r\n") as server:
        await until(lambda: server.arrived, DEADLINE_S, "a message of the next connection")
        assert [b"two"] == server.arrived


async def test_who_has_stopped_listening_has_everything_that_was_sent() -> None:
    """Also what the server sent before it knew."""
    async with subscribed() as server:
        await server.client.stop_listening()
        assert [b"last"] == server.arrived


async def test_what_is_sent_together_arrives_in_its_order() -> None:
    """One that is larger than the server takes is left out: the server would break with us for it."""
    async with subscribed() as server:
        large = bytes(server.client.max_payload + 1)
        with pytest.raises(MaxPayloadError):
            await server.client.send([(b"x", b"first"), (b"y", large), (b"z", b"second")])
        await server.client.flush()
        assert b"PUB x 5\r\nfirst\r\nPUB z 6\r\nsecond\r\n" in server.heard


async def test_nothing_is_kept_without_bound_for_a_server_that_is_away() -> None:
    """Answers wait for the next connection as long as there is room."""
    async with GreetingServer(say(INFO)) as server:
        client = CalloutClient()
        await client.connect(f"nats://127.0.0.1:{server.port}", reconnect_time_wait=0, max_reconnect_attempts=-1)
    await until(lambda: client.is_reconnecting, DEADLINE_S, "the connection is lost")
    half = bytes(client._max_pending_size // 2)
    await client.send([(b"x", half)])
    with pytest.raises(OutboundBufferLimitError):
        await client.send([(b"x", half)])
    await client.close()


async def test_a_client_that_is_closed_sends_nothing() -> None:
    """It says so: the answers are lost."""
    async with subscribed() as server:
        await server.client.close()
        with pytest.raises(ConnectionClosedError):
            await server.client.send([(b"x", b"y")])


@pytest.mark.parametrize(
    ("error", "server", "expected"),
    [
        (TimeoutError(), "", f"the NATS server {SILENT}"),
        (TimeoutError(), "nats:4222", f"the NATS server nats:4222 {SILENT}"),
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


async def test_the_server_that_was_tried_is_known_though_it_cannot_be_reached() -> None:
    """Host and port, and nothing that may stand before them."""
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
