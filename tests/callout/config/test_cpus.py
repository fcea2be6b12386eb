"""The number of CPUs: what the kernel schedules on, or what the cgroups allow, whichever is less."""

from pathlib import Path

import pytest

from callout.config.cpus import usable_cpus

MANY = 64


def plant(root: Path, files: dict[str, str]) -> Path:
    """Make a fake root with those files."""
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return root


@pytest.mark.parametrize(
    ("quota", "cpus"),
    [
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("100000 100000", 1),
        ("1000 50000", 1),
        ("max 100000", MANY),
        ("100000000 100000", MANY),
        ("", MANY),
        ("garbage", MANY),
        ("1 2 3", MANY),
        ("200000 0", MANY),
        ("-5 100000", MANY),
    ],
)
def test_a_quota_of_version_2_is_rounded_up(tmp_path: Path, quota: str, cpus: int) -> None:
    """`cpu.max` holds quota and period; half a CPU is one worker, and what cannot be read is no limit."""
    root = plant(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": f"{quota}\n"})
    assert cpus == usable_cpus(root, MANY)


@pytest.mark.parametrize("mount", ["cpu", "cpu,cpuacct", "cpuacct,cpu"])
@pytest.mark.parametrize(("quota", "cpus"), [("250000", 3), ("-1", MANY), ("100000", 1)])
def test_a_quota_of_version_1_is_rounded_up(tmp_path: Path, mount: str, quota: str, cpus: int) -> None:
    """Quota and period stand in files of their own; -1 is no limit."""
    root = plant(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/\n1:name=systemd:/\n",
            f"sys/fs/cgroup/{mount}/cpu.cfs_quota_us": quota + "\n",
            f"sys/fs/cgroup/{mount}/cpu.cfs_period_us": "100000\n",
        },
    )
    assert cpus == usable_cpus(root, MANY)


def test_the_quota_of_every_cgroup_above_holds(tmp_path: Path) -> None:
    """A pod's limit holds a container that has none of its own."""
    root = plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/kubepods/pod1/box\n",
            "sys/fs/cgroup/kubepods/cpu.max": "3200000 100000",
            "sys/fs/cgroup/kubepods/pod1/cpu.max": "300000 100000",
            "sys/fs/cgroup/kubepods/pod1/box/cpu.max": "max 100000",
        },
    )
    assert usable_cpus(root, MANY) == 3


def test_a_path_of_the_host_does_not_hide_the_quota(tmp_path: Path) -> None:
    """In a container of version 1 the path is the host's, while the container's own cgroup is the top of the mount."""
    root = plant(
        tmp_path,
        {
            "proc/self/cgroup": "4:cpu,cpuacct:/kubepods/pod1/box\n",
            "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "400000",
            "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000",
        },
    )
    assert usable_cpus(root, MANY) == 4


def test_version_2_beside_version_1_is_found(tmp_path: Path) -> None:
    """A hybrid system mounts version 2 under `unified`."""
    root = plant(tmp_path, {"proc/self/cgroup": "0::/a\n", "sys/fs/cgroup/unified/a/cpu.max": "500000 100000"})
    assert usable_cpus(root, MANY) == 5


def test_a_path_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    """Outside of its cgroup namespace a process sees `/..`; only the top is looked at then."""
    root = plant(
        tmp_path,
        {
            "proc/self/cgroup": "0::/../../elsewhere\n",
            "sys/elsewhere/cpu.max": "100000 100000",
            "sys/fs/cgroup/cpu.max": "700000 100000",
        },
    )
    assert usable_cpus(root, MANY) == 7


def test_the_affinity_counts_where_it_is_less(tmp_path: Path) -> None:
    """A process pinned to one CPU has one, whatever its quota."""
    root = plant(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": "800000 100000"})
    assert usable_cpus(root, 1) == 1


def test_without_cgroups_the_affinity_counts(tmp_path: Path) -> None:
    """A system without /proc and /sys has no quota."""
    assert usable_cpus(tmp_path, 3) == 3


def test_bytes_that_are_no_text_are_no_quota(tmp_path: Path) -> None:
    """Garbage in a file is no limit and no error."""
    root = plant(tmp_path, {"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/cpu.max": ""})
    (root / "sys/fs/cgroup/cpu.max").write_bytes(b"\xff\xfe")
    assert usable_cpus(root, 2) == 2


def test_this_machine_has_at_least_one() -> None:
    """The real files can be read."""
    assert usable_cpus() >= 1
