"""How many CPUs this process may really use.

A container on a machine with 64 cores and a limit of two CPUs is shown all 64. Workers beyond the limit only make the
kernel stop all of them in the middle of a period, so the default number of workers follows the limit.

Sources: the kernel's Documentation/admin-guide/cgroup-v2.rst (`cpu.max`) and scheduler/sched-bwc.rst
(`cpu.cfs_quota_us`, `cpu.cfs_period_us`); proc_pid_cgroup(5).
"""

import math
import os
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path("/")
# Version 2 is mounted on its own, or beside version 1 ("hybrid"); version 1 mounts cpu alone or with cpuacct.
_MOUNTS_V2 = ("", "unified")
_MOUNTS_V1 = ("cpu", "cpu,cpuacct", "cpuacct,cpu")


def usable_cpus(root: Path = ROOT, affinity: int | None = None) -> int:
    """Count the CPUs that this process may use: at least 1.

    That is the number it may be scheduled on, or the cgroups' quota rounded up, whichever is less.

    Args:
        root: where `/proc` and `/sys` are; another folder in tests.
        affinity: how many CPUs it may be scheduled on; None asks the kernel.
    """
    if affinity is None:
        affinity = _count_schedulable()
    return max(1, min([affinity, *(math.ceil(quota) for quota in _quotas(root))]))


def _count_schedulable() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # a system without affinities, such as macOS


def _quotas(root: Path) -> Iterator[float]:
    """Yield every quota, in CPUs, that holds this process: its own cgroup's and those of all above it.

    Inside a container the path in `/proc/self/cgroup` may be the host's, while the mount already shows the container's
    own cgroup as its top. Looking at each folder from the path up to the top covers both.
    """
    mounts = root / "sys" / "fs" / "cgroup"
    for line in _read(root / "proc" / "self" / "cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if number == "0":
            for mount in _MOUNTS_V2:
                yield from _read_each(mounts / mount, path, _read_v2)
        elif "cpu" in controllers.split(","):
            for mount in _MOUNTS_V1:
                yield from _read_each(mounts / mount, path, _read_v1)


def _read_each(top: Path, path: str, read_quota: Callable[[Path], float | None]) -> Iterator[float]:
    parts = [part for part in path.split("/") if part]
    if ".." in parts:  # a process outside of its cgroup namespace: only the top can be trusted
        parts = []
    for depth in range(len(parts) + 1):
        quota = read_quota(top.joinpath(*parts[:depth]))
        if quota is not None:
            yield quota


def _read_v2(folder: Path) -> float | None:
    return _divide(_read(folder / "cpu.max").split())


def _read_v1(folder: Path) -> float | None:
    return _divide([_read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")])


def _divide(words: list[str]) -> float | None:
    """Turn quota and period, in µs, into CPUs; None if there is no limit (`max`, -1) or no such file."""
    try:
        quota, period = (int(word) for word in words)
    except ValueError:
        return None
    return quota / period if quota > 0 and period > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError):
        return ""
