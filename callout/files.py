"""Reading small files safely, and noticing when one has changed.

Everything that the service is given as a file may change while it runs: keys are rotated, a policy is edited. In
Kubernetes a mounted Secret changes by the swap of a symbolic link above it, so inodes and times of the path itself
say little: contents are compared.

Rules kept here:
- No threads and no notifications: the caller polls. inotify does not see everything that a mount can do, and a second
  of delay is nothing beside the kubelet's minute.
- A file that cannot be read changes nothing: what was read last stays in force, and the fault is reported once.
- Reads are bounded, and only regular files are read: a pipe would wait for ever, a device never end.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterable
from pathlib import Path

POLL_S = 2.0
"""How often to look: the kubelet brings a changed Secret after a minute or so, an edit by hand should show at once."""

MAX_WATCHED_BYTES = 16 * 1024 * 1024
"""The largest file that is watched. A key set of a thousand keys has half a MiB."""


class FileWatch:
    """Tells which of a few files have changed. Make it before the files are read first, so that no change is missed.

    Args:
        paths: the files. One that does not exist yet counts as changed as soon as it can be read.
        report: called with a path and a reason when a file cannot be read; once until it can be read again.
    """

    def __init__(self, paths: Iterable[Path], report: Callable[[Path, str], None]) -> None:
        self._report = report
        self._unreadable: set[Path] = set()
        self._digests: dict[Path, bytes | None] = dict.fromkeys(paths)
        self.changed()

    def changed(self) -> set[Path]:
        """Return the files whose content is another than at the last call."""
        return {path for path in self._digests if self._look(path)}

    def _look(self, path: Path) -> bool:
        try:
            digest = hashlib.sha256(read_bounded(path, MAX_WATCHED_BYTES)).digest()
        except OSError as error:
            if path not in self._unreadable:
                self._unreadable.add(path)
                self._report(path, reason_of(error))
            return False
        self._unreadable.discard(path)
        before, self._digests[path] = self._digests[path], digest
        return digest != before


def read_bounded(path: Path, limit: int) -> bytes:
    """Read a regular file of at most `limit` bytes.

    Raises:
        OSError: it cannot be read, is no regular file, or is larger.
    """
    # O_NONBLOCK keeps the opening of a pipe from waiting for its writer; a regular file does not mind.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(errno.EINVAL, "not a regular file")
        with os.fdopen(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes")
    return content


def split_paths(text: str) -> tuple[Path, ...]:
    """Take a list of paths apart as kubectl does with KUBECONFIG: colons between, a leading `~` is the user's home.

    Raises:
        RuntimeError: there is a `~`, and this user has no home: in a container a user may be a mere number.
    """
    return tuple(Path(part).expanduser() for part in text.split(os.pathsep) if part)


def is_world_readable(path: Path) -> bool:
    """Tell whether every user of the machine may read the file, or list the folder."""
    return bool(path.stat().st_mode & stat.S_IROTH)


def is_world_writable(path: Path) -> bool:
    """Tell whether every user of the machine may write to the file, or put files into the folder.

    What Kubernetes mounts has such a mode (01777 for the folder of a ConfigMap), but is mounted to be read only.
    """
    return bool(path.stat().st_mode & stat.S_IWOTH) and not os.statvfs(path).f_flag & os.ST_RDONLY


def locate(path: Path) -> Path:
    """Return a path with its folder, for a message: what is relative would leave whoever reads it to guess."""
    try:
        return path.absolute()
    except OSError:  # this process' own folder is gone
        return path


def reason_of(error: OSError) -> str:
    """Say why in a few words, without the path, such as "no such file or directory"."""
    reason = error.strerror or "unknown reason"
    return reason[0].lower() + reason[1:]
