"""Tests of `tests.greeting_server`: it greets as it was told, behaves afterwards, and holds nobody up at the end."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

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

DEADLINE_S = 10
MORE_THAN_SOCKETS_TAKE = 32 << 20
"""Bytes; some stay unsent when the other side reads none."""


class Caller:
    """Who has called a server."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def hear(self) -> bytes:
        """The next line; empty at the end of the connection."""
        return await asyncio.wait_for(self.reader.readline(), DEADLINE_S)

    async def ask(self) -> bytes:
        """Say PING, and hear what comes."""
        self.writer.write(b"PING\r\n")
        return await self.hear()


@asynccontextmanager
async def call(server: GreetingServer) -> AsyncIterator[Caller]:
    """Be connected to a server within the block."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Caller(reader, writer)
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


async def test_it_greets_answers_pings_and_keeps_what_it_hears() -> None:
    """What is no PING has no answer."""
    async with GreetingServer(say(INFO)) as server, call(server) as caller:
        assert INFO == await caller.hear()
        caller.writer.write(b'CONNECT {"user":"callout"}\r\n')
        assert b"PONG\r\n" == await caller.ask()
        assert b'CONNECT {"user":"callout"}\r\nPING\r\n' == server.heard


async def test_the_first_connections_begin_in_their_own_ways() -> None:
    """One each, in their order; all others as usual. All are counted."""
    async with GreetingServer(say(INFO), say(b"one\r\n"), say(b"two\r\n")) as server:
        for number, expected in enumerate((b"one\r\n", b"two\r\n", INFO, INFO), 1):
            async with call(server) as caller:
                assert (expected, number) == (await caller.hear(), server.connections)


async def test_tls_begins_behind_the_greeting(tmp_path: Path) -> None:
    """As nats-server's does, with the certificate that it was given."""
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=authority.ca_file)
    async with GreetingServer(encrypt(authority.server_context())) as server, call(server) as caller:
        assert TLS_INFO == await caller.hear()
        await asyncio.wait_for(caller.writer.start_tls(context, server_hostname="localhost"), DEADLINE_S)
        assert b"PONG\r\n" == await caller.ask()
        assert b"PING\r\n" == server.heard


@pytest.mark.parametrize("greeting", [hang_up, reset])
async def test_a_handshake_is_broken_off_at_its_first_byte(greeting: Greeting) -> None:
    """In good order or not; until then nothing ends."""
    async with GreetingServer(greeting) as server, call(server) as caller:
        assert TLS_INFO == await caller.hear()
        caller.writer.write(b"\x16")
        with suppress(ConnectionResetError):
            assert b"" == await caller.hear()
        assert b"" == server.heard


async def test_who_is_silent_reads_on_until_the_other_side_ends_it() -> None:
    """All that is sent is taken, and nothing comes back but the end."""
    async with GreetingServer(be_silent) as server, call(server) as caller:
        assert TLS_INFO == await caller.hear()
        caller.writer.write(bytes(MORE_THAN_SOCKETS_TAKE))
        await asyncio.wait_for(caller.writer.drain(), DEADLINE_S)
        caller.writer.write_eof()
        assert b"" == await caller.hear()


async def test_who_stops_reading_takes_no_more_than_sockets_do_and_serves_the_next() -> None:
    """It lives: the connection stays open, and another one is answered."""
    async with GreetingServer(say(INFO), stop_reading) as server, call(server) as caller:
        assert [INFO, b"PONG\r\n"] == [await caller.hear(), await caller.hear()]
        caller.writer.write(bytes(MORE_THAN_SOCKETS_TAKE))
        async with call(server) as another:
            assert [INFO, b"PONG\r\n"] == [await another.hear(), await another.ask()]
        assert not caller.reader.at_eof()
        assert 0 < caller.writer.transport.get_write_buffer_size()
        caller.writer.transport.abort()


async def test_a_cut_ends_all_connections_and_lets_in_new_ones() -> None:
    """Those that are being greeted among them."""
    async with GreetingServer(say(INFO), stop_reading) as server, call(server) as one, call(server) as other:
        for caller in (one, other):
            assert INFO == await caller.hear()
        server.cut()
        for caller in (one, other):
            with suppress(ConnectionResetError):
                await asyncio.wait_for(caller.reader.read(), DEADLINE_S)
        async with call(server) as later:
            assert INFO == await later.hear()


@pytest.mark.parametrize("greeting", [say(INFO), stop_reading, be_silent], ids=["served", "not read", "silent"])
async def test_its_end_waits_for_nobody(greeting: Greeting) -> None:
    """A client that a failing test leaves open is broken off, and cannot connect again."""
    async with asyncio.timeout(DEADLINE_S):
        async with GreetingServer(greeting) as server:
            reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
            await until(lambda: server.connections, DEADLINE_S, "the connection is taken")
        with suppress(ConnectionResetError):
            await reader.read()
        writer.close()
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", server.port)
