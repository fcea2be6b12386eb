"""Files are put in place whole, or not at all."""

import errno
import os
from pathlib import Path

import pytest

from callout.errors import CommandError
from perf.commandline.drafts import write_whole


def test_who_reads_it_meanwhile_sees_one_or_the_other(tmp_path: Path) -> None:
    """The former file as long as it is open; nothing else is left in the folder."""
    path = tmp_path / "page"
    write_whole(path, b"one")
    with path.open("rb") as former:
        write_whole(path, b"two")
        assert b"one" == former.read()
    assert b"two" == path.read_bytes()
    assert [path] == list(tmp_path.iterdir())


def test_a_disk_that_is_full_leaves_what_was_there(tmp_path: Path) -> None:
    """And a line; /dev/full is what a full disk is like."""
    path = tmp_path / "page"
    path.write_text("one")
    (tmp_path / ".page.draft").symlink_to("/dev/full")
    with pytest.raises(CommandError) as full:
        write_whole(path, b"two")
    assert (f"{path} cannot be written: {os.strerror(errno.ENOSPC).lower()}",) == full.value.lines
    assert "one" == path.read_text()
    assert [path] == list(tmp_path.iterdir())


def test_what_is_in_the_way_is_left_alone(tmp_path: Path) -> None:
    """A folder of that name."""
    with pytest.raises(CommandError, match=r" cannot be written: is a directory$"):
        write_whole(tmp_path, b"two")
    assert tmp_path.is_dir()
