"""The folder on disk: made whole or not at all, and changed without overwriting what somebody edited.

Rules kept here:
- A new folder is written beside its place and renamed into it. One that is there already and empty, and may be a mount
  or somebody's current folder, is filled from a temporary folder inside it, the record last. Whatever fails, nothing of
  it is left behind.
- Changes to a folder are all written to a temporary folder inside it first; only renames follow.
- A file that is not as this command made it is left alone, and its new version is put beside it, as `NAME.new`.
- The folder is for its owner alone (0700): keys stand in it.
- One run at a time: two that replace a key at once would leave the seed of one and the record of the other.
"""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from callout.bootstrap import places
from callout.bootstrap.contents import File, Files
from callout.bootstrap.loading import MAX_BYTES
from callout.errors import EXIT_FAILED, EXIT_WRONG_USAGE, CommandError
from callout.files import read_bounded, reason_of
from callout.secret import Secret


def is_made(folder: Path) -> bool:
    """Tell whether a deployment is there already.

    Raises:
        CommandError: something else is there.
    """
    with _reported(folder):
        if (folder / places.RECORD).is_file():
            return True
        if folder.exists() or folder.is_symlink():
            if not folder.is_dir():
                raise _wrong(f"{folder} is no folder; give the path of a new one")
            if any(folder.iterdir()):
                raise _wrong(f"{folder} is not empty and was not made by this command; give the path of a new one")
    return False


def create(folder: Path, files: Files) -> None:
    """Make the folder, which is empty or not there; `CommandError` if that fails."""
    with _reported(folder):
        if folder.exists():
            _fill(folder, files)
            return
        folder.parent.mkdir(parents=True, exist_ok=True)
        draft = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))  # mode 0700
        try:
            _write_all(draft, files)
            draft.rename(folder)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Keep other runs out within the block; `CommandError` if one is under way."""
    with _reported(folder):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise _wrong(f"{folder} is in use by another run of this command; wait until that has ended") from None
        except OSError:
            pass  # a file system without locks: who keeps such a folder there has to take care himself
        yield
    finally:
        os.close(descriptor)


def find_exposed(folder: Path, files: Files) -> list[str]:
    """Return the private files that others than their owner may read, as after a copy that keeps no modes."""
    with _reported(folder):
        return [name for name, file in files.items() if file.private and (folder / name).stat().st_mode & 0o077]


def compare(folder: Path, files: Files) -> tuple[list[str], list[str]]:
    """Return the files that are missing, and those that are not as they should be."""
    missing, changed = [], []
    for name, file in files.items():
        found = _maybe_read(folder / name)
        if found is None:
            missing.append(name)
        elif found != file.text.reveal().encode():
            changed.append(name)
    return missing, changed


def find_holders(folder: Path, texts: Mapping[str, Secret]) -> list[str]:
    """Return the files that hold the text which stands beside their names, comments left out."""
    holders = []
    for name, text in texts.items():
        lines = (_maybe_read(folder / name) or b"").splitlines()
        if any(text.reveal().encode() in line for line in lines if not line.lstrip().startswith(b"#")):
            holders.append(name)
    return holders


def restore(folder: Path, files: Files) -> None:
    """Write files that are missing; `CommandError` if that fails."""
    if files:
        _put(folder, files)


def change(folder: Path, before: Files, after: Files) -> list[str]:
    """Bring the folder from one state to the other; return the files that were edited and have a new version beside.

    Files of `before` that are not in `after` are deleted. Missing ones are written again.

    Raises:
        CommandError: it cannot be written, or a file that is to be new is there already; nothing is changed then.
    """
    missing, outdated = compare(folder, after)
    outdated = [name for name in outdated if after[name] != before.get(name)]
    # The record was read as it stands, so whoever edited it sees the edits kept.
    edited = (set(compare(folder, before)[1]) & set(outdated)) - {places.RECORD}
    targets = {name + places.NEW if name in edited else name: after[name] for name in missing + outdated}
    for name in targets.keys() - before.keys():
        if os.path.lexists(folder / name):
            raise _wrong(f"{folder / name} is there already; see what it is for, and move it away")
    # Seeds, which are new files, come first, then the record: at no moment does it name a key that is not there.
    _put(folder, dict(sorted(targets.items(), key=lambda item: (item[0] in before, item[0] != places.RECORD))))
    with _reported(folder):
        for name in before.keys() - after.keys():
            (folder / name).unlink(missing_ok=True)
    return sorted(edited)


def _fill(folder: Path, files: Files) -> None:
    """Write all files into a folder that is empty, the record last; take away what was written if that fails."""
    mode = folder.stat().st_mode & 0o7777
    folder.chmod(0o700)
    with locked(folder):
        if any(folder.iterdir()):  # another run was faster
            raise _wrong(f"{folder} is no longer empty; give the path of a new one")
        try:
            _put(folder, dict(sorted(files.items(), key=lambda item: item[0] == places.RECORD)))
        except BaseException:
            for name in {name.partition("/")[0] for name in files}:
                _remove(folder / name)
            folder.chmod(mode)
            raise


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _put(folder: Path, files: Files) -> None:
    """Write files into the folder, in this order, once it is sure that all of them can be written."""
    with _reported(folder):
        draft = Path(tempfile.mkdtemp(prefix=".change.", dir=folder))
        try:
            _write_all(draft, files)
            for name in files:
                (folder / name).parent.mkdir(mode=0o700, exist_ok=True)
                (draft / name).rename(folder / name)
        finally:
            shutil.rmtree(draft, ignore_errors=True)


def _write_all(root: Path, files: Files) -> None:
    for name, file in files.items():
        path = root / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _write(path, file)


def _write(path: Path, file: File) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600 if file.private else 0o644)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(file.text.reveal().encode())
        stream.flush()
        os.fsync(stream.fileno())


def _maybe_read(path: Path) -> bytes | None:
    try:
        return read_bounded(path, MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _wrong(f"{path} cannot be read: {reason_of(error)}") from None


@contextmanager
def _reported(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CommandError(f"{folder} cannot be written: {reason_of(error)}", exit_code=EXIT_FAILED) from None


def _wrong(line: str) -> CommandError:
    return CommandError(line, exit_code=EXIT_WRONG_USAGE)
