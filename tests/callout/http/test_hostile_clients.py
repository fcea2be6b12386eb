"""callout.http.server and clients that mean no good: none can take more than its share."""

import asyncio
import socket
import threading

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callout.http.pages import Check
from callout.http.server import READ_BYTES, HttpServer, Limits
from tests.callout.http.asking import (
    DEADLINE,
    LOCAL,
    OPENED,
    QUICK,
    FakePages,
    ask,
    crowd,
    get,
    is_closed,
    parse,
)
from tests.waiting import until


@pytest.mark.parametrize(
    ("raw", "status"),
    [
        (b"\r\n\x00\x01\x02\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\n\r\n", 400),  # no Host
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nbad header\r\n\r\n", 400),
        (b"GET /li vez HTTP/1.1\r\nHost: x\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: x\r\n\r\n", 400),
        (b"GET http://[/ HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", 400),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: gzip\r\n\r\n", 501),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 413),
        (b"HEAD /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", 413),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 99999999999\r\n\r\n", 413),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", 413),
        (b"POST /livez HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello", 405),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n", 431),
        (b"GET /" + b"a" * 1_000_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", 431),
        (b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 50_000, 431),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS to a port that speaks none
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 405),  # HTTP/2 to a server that speaks none
    ],
)
def test_what_is_no_request_is_refused(runner: asyncio.Runner, pages: FakePages, raw: bytes, status: int) -> None:
    """The answer arrives, even if more was sent than was read, and the connection ends."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, QUICK) as server:
            answer = await ask(server.port, raw)
            assert parse(answer, "HEAD" if raw.startswith(b"HEAD") else "GET")[0].status_code == status
            assert (await get(server.port, "/livez"))[0] == 200

    runner.run(scenario())


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.binary(max_size=400)
    | st.builds(
        lambda line, rest, end: line + rest + end,
        st.sampled_from([b"GET / HTTP/1.1\r\n", b"HEAD /livez HTTP/1.0\r\n", b"GET /metrics HTTP/1.1\r\nHost: x\r\n"]),
        st.text(alphabet="Host: x\r\nConection-Lgh,1;=", max_size=80).map(str.encode) | st.binary(max_size=40),
        st.sampled_from([b"\r\n\r\n", b"\n\n", b""]),
    )
)
def test_any_bytes_are_answered_or_cut_and_the_server_lives(
    runner: asyncio.Runner, pages: FakePages, raw: bytes
) -> None:
    """Whatever arrives, what goes out is a valid response with a documented status, or nothing."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, QUICK) as server:
            answer = await ask(server.port, raw, finish=True)
            if answer:
                assert int(answer.split(maxsplit=2)[1]) in {200, 400, 404, 405, 408, 413, 431, 501}
            assert (await get(server.port, "/livez"))[0] == 200

    runner.run(scenario())


def test_a_request_that_dribbles_in_is_cut_off(runner: asyncio.Runner, pages: FakePages) -> None:
    """Slowloris: a header now and then keeps no connection alive beyond the time of one request."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, QUICK) as server:
            reader, writer = await asyncio.open_connection(LOCAL, server.port)
            writer.write(OPENED)

            async def dribble() -> None:
                while True:
                    writer.write(b"X: y\r\n")
                    await asyncio.sleep(0.01)

            task = asyncio.create_task(dribble())
            async with asyncio.timeout(DEADLINE):
                answer = await reader.read()
            task.cancel()
            writer.transport.abort()
            assert parse(answer)[0].status_code == 408

    runner.run(scenario())


@pytest.mark.parametrize("first", [b"", OPENED + b"\r\n"])
def test_a_silent_connection_is_closed(runner: asyncio.Runner, pages: FakePages, first: bytes) -> None:
    """Before a first request, or between two: nothing was asked, so nothing is said."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, QUICK) as server:
            answer = await ask(server.port, first)
            assert (1 if first else 0) == answer.count(b"HTTP/1.1")

    runner.run(scenario())


def test_a_crowd_of_slow_senders_does_not_keep_a_probe_out(runner: asyncio.Runner, pages: FakePages) -> None:
    """Who has waited longest for its own request gives way, so the kubelet is always answered."""
    limits = Limits(connections=4, request_seconds=DEADLINE, idle_seconds=DEADLINE)

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, limits) as server, crowd(server.port, 4, OPENED) as readers:
            for _ in range(3):
                assert (await get(server.port, "/livez"))[0] == 200
            assert await is_closed(readers[0])
            assert not readers[-1].at_eof()

    runner.run(scenario())


