"""callout.mounts: on what kind of file system a folder is."""

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.mounts import maybe_find_type

TABLE = r"""overlay / overlay rw,relatime 0 0
tmpfs /dev tmpfs rw,nosuid 0 0
shm /dev/shm tmpfs rw,nosuid,nodev 0 0
/dev/sda1 /data ext4 rw 0 0
tmpfs /data/in\040memory tmpfs rw 0 0
/dev/sda2 /over ext4 rw 0 0
tmpfs /over tmpfs rw 0 0

half a line
"""


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/", "overlay"),
        ("/tmp/callout", "overlay"),
        ("/dev/shm", "tmpfs"),
        ("/dev/shm/callout/snapshot", "tmpfs"),
        ("/data/callout", "ext4"),
        ("/data/in memory/callout", "tmpfs"),
        ("/database", "overlay"),
        ("/over/there", "tmpfs"),
    ],
)
def test_the_deepest_and_last_mount_holds_a_path(path: str, expected: str) -> None:
    """By whole names, and with what is written as a number in the table read as what it is."""
    assert expected == maybe_find_type(TABLE, PurePosixPath(path))


def test_a_table_that_says_nothing_is_no_answer() -> None:
    """Empty, or of another system."""
    assert maybe_find_type("", PurePosixPath("/dev/shm")) is None


@given(st.text(st.sampled_from("/ab \\0147\n")), st.text(st.sampled_from("/ab ")))
def test_any_table_is_read(mounts: str, path: str) -> None:
    """Whatever the kernel writes, nothing is raised."""
    found = maybe_find_type(mounts, PurePosixPath("/" + path))
    assert found is None or found in mounts


def test_the_kernel_writes_such_a_table() -> None:
    """Here `/proc` is one mount among others."""
    assert "proc" == maybe_find_type(Path("/proc/self/mounts").read_text(), PurePosixPath("/proc/self"))
