"""The worker processes: carries out what `callout.pool.lifecycle` decides.

Each worker gets its settings as one line on its standard input, which then stays open: its end tells the worker that
the supervisor is gone. Workers are started in a session of their own, so that Ctrl-C in a terminal reaches the
supervisor alone, which then drains them.

A worker takes over the status page and the metrics file of one that has ended: so workers can be started again when
the memory that these are kept in has run out.
"""

import asyncio
import random
import signal
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Final

import msgspec

from callout.children import send_signal
from callout.errors import EXIT_FAILED
from callout.files import reason_of
from callout.pool.lifecycle import Drain, Kill, Lifecycle, Start
from callout.pool.waking import WakingClock
from workers.exits import EXPLANATIONS, Exit
from workers.logs import Log
from workers.settings import WorkerSettings
from workers.status import State, StatusPage

POLL_INTERVAL_S: Final = 0.1  # how often the workers' pages are read


class _Process(msgspec.Struct):
    process: asyncio.subprocess.Process
    page: StatusPage
    metrics_id: int
    waiting: asyncio.Task[None]
    stamp_ns: int = 0
    stamped_at: float | None = None
    unknown_keys: int = 0


class WorkerPool:
    """Keeps the workers running.

    Args:
        lifecycle: decides.
        settings_for: makes the settings of a worker from its number, its metrics file's number and its status page.
        directory: where status pages are kept; ours alone.
        on_states: called with what the workers do, whenever that was looked at.
        on_unknown_key: called when workers have seen tokens with a key that is not in the key set.
        on_exit: called after a worker has ended, so that what it held can be freed.
        log: the supervisor's.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        settings_for: Callable[[int, int, Path], WorkerSettings],
        directory: Path,
        on_states: Callable[[Collection[State]], None],
        on_unknown_key: Callable[[], None],
        on_exit: Callable[[], object],
        log: Log,
    ) -> None:
        """Take the parts; no process is started yet."""
        self._lifecycle = lifecycle
        self._settings_for = settings_for
        self._directory = directory
        self._on_states = on_states
        self._on_unknown_key = on_unknown_key
        self._on_exit = on_exit
        self._log = log
        self._processes: dict[int, _Process] = {}
        self._given_up: Exit | None = None
        self._wake = asyncio.Event()
        self._clock = WakingClock()

    @property
    def states(self) -> list[State]:
        """What each living worker does."""
        return list(self._lifecycle.workers.values())

    @property
    def restarts(self) -> int:
        """How many workers ended without having been asked to."""
        return self._lifecycle.restarts

    def replace_all(self) -> None:
        """Replace every worker, one at a time, each by one that already serves."""
        self._lifecycle.replace_all()
        self._wake.set()

    async def run(self, stop: asyncio.Event) -> Exit:
        """Keep the workers running until `stop` is set and all have drained, or none can start.

        Returns:
            `DRAINED`, or the reason for which no worker can start.
        """
        try:
            while not (stop.is_set() and not self._processes) and self._given_up is None:
                if stop.is_set():
                    self._lifecycle.stop()
                self._observe()
                await self._carry_out()
                await self._pause(stop)
        finally:
            await self._end_all()
        return self._given_up or Exit.DRAINED

    async def _carry_out(self) -> None:
        for action in self._lifecycle.plan(self._clock.now()):
            match action:
                case Start(worker):
                    try:
                        await self._start(worker)
                    except OSError as error:  # no process, or no memory for its page: as if it had ended at once
                        self._log.error("a worker cannot be started", worker=worker, error=reason_of(error))
                        self._lifecycle.on_exit(worker, EXIT_FAILED, self._clock.now(), _draw())
                case Drain(worker):
                    send_signal(self._processes[worker].process, signal.SIGTERM)
                case Kill(worker, why):
                    self._log.error("killing a worker", worker=worker, why=why)
                    send_signal(self._processes[worker].process, signal.SIGKILL)

    async def _start(self, number: int) -> None:
        taken = {process.metrics_id for process in self._processes.values()}
        metrics_id = next(candidate for candidate in range(len(taken) + 1) if candidate not in taken)
        path = self._directory / f"page-{metrics_id}"
        page = StatusPage.create(path)
        settings = self._settings_for(number, metrics_id, path)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-P",  # no import from the current folder, whatever stands there
            "-m",
            "workers",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(settings) + b"\n")
        waiting = asyncio.create_task(self._wait(number, process))
        self._processes[number] = _Process(process, page, metrics_id, waiting)

    async def _wait(self, number: int, process: asyncio.subprocess.Process) -> None:
        code = await process.wait()
        ended = self._processes.pop(number)
        ended.page.close()
        self._on_exit()
        asked = self._lifecycle.is_draining(number)
        self._given_up = self._given_up or self._lifecycle.on_exit(number, code, self._clock.now(), _draw())
        if self._given_up is None:  # otherwise the service ends, says why itself, and has ended the others
            (self._log.info if asked else self._log.warning)("worker ended", worker=number, exit_code=code)
            if code in EXPLANATIONS:
                self._log.error("worker could not start", worker=number, why=EXPLANATIONS[Exit(code)])
        self._wake.set()

    def _observe(self) -> None:
        unknown_keys, now = False, self._clock.now()
        for number, process in self._processes.items():
            stamp = process.page.stamp_ns
            if stamp != process.stamp_ns:
                process.stamp_ns, process.stamped_at = stamp, now
            self._lifecycle.observe(number, process.page.state, process.stamped_at)
            seen = process.page.unknown_keys
            unknown_keys |= seen != process.unknown_keys
            process.unknown_keys = seen
        self._on_states(self.states)
        if unknown_keys:
            self._on_unknown_key()

    async def _pause(self, stop: asyncio.Event) -> None:
        """Wait for the next round, or for an event that should not wait so long."""
        self._wake.clear()
        waking = {asyncio.create_task(self._wake.wait())}
        if not stop.is_set():
            waking.add(asyncio.create_task(stop.wait()))
        await asyncio.wait(waking, timeout=POLL_INTERVAL_S, return_when=asyncio.FIRST_COMPLETED)
        for task in waking:
            task.cancel()

    async def _end_all(self) -> None:
        """Leave no process behind, however this ends."""
        for process in self._processes.values():
            send_signal(process.process, signal.SIGKILL)
        await asyncio.gather(*(process.waiting for process in list(self._processes.values())))


def _draw() -> float:
    return random.random()  # noqa: S311  # spreads a back-off
