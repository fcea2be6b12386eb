"""The HTTP pages on real sockets: what they say, and that no client can take more than its share."""

import asyncio
import json
import socket
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from typing import Any

import h11
import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callout.errors import CommandError
from callout.http.server import READ_BYTES, Check, HttpServer, Limits
from tests.waiting import until

DEADLINE = 20.0  # seconds: long beside every limit below, so that only a hang reaches it
LOCAL = "127.0.0.1"
QUICK = Limits(request_seconds=0.2, idle_seconds=0.2, render_seconds=0.2, send_seconds=0.2, linger_seconds=0.2)
OPENED = b"GET /livez HTTP/1.1\r\nHost: x\r\n"  # lacks its end

Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


class FakePages:
    """Content that a test decides."""

    def __init__(self) -> None:
        self.live = Check(ok=True, body={"live": True})
        self.ready = Check(ok=True, body={"ready": True})
        self.details = Check(ok=True, body={"workers": 2})
        self.render: Callable[[], tuple[str, bytes]] = lambda: ("text/plain; version=0.0.4", b"up 1\n")

    def livez(self) -> Check:
        """Tell whether it lives."""
        return self.live

    def readyz(self) -> Check:
        """Tell whether it is ready."""
        return self.ready

    def health(self) -> Check:
        """Tell the details."""
        return self.details

    def metrics(self) -> Callable[[], tuple[str, bytes]]:
        """Hand out what renders the metrics."""
        return self.render


@pytest.fixture(params=["asyncio", "uvloop"])
def runner(request: pytest.FixtureRequest) -> Iterator[asyncio.Runner]:
    """An event loop of each kind that the service may run on; at its end no fault may have reached it."""
    faults: list[dict[str, Any]] = []
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if request.param == "uvloop" else None) as runner:
        runner.get_loop().set_exception_handler(lambda _, context: faults.append(context))
        yield runner
    assert [] == faults


@pytest.fixture
def pages() -> FakePages:
    """Pages of a service that is well."""
    return FakePages()


async def ask(port: int, raw: bytes, *, host: str = LOCAL, finish: bool = False) -> bytes:
    """Send bytes and return all that comes back until the server closes; `finish` closes our side first."""
    async with asyncio.timeout(DEADLINE):
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(raw)
            if finish:
                writer.write_eof()
            return await reader.read()
        finally:
            writer.transport.abort()


def parse(raw: bytes, method: str = "GET") -> tuple[h11.Response, bytes]:
    """Read one response, and check that nothing follows it."""
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method=method, target="/", headers=[("Host", "x")]))
    client.send(h11.EndOfMessage())
    client.receive_data(raw)
    client.receive_data(b"")
    response = client.next_event()
    assert isinstance(response, h11.Response)
    body = b""
    while isinstance(event := client.next_event(), h11.Data):
        body += event.data
    assert isinstance(event, h11.EndOfMessage)
    return response, body


