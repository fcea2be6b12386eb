"""callout.http.pages, through the server: what the pages say, and what becomes of one that fails."""

import asyncio
import json
import threading
from typing import Any

import pytest

from callout.http.pages import Check
from callout.http.server import HttpServer
from tests.callout.http.asking import DEADLINE, LOCAL, QUICK, FakePages, ask, get, parse
from tests.waiting import until


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
