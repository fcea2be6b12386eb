"""The folder in shared memory that one running service has to itself: snapshot, metrics files, status pages.

Rules kept here:
- One service a folder: a lock that the kernel frees when its holder dies, however it dies.
- Mode 0700: what stands there decides who may log in. A folder of somebody else's is refused, for its owner could
  put another snapshot in the place of ours; root's is taken, for that is what Kubernetes mounts.
- A link is refused, too: in a place that all users share any of them can have made it, and what it leads to would be
  emptied.
- A folder that we made is removed at the end; one that was given (SNAPSHOT_DIR) is emptied of what is ours and kept.
- It is meant to be memory: on a disk every change of a ServiceAccount would be one of files. That works, and is said.
- What killed services of this user have left in shared memory is removed at the next start: it is memory.
"""

import contextlib
import errno
import os
import shutil
import stat
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.files import reason_of
from callout.leftovers import lock_folder, make_locked, remove_leftovers
from callout.mounts import IN_MEMORY, maybe_find_type

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # tmpfs on every Linux; the folder made in it is private
PREFIX: Final = "nats-k8s-oidc-callout-"
_MOUNTS: Final = Path("/proc/self/mounts")
_PARTS: Final = ("snapshot", "metrics", "status")


class Workspace:
    """The folder, locked and empty, for as long as the `with` block lasts.

    Args:
        given: the value of SNAPSHOT_DIR, or None for a fresh folder in shared memory.

    Raises:
        CommandError: the folder cannot be used, or another service uses it.
    """

    def __init__(self, given: Path | None) -> None:
        """Make, lock and empty the folder."""
        try:
            self._ours = given is None
            if given is None:
                remove_leftovers(SHARED_MEMORY, PREFIX)
                self.root, self._lock = make_locked(SHARED_MEMORY, PREFIX)
            else:
                self.root = given
                _make_unless_there(given)
                _check_owner(given)
                self._lock = lock_folder(given)
            for part in _PARTS:
                shutil.rmtree(self.root / part, ignore_errors=True)
                (self.root / part).mkdir(mode=0o700)
        except BlockingIOError:
            raise CommandError(
                f"SNAPSHOT_DIR: {given} is used by another running service; give each its own folder",
                exit_code=EXIT_WRONG_USAGE,
            ) from None
        except OSError as error:
            raise CommandError(
                f"SNAPSHOT_DIR: {given or SHARED_MEMORY} cannot be used: {reason_of(error)}; "
                "give a folder in memory (tmpfs) that this user may write to",
                exit_code=EXIT_WRONG_USAGE,
            ) from None

    @property
    def warnings(self) -> list[str]:
        """What is not as it should be with the folder, a line each."""
        return warn_of_disk(self.root)

    @property
    def snapshot(self) -> Path:
        """Where the snapshot is."""
        return self.root / "snapshot"

    @property
    def metrics(self) -> Path:
        """Where the workers' metrics files are."""
        return self.root / "metrics"

    @property
    def status(self) -> Path:
        """Where the workers' status pages are."""
        return self.root / "status"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for part in _PARTS:
            shutil.rmtree(self.root / part, ignore_errors=True)
        if self._ours:
            shutil.rmtree(self.root, ignore_errors=True)
        os.close(self._lock)


def warn_of_disk(folder: Path) -> list[str]:
    """Say that a folder, which need not be there yet, is or will be on a disk; nothing of one in memory."""
    try:
        kind = maybe_find_type(_MOUNTS.read_text(errors="replace"), folder.resolve())
    except OSError:  # nobody can tell
        return []
    if kind is None or kind in IN_MEMORY:
        return []
    remedy = "give a folder of a tmpfs: under /dev/shm, or in Kubernetes an emptyDir with medium: Memory"
    return [f"SNAPSHOT_DIR: {folder} is on a disk ({kind}), so logins may have to wait for it; {remedy}"]


def _make_unless_there(folder: Path) -> None:
    with contextlib.suppress(FileExistsError):  # whatever it is that is there
        folder.mkdir(mode=0o700)


def _check_owner(folder: Path) -> None:
    if folder.is_symlink():
        raise OSError(errno.ELOOP, "it is a link, which others may have made")
    # Opened as what it is now: a link that has taken its place since is none.
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        status = os.fstat(opened)
    finally:
        os.close(opened)
    if status.st_uid not in (os.geteuid(), 0):
        raise PermissionError(errno.EPERM, "it belongs to another user")
    if status.st_uid == os.geteuid() and status.st_mode & (stat.S_IWGRP | stat.S_IWOTH) and os.geteuid() != 0:
        raise PermissionError(errno.EPERM, "others may write to it; 'chmod go-w' puts it right")