async def get(port: int, target: str, method: str = "GET", host: str = LOCAL) -> tuple[int, dict[str, str], bytes]:
    """Ask for a page on a connection of its own; status, headers and body."""
    raw = await ask(port, f"{method} {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode(), host=host)
    response, body = parse(raw, method)
    return response.status_code, {name.decode(): value.decode() for name, value in response.headers}, body


async def status_of(port: int, raw: bytes) -> int:
    """Send bytes that must be answered and lead to the end of the connection."""
    return parse(await ask(port, raw))[0].status_code


@asynccontextmanager
async def crowd(port: int, count: int, raw: bytes = b"") -> AsyncIterator[list[asyncio.StreamReader]]:
    """Open connections one after the other, on each of which only `raw` is sent."""
    streams = []
    try:
        for _ in range(count):
            reader, writer = await asyncio.open_connection(LOCAL, port)
            streams.append((reader, writer))
            writer.write(raw)
        yield [reader for reader, _ in streams]
    finally:
        for _, writer in streams:
            writer.transport.abort()


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """Wait for the server to close; whatever it said first is dropped."""
    try:
        async with asyncio.timeout(DEADLINE):
            await reader.read()
    except ConnectionError:
        return True
    return reader.at_eof()


# What the pages say


@pytest.mark.parametrize(
    ("target", "ok", "status", "body"),
    [
        ("/livez", True, 200, {"live": True}),
        ("/livez", False, 503, {"live": True}),
        ("/readyz", True, 200, {"ready": True}),
        ("/readyz", False, 503, {"ready": True}),
        ("/livez?verbose=1", True, 200, {"live": True}),
        ("http://somewhere:80/livez?x", True, 200, {"live": True}),
    ],
)
def test_a_check_is_a_status_and_json(
    runner: asyncio.Runner, pages: FakePages, target: str, ok: bool, status: int, body: object
) -> None:
    """Probes read the status, people the body; a query changes nothing, and a whole address is an address."""
    pages.live = Check(ok=ok, body=pages.live.body)
    pages.ready = Check(ok=ok, body=pages.ready.body)

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            answer = await get(server.port, target)
            assert (status, body) == (answer[0], json.loads(answer[2]))
            assert answer[1]["content-type"] == "application/json"
            assert answer[1]["cache-control"] == "no-store"

    runner.run(scenario())


@pytest.mark.parametrize(("live", "status"), [(True, 200), (False, 503)])
@pytest.mark.parametrize("healthy", [True, False])
def test_health_has_the_status_of_livez(
    runner: asyncio.Runner, pages: FakePages, live: bool, status: int, healthy: bool
) -> None:
    """As a liveness probe it must not kill a pod that merely waits for something; the body tells the rest."""
    pages.live = Check(ok=live, body=None)
    pages.details = Check(ok=healthy, body={"workers": 0})

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            answer = await get(server.port, "/health")
            assert (status, {"workers": 0}) == (answer[0], json.loads(answer[2]))

    runner.run(scenario())


def test_the_other_pages(runner: asyncio.Runner, pages: FakePages) -> None:
    """Metrics as they were rendered, an index for people, and nothing else."""

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            status, headers, body = await get(server.port, "/metrics")
            assert (status, headers["content-type"], body) == (200, "text/plain; version=0.0.4", b"up 1\n")
            status, _, body = await get(server.port, "/")
            assert status == 200
            assert all(page in body for page in (b"/livez", b"/readyz", b"/health", b"/metrics"))
            for target in ("/livez/", "/LIVEZ", "/../livez", "//livez", "/metrics/x", "/%6civez", "*"):
                assert (404, target) == ((await get(server.port, target))[0], target)

    runner.run(scenario())


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


# Connections


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


def test_an_address_of_others_is_one_line(runner: asyncio.Runner, pages: FakePages) -> None:
    """192.0.2.1 is nobody's (RFC 5737), and a name may lead nowhere."""

    async def scenario() -> None:
        for host in ("192.0.2.1", "nowhere.invalid"):
            with pytest.raises(CommandError, match="cannot listen on port 0 of "):
                async with HttpServer(pages, host, 0):
                    pass

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


# Clients that mean no good


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


# Metrics and faults


def test_the_metrics_are_rendered_once_at_a_time(runner: asyncio.Runner, pages: FakePages) -> None:
    """However many ask at once; and a probe is answered meanwhile."""
    lock, go = threading.Lock(), threading.Event()
    calls = []

    def render() -> tuple[str, bytes]:
        assert lock.acquire(blocking=False)
        try:
            go.wait(DEADLINE)
            calls.append(1)
            return "text/plain", b"calls %d\n" % len(calls)
        finally:
            lock.release()

    pages.render = render

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0) as server:
            asked = [asyncio.create_task(get(server.port, "/metrics")) for _ in range(5)]
            await until(lock.locked, DEADLINE, "the rendering has begun")
            assert (await get(server.port, "/livez"))[0] == 200
            await until(lambda: len(server._connections) >= 5 and not server._waiting, DEADLINE, "all have asked")
            go.set()
            assert {b"calls 1\n"} == {body for _, _, body in await asyncio.gather(*asked)}
            assert (await get(server.port, "/metrics"))[2] == b"calls 2\n"

    try:
        runner.run(scenario())
    finally:
        go.set()


def test_metrics_that_take_too_long_are_not_waited_for(runner: asyncio.Runner, pages: FakePages) -> None:
    """503 after a while; the rendering goes on, and is not begun a second time."""
    go = threading.Event()
    calls = []

    def render() -> tuple[str, bytes]:
        calls.append(1)
        go.wait(DEADLINE)
        return "text/plain", b"late\n"

    pages.render = render

    async def scenario() -> None:
        async with HttpServer(pages, LOCAL, 0, QUICK) as server:
            assert [503, 503] == [(await get(server.port, "/metrics"))[0] for _ in range(2)]
            assert [1] == calls
            go.set()
            await until(lambda: server._router._rendering is None, DEADLINE, "the rendering has ended")
            assert (await get(server.port, "/metrics"))[0] == 200

    try:
        runner.run(scenario())
    finally:
        go.set()


@pytest.mark.parametrize("target", ["/livez", "/readyz", "/health", "/metrics"])
def test_a_page_that_fails_is_reported_and_shows_nothing(runner: asyncio.Runner, pages: FakePages, target: str) -> None:
    """500 for that request; the event loop's handler hears of it, and the server lives."""
    error = RuntimeError("hunter2")

    def fail() -> Any:
        raise error

    for name in ("livez", "readyz", "health", "metrics"):
        setattr(pages, name, fail)
    heard: list[Any] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        handler = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
        async with HttpServer(pages, LOCAL, 0) as server:
            status, _, body = await get(server.port, target)
            assert status == 500
            assert b"hunter2" not in body
            assert (await get(server.port, "/"))[0] == 200
        loop.set_exception_handler(handler)

    runner.run(scenario())
    assert [error] == heard


@pytest.mark.parametrize(("target", "status"), [("/livez", 500), ("/metrics", None)])
def test_content_that_cannot_be_sent_is_a_fault(
    runner: asyncio.Runner, pages: FakePages, target: str, status: int | None
) -> None:
    """A body that is no JSON costs that page, and a header that is none that connection; the server lives."""
    pages.live = Check(ok=True, body=object())
    pages.render = lambda: ("text/plain\r\nX: y", b"")
    heard: list[Any] = []

    async def scenario() -> None:
        loop = asyncio.get_running_loop()
        handler = loop.get_exception_handler()
        loop.set_exception_handler(lambda _, context: heard.append(context["exception"]))
        async with HttpServer(pages, LOCAL, 0) as server:
            raw = await ask(server.port, f"GET {target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            assert status == (parse(raw)[0].status_code if raw else None)
            assert (await get(server.port, "/"))[0] == 200
        loop.set_exception_handler(handler)

    runner.run(scenario())
    assert len(heard) == 1
