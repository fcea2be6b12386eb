"""callout.http.server on real sockets: where it listens, what it answers, and how connections end."""

import asyncio
import socket

import pytest

from callout.errors import CommandError
from callout.http.server import HttpServer
from tests.callout.http.asking import (
    DEADLINE,
    LOCAL,
    OPENED,
    FakePages,
    ask,
    get,
    is_closed,
    parse,
    status_of,
)


@pytest.mark.parametrize("target", ["/", "/livez", "/metrics", "/nothing"])
def test_a_head_is_a_get_without_body(runner: asyncio.Runner, pages: FakePages, target: str) -> None:
    """The headers are the same, the length included."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            full, head = await get(server.port, target), await get(server.port, target, "HEAD")
            assert b"" == head[2]
            assert str(len(full[2])) == head[1]["content-length"]
            assert full[0] == head[0]

    runner.run(scenario())


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "CONNECT", "get", "X"])
def test_other_methods_are_refused(runner: asyncio.Runner, pages: FakePages, method: str) -> None:
    """405, with those that there are."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            raw = await ask(server.port, f"{method} /livez HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            response, _ = parse(raw)
            assert (405, b"GET, HEAD") == (response.status_code, dict(response.headers)[b"allow"])

    runner.run(scenario())


def test_a_connection_serves_many_requests(runner: asyncio.Runner, pages: FakePages) -> None:
    """Prometheus keeps its connection, and asks again when it has been answered."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server, asyncio.timeout(DEADLINE):
            reader, writer = await asyncio.open_connection(LOCAL, server.port)
            for _ in range(40):
                writer.write(OPENED + b"\r\n")
                head = await reader.readuntil(b"\r\n\r\n")
                assert head.startswith(b"HTTP/1.1 200 OK\r\n")
                await reader.readuntil(b"\n")
            writer.write(b"GET /nothing HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert (await reader.read()).endswith(b"no such page\n")
            writer.transport.abort()

    runner.run(scenario())


def test_an_old_client_is_served(runner: asyncio.Runner, pages: FakePages) -> None:
    """HTTP/1.0 knows no kept connections."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            assert await status_of(server.port, b"GET /livez HTTP/1.0\r\n\r\n") == 200

    runner.run(scenario())


def test_a_client_that_has_closed_its_side_is_answered(runner: asyncio.Runner, pages: FakePages) -> None:
    """`nc` sends and closes; the answer still goes out."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            raw = await ask(server.port, OPENED + b"\r\n", finish=True)
            assert parse(raw)[0].status_code == 200

    runner.run(scenario())


def test_all_addresses_are_ipv4_and_ipv6(runner: asyncio.Runner, pages: FakePages) -> None:
    """One port, whichever the cluster speaks."""

    async def scenario() -> None:
        async with HttpServer(pages, None, 0) as server:
            assert (await get(server.port, "/livez"))[0] == 200
            if socket.has_dualstack_ipv6():
                assert (await get(server.port, "/livez", host="::1"))[0] == 200

    runner.run(scenario())


def test_a_port_in_use_is_one_line(runner: asyncio.Runner, pages: FakePages) -> None:
    """The line names the setting and what to do."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as first:
            with pytest.raises(CommandError) as caught:
                async with HttpServer(pages, LOCAL, first.port):
                    pass
            where = f"port {first.port} of 127.0.0.1"
            line = f"PORT: cannot listen on {where}: address already in use; choose another, or set HTTP_HOST"
            assert (line,) == caught.value.lines
            assert caught.value.exit_code == 2

    runner.run(scenario())


@pytest.mark.parametrize(
    ("host", "reason"),
    [
        ("192.0.2.1", "cannot assign requested address"),  # nobody's (RFC 5737)
        ("nowhere.invalid", ""),  # why a name leads nowhere is said in other words by each resolver
    ],
)
def test_an_address_of_others_is_one_line(runner: asyncio.Runner, pages: FakePages, host: str, reason: str) -> None:
    """The line names the setting that holds the address, and not the port, which has no part in it."""

    async def scenario() -> None:
        with pytest.raises(CommandError) as caught:
            async with HttpServer(pages, host, 0):
                pass
        (line,) = caught.value.lines
        assert line.startswith(f"HTTP_HOST: cannot listen on {host}: {reason}")
        assert line.endswith("; give an address of this machine, or leave it out for all")

    runner.run(scenario())


def test_the_end_cuts_connections_and_frees_the_port(runner: asyncio.Runner, pages: FakePages) -> None:
    """Nobody who keeps a connection open can hold the service's end up."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            reader, writer = await asyncio.open_connection(LOCAL, server.port)
            writer.write(OPENED)
            assert (await get(server.port, "/livez"))[0] == 200
        assert await is_closed(reader)
        writer.transport.abort()
        async with HttpServer(pages, LOCAL, server.port):
            pass

    runner.run(scenario())
