"""callout.leftovers: what a killed process leaves is removed, and nothing else is."""

import os
from pathlib import Path

import pytest

from callout.leftovers import LOCK, lock_folder, make_locked, remove_leftovers

PREFIX = "callout-test-"


def leave(place: Path) -> Path:
    """Make a folder with something in it, and let go of it as a process does that dies."""
    folder, lock = make_locked(place, PREFIX)
    (folder / "inside").mkdir()
    (folder / "inside" / "file").touch()
    os.close(lock)
    return folder


def test_a_folder_is_private_and_locked(tmp_path: Path) -> None:
    """Nobody else may look inside, and nobody can take it."""
    folder, lock = make_locked(tmp_path, PREFIX)
    assert (0o700, True) == (folder.stat().st_mode & 0o777, folder.name.startswith(PREFIX))
    assert [folder] == list(tmp_path.iterdir())
    with pytest.raises(BlockingIOError):
        lock_folder(folder)
    os.close(lock)
    os.close(lock_folder(folder))


def test_what_the_dead_have_left_is_removed(tmp_path: Path) -> None:
    """All that is in it, too; a folder whose lock is held stays."""
    left = leave(tmp_path)
    living, lock = make_locked(tmp_path, PREFIX)
    remove_leftovers(tmp_path, PREFIX)
    assert (False, True) == (left.exists(), living.exists())
    os.close(lock)


@pytest.mark.parametrize("kind", ["no lock", "a lock that is a link", "another name", "a link", "a file"])
def test_what_is_not_ours_beyond_doubt_stays(tmp_path: Path, kind: str) -> None:
    """In a folder of all users anybody may make anything under our name."""
    place, other = tmp_path / "place", tmp_path / "other"
    place.mkdir()
    other.mkdir()
    found = place / (f"{PREFIX}x" if kind != "another name" else "callout-other-x")
    if kind == "a link":
        (other / LOCK).touch()
        found.symlink_to(other)
    elif kind == "a file":
        found.touch()
    else:
        found.mkdir()
        if kind == "a lock that is a link":
            (other / LOCK).touch()
            (found / LOCK).symlink_to(other / LOCK)
        elif kind == "another name":
            (found / LOCK).touch()
    remove_leftovers(place, PREFIX)
    assert (True, True) == (found.exists(), other.exists())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make a folder another user's")
def test_what_is_another_users_stays(tmp_path: Path) -> None:
    """Even where we could remove it."""
    left = leave(tmp_path)
    os.chown(left, 54321, 54321)
    remove_leftovers(tmp_path, PREFIX)
    assert left.exists()


def test_a_place_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    """And that is no error here."""
    remove_leftovers(tmp_path / "nowhere", PREFIX)
