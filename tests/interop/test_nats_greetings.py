"""Whatever greets a worker in the place of a NATS server: it says so, tries again, and serves when one is there."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.greeting_server import INFO, GreetingServer, say, stop_reading
from tests.idle_service import make_variables
from tests.interop.operation import until_serving
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until

MALFORMED = {
    "a number": b"INFO 5\r\n",
    "too long": b"INFO " + b"x" * 200_000 + b"\r\n",
    "deep": b"INFO " + b"[" * 20_000 + b"\r\n",
    "another protocol": b"HTTP/1.1 400 Bad Request\r\n",
}


@asynccontextmanager
async def serve(folder: Path, server: GreetingServer) -> AsyncIterator[Service]:
    """Run the service with one worker on that server; it ends in good order."""
    with Service(make_variables(folder, NATS_URL=f"nats://callout:hunter2@127.0.0.1:{server.port}")) as service:
        await service.logged("http listening")
        yield service
        assert 0 == service.metric("nats_auth_worker_restarts_total")
        assert 0 == await service.stop()
    assert [] == service.plain_lines


@pytest.mark.parametrize("line", MALFORMED.values(), ids=MALFORMED)
async def test_a_greeting_that_cannot_be_understood_is_outlived(tmp_path: Path, line: bytes) -> None:
    """At the start, and when the connection is lost."""
    async with GreetingServer(say(INFO), say(line), say(INFO), say(line)) as server, serve(tmp_path, server) as service:
        await until_serving(service, 1)
        wanted = max(4, server.connections + 1)  # there may be more: an attempt can take too long on a busy machine
        server.cut()
        await until(lambda: server.connections >= wanted, PATIENCE_SECONDS, "it connects again, twice")
        await until_serving(service, 1)
        assert 200 == service.get("/readyz")[0]
        assert service.log_lines("NATS error")


async def test_a_server_that_says_nothing_more_is_left(tmp_path: Path) -> None:
    """It lets the worker in and never reads again: the worker waits for a while, and finds another."""
    async with GreetingServer(say(INFO), stop_reading) as server, serve(tmp_path, server) as service:
        await service.logged("subscribed", worker=1)  # which the first server never confirms
        assert 2 <= server.connections
        assert [line for line in service.lines if (line["component"], line["level"]) == ("worker", "warning")]
        await until_serving(service, 1)
        assert 200 == service.get("/readyz")[0]
