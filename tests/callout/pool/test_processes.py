"""callout.pool.processes: real worker processes, for whom nobody listens at NATS."""

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callout.pool.lifecycle import Lifecycle
from callout.pool.processes import WorkerPool
from callout.pool.settings import make_worker_settings
from callout.workspace import Workspace
from tests.idle_service import make_settings
from tests.standstill import stopped
from tests.waiting import PATIENCE_SECONDS, until
from workers.exits import Exit
from workers.logs import Log
from workers.settings import WorkerSettings
from workers.snapshot import SnapshotWriter
from workers.status import State

DRAIN_S = 10.0


class Bench:
    """A pool of one or more workers, and what it asks its owner for."""

    def __init__(self, folder: Path, workspace: Workspace, size: int, **changes: Any) -> None:
        self.folder = workspace.status
        self.exits = 0
        self.states: list[list[State]] = []
        self.told: list[WorkerSettings] = []
        self._template = msgspec.structs.replace(make_worker_settings(make_settings(folder), workspace), **changes)
        self._log_file = folder / "log"
        self.log = Log("supervisor", "info", os.open(self._log_file, os.O_CREAT | os.O_WRONLY, 0o600))
        self.pool = WorkerPool(
            Lifecycle(size, DRAIN_S),
            self._tell,
            workspace.status,
            on_states=lambda states: self.states.append(list(states)),
            on_unknown_key=lambda: None,
            on_exit=self._count_exit,
            log=self.log,
        )
        self.stop = asyncio.Event()
        self.running = asyncio.create_task(self.pool.run(self.stop))

    @property
    def pids(self) -> list[int]:
        """The living workers' processes."""
        return [process.process.pid for process in self.pool._processes.values()]

    def events(self) -> list[str]:
        """What was logged so far."""
        return [msgspec.json.decode(line)["event"] for line in self._log_file.read_bytes().split(b"\n")[:-1]]

    def _tell(self, number: int, metrics_id: int, status_file: Path) -> WorkerSettings:
        told = msgspec.structs.replace(
            self._template, worker=number, metrics_id=metrics_id, status_file=str(status_file)
        )
        self.told.append(told)
        return told

    def _count_exit(self) -> None:
        self.exits += 1


@asynccontextmanager
async def pool_of(size: int, folder: Path, **changes: Any) -> AsyncIterator[Bench]:
    """Run a pool within the block; what workers are told is right but for `changes`."""
    with Workspace(None) as workspace, closing(SnapshotWriter(workspace.snapshot)):
        bench = Bench(folder, workspace, size, **changes)
        try:
            yield bench
        finally:
            bench.running.cancel()
            await asyncio.gather(bench.running, return_exceptions=True)
            bench.log.close()
            os.close(bench.log._fd)
        assert [] == bench.pids


def is_alive(pid: int) -> bool:
    """Whether a process is there."""
    return Path(f"/proc/{pid}").exists()


def test_workers_start_and_drain(tmp_path: Path) -> None:
    """Each with a page and a metrics file of its own; at the end none is left."""

    async def scenario() -> None:
        async with pool_of(2, tmp_path) as bench:
            await until(lambda: len(bench.pids) == 2, PATIENCE_SECONDS, "two workers")
            pids = bench.pids
            assert [(1, 0), (2, 1)] == [(told.worker, told.metrics_id) for told in bench.told]
            assert ["page-0", "page-1"] == sorted(path.name for path in bench.folder.iterdir())
            await until(
                lambda: all(process.stamped_at for process in bench.pool._processes.values()),
                PATIENCE_SECONDS,
                "both say that they live",
            )
            bench.stop.set()
            assert Exit.DRAINED == await bench.running
            assert [False, False] == [is_alive(pid) for pid in pids]
            assert (2, 0) == (bench.exits, bench.pool.restarts)
            assert [State.STARTING] * 2 in bench.states

    asyncio.run(scenario())


def test_a_killed_worker_is_started_again_on_the_page_of_the_one_before(tmp_path: Path) -> None:
    """So files do not pile up, and its counters go on."""

    async def scenario() -> None:
        async with pool_of(1, tmp_path) as bench:
            await until(lambda: bench.pids, PATIENCE_SECONDS, "a worker")
            os.kill(bench.pids[0], signal.SIGKILL)
            await until(lambda: len(bench.told) == 2, PATIENCE_SECONDS, "another one")
            assert [(1, 0), (2, 0)] == [(told.worker, told.metrics_id) for told in bench.told]
            assert (1, 1) == (bench.exits, bench.pool.restarts)

    asyncio.run(scenario())


def test_a_worker_that_cannot_start_ends_the_pool(tmp_path: Path) -> None:
    """With the reason. Nothing is logged of it here: the worker has said why, and whoever ends will."""

    async def scenario() -> None:
        async with pool_of(2, tmp_path, signing_seed="SU") as bench:
            assert Exit.BAD_SETTINGS == await bench.running
            bench.log.close()
            assert [] == bench.events()

    asyncio.run(scenario())


def test_a_page_that_cannot_be_made_is_a_worker_that_ended(tmp_path: Path) -> None:
    """It is said, and tried again with back-off: memory may come back."""

    async def scenario() -> None:
        async with pool_of(1, tmp_path) as bench:
            bench.folder.rename(bench.folder.with_name("away"))  # before the pool has had its first turn
            await until(lambda: bench.pool.restarts == 1, PATIENCE_SECONDS, "a start that failed")
            bench.folder.with_name("away").rename(bench.folder)
            await until(lambda: bench.pids, PATIENCE_SECONDS, "a worker")
            assert "a worker cannot be started" in bench.events()

    asyncio.run(scenario())


@pytest.mark.parametrize("halted", [True, False])
def test_however_the_pool_ends_no_process_is_left(tmp_path: Path, halted: bool) -> None:
    """A worker that stands still does not even hear of it."""

    async def scenario() -> None:
        async with pool_of(1, tmp_path) as bench:
            await until(lambda: bench.pids, PATIENCE_SECONDS, "a worker")
            (pid,) = bench.pids
            with stopped(pid) if halted else contextlib.nullcontext():
                bench.running.cancel()
                await asyncio.gather(bench.running, return_exceptions=True)
                assert not is_alive(pid)

    asyncio.run(scenario())
