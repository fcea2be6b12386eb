"""Private folders that several processes of a user make in one place, and what is left of those that were killed.

Rules kept here:
- A folder belongs to a process that lives as long as the lock on its file `lock` is held; the kernel frees the lock
  when its holder dies, however it dies.
- What is removed is ours beyond doubt: our user's, of our name, with a lock that nobody holds. In a place that all
  users share others can make folders and links of any name; neither are followed.
"""

import contextlib
import fcntl
import os
import shutil
import stat
import tempfile
from pathlib import Path
from typing import Final

LOCK: Final = "lock"


def make_locked(place: Path, prefix: str) -> tuple[Path, int]:
    """Make a private folder, and lock it for as long as the descriptor that comes with it is open.

    Raises:
        OSError: it cannot be made there.
    """
    made = Path(tempfile.mkdtemp(prefix=f".{prefix}", dir=place))
    lock = lock_folder(made)
    # Others, who look for what is left behind, see it only now that it is locked.
    return made.rename(made.with_name(made.name.removeprefix("."))), lock


def lock_folder(folder: Path) -> int:
    """Lock a folder of ours, and return the descriptor that holds the lock.

    Raises:
        BlockingIOError: a living process holds it.
        OSError: it cannot be locked.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    return _take(os.open(folder / LOCK, flags, 0o600))


def remove_leftovers(place: Path, prefix: str) -> None:
    """Remove the folders of this user's processes that are gone."""
    for folder in place.glob(f"{prefix}*"):
        with contextlib.suppress(OSError):
            status = folder.lstat()
            if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
                continue
            lock = _take(os.open(folder / LOCK, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW))
            try:
                shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _take(descriptor: int) -> int:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