def test_a_crowd_that_lingers_does_not_keep_a_probe_out(runner: asyncio.Runner, pages: FakePages) -> None:
    """Who was answered and does not hang up gives way."""
    limits = Limits(linger_seconds=DEADLINE)
    post = b"POST / HTTP/1.1\r\nHost: x\r\n\r\n"

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, limits) as server, crowd(server.port, 130, post) as readers:
            async with asyncio.timeout(DEADLINE):
                assert (await readers[-1].readline()).startswith(b"HTTP/1.1 405 ")
            for _ in range(3):
                assert (await get(server.port, "/livez"))[0] == 200

    runner.run(scenario())


def test_a_crowd_that_reads_nothing_does_not_keep_a_probe_out(runner: asyncio.Runner, pages: FakePages) -> None:
    """Who does not take its answer gives way, the one that has been at it longest first."""
    pages.render = lambda: ("text/plain", b"x" * 20_000_000)
    limits = Limits(connections=3, send_seconds=DEADLINE)
    ask_metrics = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, limits) as server, crowd(server.port, 3, ask_metrics) as readers:
            async with asyncio.timeout(DEADLINE):
                for reader in readers:
                    assert await reader.readexactly(1)
            for _ in range(3):
                assert (await get(server.port, "/livez"))[0] == 200

    runner.run(scenario())


def test_requests_sent_without_waiting_end_the_connection(runner: asyncio.Runner, pages: FakePages) -> None:
    """The first is answered and says so; thousands in one packet are not served one after the other."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            raw = await ask(server.port, b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n" * 2000)
            response, _ = parse(raw)
            assert (200, b"close") == (response.status_code, dict(response.headers)[b"connection"])

    runner.run(scenario())


def test_one_connection_has_one_answer_per_turn_of_the_loop(runner: asyncio.Runner) -> None:
    """Requests as long as a read leave nothing that could be seen behind them; others have their turn all the same."""
    one = b"GET /health HTTP/1.1\r\nHost: x\r\nX: ".ljust(READ_BYTES - 4, b"a") + b"\r\n\r\n"
    turn = 0
    answered_at: list[int] = []

    class CountingPages(FakePages):
        """Pages that remember in which turn they were asked for."""

        def health(self) -> Check:
            answered_at.append(turn)
            return self.details

    async def count_turns() -> None:
        nonlocal turn
        while True:
            await asyncio.sleep(0)
            turn += 1

    async def scenario() -> None:
        counting = asyncio.create_task(count_turns())
        async with HttpServer(CountingPages(), LOCAL, 0, Limits(idle_seconds=0.2)) as server:
            assert await ask(server.port, one * 60)
        counting.cancel()

    runner.run(scenario())
    assert sorted(set(answered_at)) == answered_at


def test_connections_beyond_the_limit_are_refused_while_all_are_answered(
    runner: asyncio.Runner, pages: FakePages
) -> None:
    """Nobody who waits for an answer is cut for a newcomer; that one hears 503."""
    go = threading.Event()
    pages.render = lambda: (("text/plain", b"up 1\n"), go.wait(DEADLINE))[0]
    limits = Limits(connections=3, render_seconds=DEADLINE)

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, limits) as server:
            waiting = [asyncio.create_task(get(server.port, "/metrics")) for _ in range(3)]
            await until(lambda: len(server._connections) == 3 and not server._waiting, DEADLINE, "all have asked")
            assert parse(await ask(server.port, b""))[0].status_code == 503
            go.set()
            statuses = [status for status, _, _ in await asyncio.gather(*waiting)]
            assert [200, 200, 200] == statuses

    try:
        runner.run(scenario())
    finally:
        go.set()


def test_a_client_that_reads_nothing_is_cut_off(runner: asyncio.Runner, pages: FakePages) -> None:
    """An answer that nobody takes is not kept for ever."""
    asked = threading.Event()

    def render() -> tuple[str, bytes]:
        asked.set()
        return "text/plain", b"x" * 50_000_000

    pages.render = render

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, QUICK) as server:
            loop = asyncio.get_running_loop()
            with socket.socket() as client:
                client.settimeout(0)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                await loop.sock_connect(client, (LOCAL, server.port))
                await loop.sock_sendall(client, b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                await until(asked.is_set, DEADLINE, "the request is answered")
                await until(lambda: not server._connections, DEADLINE, "the connection is cut")

    runner.run(scenario())


def test_a_client_that_hangs_up_in_the_middle_is_no_fault(runner: asyncio.Runner, pages: FakePages) -> None:
    """A reset while the answer is on its way concerns nobody else."""
    pages.render = lambda: ("text/plain", b"x" * 5_000_000)

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            for _ in range(5):
                reader, writer = await asyncio.open_connection(LOCAL, server.port)
                writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
                await reader.read(1)
                writer.transport.abort()
            await until(lambda: not server._connections, DEADLINE, "the connections are forgotten")
            assert (await get(server.port, "/livez"))[0] == 200

    runner.run(scenario())
