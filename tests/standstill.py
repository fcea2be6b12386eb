"""Processes that stand still while a test looks at what others make of it (SIGSTOP, Linux's /proc)."""

import contextlib
import os
import signal
from collections.abc import Iterator
from pathlib import Path

from tests.waiting import PATIENCE_SECONDS, until_sync

_STOPPED = "T"
"""A thread's state (proc(5)) once the signal has stopped it."""


@contextlib.contextmanager
def stopped(*pids: int) -> Iterator[tuple[int, ...]]:
    """Let processes stand still within the block.

    `kill` returns before they do: one that has not been given the CPU since would still heed other signals that come
    meanwhile, and those before this one.
    """
    try:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        until_sync(lambda: all(map(is_stopped, pids)), PATIENCE_SECONDS, f"{pids} stand still")
        yield pids
    finally:
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


def is_stopped(pid: int) -> bool:
    """Tell whether none of its threads goes on."""
    states = [path.read_text().rpartition(")")[2].split()[0] for path in Path(f"/proc/{pid}/task").glob("*/stat")]
    return bool(states) and all(state == _STOPPED for state in states)


def find_pending(pid: int) -> set[signal.Signals]:
    """The signals that were sent to a process and that it has not heeded yet."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    [mask] = (int(line.split()[1], 16) for line in lines if line.startswith("ShdPnd:"))
    return {one for one in signal.valid_signals() if isinstance(one, signal.Signals) and mask >> (one - 1) & 1}
