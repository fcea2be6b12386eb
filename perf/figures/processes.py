"""What processes cost: CPU and memory, as Linux accounts for them (proc(5)).

Rules kept here:
- What a process has cost that has ended is not known. Of its CPU that is an error: as 0, and with its successor in no
  group, it would make what is measured look cheaper. Its memory is None, and never 0.
- Memory that may not be read is an error. Who is not root may not read that of a process that is never dumped, as the
  service makes itself where core files are forbidden already (`workers.dumps`).
- Linux counts the work of all CPUs, and of other processes, in whole ticks (a hundredth of a second), and only our own
  to the microsecond (getrusage(2)): over a short time they do not add up. What is found is never more than all CPUs can
  do in the time, and never below 0.
"""

import os
import resource
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from callout.errors import CommandError

SERVER: Final = "server"
SUPERVISOR: Final = "supervisor"
WORKERS: Final = "workers"
OURSELVES: Final = "generator"
OTHERS: Final = "others"
WALL: Final = "wall"
_TICKS: Final = os.sysconf("SC_CLK_TCK")  # in a second
_KIB: Final = 1024
BUSY: Final = "busy"
_STAT: Final = Path("/proc/stat")


class Memory(msgspec.Struct, frozen=True):
    """Bytes of a process: those that nobody shares with it, and those that are not memory shared by name (tmpfs)."""

    private: int
    own: int


class Meter:
    """Takes the CPU time of groups of processes, of this one (`generator`) and of all `others`, between two moments.

    What others take tells how far a rate can be believed. Time that a hypervisor has given to somebody else is theirs.

    Args:
        groups: process ids by what they are called.

    Raises:
        CommandError: one of them has ended, then or when it is read.
    """

    def __init__(self, groups: Mapping[str, Sequence[int]]) -> None:
        """Begin."""
        self._groups = {name: list(pids) for name, pids in groups.items()}
        self._began_at = time.monotonic()
        self._before = self._read()

    def read(self) -> dict[str, float]:
        """Return the seconds of CPU that each group has taken since the beginning, and the time itself as `wall`."""
        wall = time.monotonic() - self._began_at
        return reckon(self._before, self._read(), wall)

    def _read(self) -> dict[str, list[float]]:
        found = {name: _read_group(name, pids) for name, pids in self._groups.items()}
        own = resource.getrusage(resource.RUSAGE_SELF)
        return {**found, OURSELVES: [own.ru_utime + own.ru_stime], BUSY: [_read_busy()]}


def reckon(before: Mapping[str, Sequence[float]], now: Mapping[str, Sequence[float]], wall: float) -> dict[str, float]:
    """Return what each group has spent between two readings, and what is left of all CPUs' work for `others`.

    Args:
        before: seconds of CPU by group, of each process; of this one, and of all that was `busy`.
        now: the same, of the same processes.
        wall: the seconds between.
    """
    spent = {
        name: round(sum(max(after - then, 0.0) for then, after in zip(values, now[name], strict=True)), 3)
        for name, values in before.items()
    }
    room = wall * (os.cpu_count() or 1)
    all_busy = min(spent.pop(BUSY), room)
    others = max(round(all_busy - sum(spent.values()), 3), 0.0)
    return {**spent, OTHERS: others, WALL: round(wall, 3)}


def _read_group(name: str, pids: Sequence[int]) -> list[float]:
    found = [seconds for pid in pids if (seconds := maybe_read_cpu(pid)) is not None]
    if len(found) < len(pids):
        raise CommandError(f"a process of {name} has ended while it was measured, so what it has cost is not known")
    return found


def maybe_read_cpu(pid: int) -> float | None:
    """Return the seconds of CPU that a process has taken, in itself and in the system; None if it has ended."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # the name in brackets may hold anything
    return (int(fields[11]) + int(fields[12])) / _TICKS


def maybe_read_memory(pid: int) -> Memory | None:
    """Return what memory a process has; None if it has ended.

    Raises:
        CommandError: this user may not know.
    """
    try:
        rollup = _read_sizes(Path(f"/proc/{pid}/smaps_rollup"))
        status = _read_sizes(Path(f"/proc/{pid}/status"))
    except (FileNotFoundError, ProcessLookupError):
        return None
    except PermissionError:
        raise CommandError(
            f"the memory of process {pid} may not be read: run as root, or raise the hard core limit (ulimit -Hc)"
        ) from None
    private = rollup.get("Private_Clean", 0) + rollup.get("Private_Dirty", 0)
    return Memory(private, status.get("VmRSS", 0) - status.get("RssShmem", 0))


def maybe_read_memories(pids: Sequence[int]) -> list[Memory] | None:
    """Do as `maybe_read_memory` for several; None unless there are some, and that of all is known."""
    found = [memory for pid in pids if (memory := maybe_read_memory(pid)) is not None]
    return found if len(found) == len(pids) > 0 else None


def list_children(pid: int) -> list[int]:
    """Return the processes that this one has started and that still are there."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def raise_file_limit() -> int:
    """Let this process, and those it starts from now on, open as many files as the system lets it; return how many."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return most


def _read_busy() -> float:
    """Return the seconds that all CPUs have not been idle: all of the first line but idle, iowait and guests."""
    try:
        user, nice, system, _, _, *rest = _STAT.read_text().partition("\n")[0].split()[1:9]
    except (OSError, ValueError):
        return 0.0
    return sum(int(ticks) for ticks in (user, nice, system, *rest)) / _TICKS


def _read_sizes(path: Path) -> dict[str, int]:
    """Read lines such as `VmRSS:  123 kB`, in bytes."""
    found = {}
    for line in path.read_text().splitlines():
        name, _, value = line.partition(":")
        if value.endswith(" kB"):
            found[name] = int(value.split()[0]) * _KIB
    return found


def find_shares(cpu: Mapping[str, float]) -> dict[str, float | None]:
    """Return what share of the machine's CPU the generator took while something was measured, and all others.

    Others are known where the processes are that were measured: else these are among them, or on another machine.
    """
    whole = cpu[WALL] * (os.cpu_count() or 1)
    known = (OURSELVES, OTHERS) if SERVER in cpu else (OURSELVES,)
    shares = {f"{name}_share": round(cpu[name] / whole, 3) if whole else 0.0 for name in known}
    return {f"{OTHERS}_share": None, **shares}
