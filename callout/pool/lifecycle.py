"""When workers are started, replaced and given up: decided here, carried out by `callout.pool.processes`.

A state machine without processes and without a clock: `Lifecycle` is told what happened and when, and answers with what
has to be done. So every rule below has a test that needs no process.

Rules kept here:
- A worker that ended is started again, with a back-off that grows while it keeps ending soon.
- A worker whose loop stands still (no stamp) is killed, and then started again like any other.
- A worker is replaced by one that is already serving: the old one drains only then. One at a time.
- A worker that cannot start for a lasting reason ends the service, unless others go on serving: then it is reported,
  and what serves is left alone.
"""

from typing import Final

import msgspec

from callout.backoff import back_off
from workers.exits import Exit
from workers.status import State

START_LIMIT_S: Final = 30.0  # until a new worker's first stamp: Python starts in under a second on an idle machine
STUCK_AFTER_S: Final = 10.0  # without a stamp; a worker stamps twice a second however busy it is
STEADY_AFTER_S: Final = 60.0  # a worker that lived that long did not fail to start
BACK_OFF_FIRST_S: Final = 1.0  # as long as a start takes; a worker that ends at once costs one core at most that way
BACK_OFF_LIMIT_S: Final = 30.0  # the longest that a worker is missed after what ended it is mended


class Start(msgspec.Struct, frozen=True):
    """Start a worker."""

    worker: int


class Drain(msgspec.Struct, frozen=True):
    """Ask a worker to finish what it has and leave (SIGTERM)."""

    worker: int


class Kill(msgspec.Struct, frozen=True):
    """End a worker at once (SIGKILL)."""

    worker: int
    why: str


Action = Start | Drain | Kill


class _Worker(msgspec.Struct):
    slot: int
    started_at: float
    version: int
    state: State = State.STARTING
    stamped_at: float | None = None
    draining_since: float | None = None
    killed: bool = False


class _Slot(msgspec.Struct):
    failures: int = 0
    start_at: float = 0.0
    abandoned_version: int = -1


class Lifecycle:
    """The workers' life: `size` slots, each with one worker, and for the time of a replacement with two.

    Times are monotonic seconds.

    Args:
        size: how many workers serve.
        drain_timeout: seconds a draining worker has before it is killed.
    """

    def __init__(self, size: int, drain_timeout: float) -> None:
        """Start with empty slots."""
        self._drain_timeout = drain_timeout
        self._slots = [_Slot() for _ in range(size)]
        self._workers: dict[int, _Worker] = {}
        self._started = 0
        self._version = 0
        self._stopping = False
        self.restarts = 0

    @property
    def workers(self) -> dict[int, State]:
        """The living workers by number, and what each does."""
        # A copy first: the page of metrics is made in a thread of its own.
        return {number: worker.state for number, worker in self._workers.items()}

    def observe(self, number: int, state: State, stamped_at: float | None) -> None:
        """Note what a worker's page says."""
        worker = self._workers[number]
        worker.state = state
        worker.stamped_at = stamped_at

    def is_draining(self, number: int) -> bool:
        """Tell whether a worker was asked to leave."""
        return self._workers[number].draining_since is not None

    def replace_all(self) -> None:
        """Replace every worker, one at a time: what they read at their start has changed."""
        self._version += 1

    def stop(self) -> None:
        """Drain every worker and start no more."""
        self._stopping = True

    def plan(self, now: float) -> list[Action]:
        """Return what has to be done now; called regularly and after each event."""
        actions: list[Action] = [*self._kill_the_stuck(now)]
        if self._stopping:
            return [*actions, *(self._drain(number, now) for number in self._undrained())]
        actions += self._retire_the_replaced(now)
        actions += self._start_the_missing(now)
        if not any(isinstance(action, Start) for action in actions):
            actions += self._start_a_replacement(now)
        return actions

    def on_exit(self, number: int, code: int, now: float, draw: float) -> Exit | None:
        """Note that a worker has ended; `draw` (0 to 1) spreads the back-off.

        Returns:
            Why the service has to end, if no worker serves or can start; else None: `plan` starts what is missing.
        """
        worker = self._workers.pop(number)
        if self._stopping or worker.draining_since is not None:
            return None
        self.restarts += 1
        slot = self._slots[worker.slot]
        lasting = code in set(Exit) and Exit(code).lasting
        if lasting:
            slot.abandoned_version = worker.version
            if not any(other.state is State.SERVING for other in self._workers.values()):
                return Exit(code)
        slot.failures = 0 if now - worker.started_at >= STEADY_AFTER_S else slot.failures + 1
        slot.start_at = now + back_off(slot.failures, draw, first_s=BACK_OFF_FIRST_S, limit_s=BACK_OFF_LIMIT_S)
        return None

    def _kill_the_stuck(self, now: float) -> list[Action]:
        kills: list[Action] = []
        for number, worker in self._workers.items():
            why = None
            if worker.killed:
                continue
            if worker.draining_since is not None:
                if now - worker.draining_since > self._drain_timeout:
                    why = "it did not drain in time"
            elif worker.stamped_at is None:
                if now - worker.started_at > START_LIMIT_S:
                    why = "it did not start in time"
            elif now - worker.stamped_at > STUCK_AFTER_S:
                why = "its event loop stands still"
            if why is not None:
                worker.killed = True
                kills.append(Kill(number, why))
        return kills

    def _retire_the_replaced(self, now: float) -> list[Action]:
        """Drain the older worker of a slot as soon as the newer one does as much as it does."""
        actions: list[Action] = []
        for number in self._undrained():
            worker = self._workers[number]
            if worker.killed:
                continue
            newer = [
                other
                for other in self._workers.values()
                if other.slot == worker.slot and other.version > worker.version and other.draining_since is None
            ]
            if any(other.state is State.SERVING or other.state is worker.state is State.WAITING for other in newer):
                actions.append(self._drain(number, now))
        return actions

    def _start_the_missing(self, now: float) -> list[Action]:
        living = {self._workers[number].slot for number in self._undrained()}
        return [
            self._start(index, now)
            for index, slot in enumerate(self._slots)
            if index not in living and now >= slot.start_at
        ]

    def _start_a_replacement(self, now: float) -> list[Action]:
        """Start one successor, if none is on its way yet."""
        current = [self._workers[number] for number in self._undrained()]
        newest = {
            index: max((w.version for w in current if w.slot == index), default=-1) for index in range(len(self._slots))
        }
        if len(current) > len(newest):
            return []  # a replacement is under way
        for index, slot in enumerate(self._slots):
            outdated = 0 <= newest[index] < self._version and slot.abandoned_version < self._version
            if outdated and now >= slot.start_at:
                return [self._start(index, now)]
        return []

    def _start(self, slot: int, now: float) -> Start:
        self._started += 1
        self._workers[self._started] = _Worker(slot, now, self._version)
        return Start(self._started)

    def _drain(self, number: int, now: float) -> Drain:
        self._workers[number].draining_since = now
        return Drain(number)

    def _undrained(self) -> list[int]:
        return [number for number, worker in self._workers.items() if worker.draining_since is None]
