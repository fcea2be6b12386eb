"""Processes die, stand still, or are left alone: the others go on, and what is gone comes back."""

import array
import asyncio
import contextlib
import fcntl
import os
import shlex
import signal
import termios
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.interop.operation import AT_ONCE, PLAIN, Logins, is_let_in, serve, until_serving
from tests.interop.questions import ask, observe_answers
from tests.service import SERVE, Service
from tests.standstill import stopped
from tests.waiting import PATIENCE_SECONDS, until

REQUESTS = 200
TRIES = 16
"""So many logins at once that a worker among two gets one, but for one time in 65,536."""
SHORT_DRAIN = "500ms"
PIPE_BYTES = 4096
LINE_BYTES = 500


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """One environment: none of this depends on the server."""
    with Environment(PLAIN, tmp_path_factory.mktemp("nats")) as running:
        yield running


async def test_a_killed_worker_is_missed_by_nobody(environment: Environment, cluster: ChangingCluster) -> None:
    """But for the logins that it had in its hands, all are decided by the other one; then there are two again."""
    async with serve(environment, cluster) as service:
        async with Logins(environment, cluster) as logins:
            await logins.more()
            victim = service.worker_pids()[0]
            os.kill(victim, signal.SIGKILL)
            await service.logged("worker ended", exit_code=-signal.SIGKILL)
            await logins.more()
            await until_serving(service)
            await logins.more()
        assert len(logins.refusals) <= AT_ONCE
        assert victim not in service.worker_pids()
        assert 1 == service.metric("nats_auth_worker_restarts_total")


async def test_a_worker_that_stands_still_is_replaced(environment: Environment, cluster: ChangingCluster) -> None:
    """NATS goes on giving it its share, and those clients are refused after two seconds, until it is replaced."""
    async with serve(environment, cluster) as service:
        token = cluster.token("orders", "checkout")
        with stopped(service.worker_pids()[0]) as (victim,):
            outcomes = await asyncio.gather(*(is_let_in(environment, token) for _ in range(TRIES)))
            assert {True, False} == set(outcomes)
            line = await service.logged("killing a worker")
            assert "its event loop stands still" == line["why"]
            await service.logged("worker ended", exit_code=-signal.SIGKILL)
            await until_serving(service)
        assert victim not in service.worker_pids()
        assert 1 == service.metric("nats_auth_worker_restarts_total")
        assert [True] * TRIES == [await is_let_in(environment, token) for _ in range(TRIES)]


async def test_workers_outlive_the_supervisor_by_what_they_were_asked(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """When it is killed, they answer what waits for them, and leave."""
    async with (
        observe_answers(environment) as answers,
        await environment.injector() as injector,
        serve(environment, cluster) as service,
    ):
        with stopped(*service.worker_pids()):
            asked = await ask(environment, cluster, injector, REQUESTS)
            service.kill()
        assert -signal.SIGKILL == await service.ended()
    assert Counter(asked) == answers


async def test_a_killed_service_leaves_nothing_in_the_way_of_the_next(
    environment: Environment, cluster: ChangingCluster, tmp_path: Path
) -> None:
    """The folder of one that was killed, given by name, is the next one's at once."""
    folder = str(tmp_path / "snapshot")
    async with serve(environment, cluster, SNAPSHOT_DIR=folder) as service:
        service.kill()
        async with serve(environment, cluster, SNAPSHOT_DIR=folder):
            assert -signal.SIGKILL == await service.ended()
            token = cluster.token("orders", "checkout")
            assert [True] * TRIES == [await is_let_in(environment, token) for _ in range(TRIES)]


async def test_a_worker_that_cannot_drain_does_not_hold_up_the_end(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """It is killed when the limit has passed; the other one has drained."""
    async with serve(environment, cluster, DRAIN_TIMEOUT=SHORT_DRAIN) as service:
        with stopped(service.worker_pids()[0]):
            assert 0 == await service.stop()
        assert ["it did not drain in time"] == [line["why"] for line in service.log_lines("killing a worker")]
        assert {0, -signal.SIGKILL} == {line["exit_code"] for line in service.log_lines("worker ended")}


async def test_a_signal_to_all_processes_at_once_ends_them_as_well(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Some process managers tell the workers, too; that is an end like any other."""
    async with serve(environment, cluster) as service:
        for pid in (*service.worker_pids(), service.pid):
            os.kill(pid, signal.SIGTERM)
        assert 0 == await service.ended()


async def test_what_stands_in_the_current_folder_is_not_run(
    environment: Environment, cluster: ChangingCluster, tmp_path: Path
) -> None:
    """Modules there that are called as ours are left alone, by the supervisor and by the workers."""
    for package in ("callout", "workers", "nats", "uvloop"):
        decoy = tmp_path / package
        decoy.mkdir()
        for module in ("__init__.py", "__main__.py"):
            (decoy / module).write_text("raise SystemExit('the decoy was run')\n")
    variables = environment.service_env() | cluster.variables | {"HTTP_HOST": "127.0.0.1"}
    with Service(variables, folder=tmp_path) as service:
        await service.ready()
        assert await is_let_in(environment, cluster.token("orders", "checkout"))
        assert 0 == await service.stop()
    assert [] == service.plain_lines


async def test_a_log_that_nobody_reads_holds_up_nobody(
    environment: Environment, cluster: ChangingCluster, tmp_path: Path
) -> None:
    """Logins go on while the pipe is full, and the end comes as always."""
    pipe = tmp_path / "log"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        size = fcntl.fcntl(reader, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
        variables = environment.service_env() | cluster.variables | {"LOG_LEVEL": "debug", "NATS_WORKERS": "1"}
        command = ("/bin/sh", "-c", f"exec {shlex.join(SERVE)} 2> {shlex.quote(str(pipe))}")
        with Service(variables, command=command) as service:
            seen = bytearray()
            await until(lambda: b'"event":"ready"' in read_into(seen, reader), PATIENCE_SECONDS, "it is ready")
            async with Logins(environment, cluster) as logins:
                await until(lambda: count_waiting(reader) > size - LINE_BYTES, PATIENCE_SECONDS, "the pipe is full")
                await logins.more()
            assert [] == logins.refusals
            assert 0 == await service.stop()
    finally:
        os.close(reader)


def read_into(seen: bytearray, reader: int) -> bytearray:
    """Add to `seen` what there is to read."""
    with contextlib.suppress(BlockingIOError):
        seen += os.read(reader, PIPE_BYTES)
    return seen


def count_waiting(reader: int) -> int:
    """How many bytes a pipe holds."""
    waiting: int = array.array("i", fcntl.ioctl(reader, termios.FIONREAD, bytes(4)))[0]
    return waiting
