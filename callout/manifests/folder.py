"""ServiceAccounts from a file or a folder of plain Kubernetes YAML, for a service without an API server.

Rules kept here:
- The last good picture is kept: while a file cannot be read, or not as a whole, what it held before still counts; a
  file that is gone takes its ServiceAccounts with it; a folder that is gone takes nothing.
- A look costs a `stat` per file as long as nothing changed. Links are followed, so the swap of `..data` by which the
  kubelet changes a mounted ConfigMap shows as other inodes; its own hidden files are not read.
- Of two ServiceAccounts of one name the first counts, in the order of the files' names.
- Where one namespace is asked for, the others are passed over, as by an API server.
- No threads and no clock: the caller polls, and delivers the result as a full list.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from callout.files import read_bounded, reason_of
from callout.manifests.manifest import Manifest, read_manifest, shorten
from callout.printable import make_printable
from callout.serviceaccounts import ServiceAccount

MAX_FILE_SIZE: Final = 4 << 20  # bytes: about 25,000 ServiceAccounts, read in 2 s; a ConfigMap holds a quarter of it
MAX_FILES: Final = 256
MAX_NAMED: Final = 5  # ServiceAccounts in a line of the log
SUFFIXES: Final = (".yaml", ".yml")
WHAT_TO_GIVE: Final = "give the path of a YAML file or of a folder of them, which this user may read"

# What tells one content from another: device, inode, size, and both times in ns. The change time sees what the other
# misses: a `chmod`, and a copy that keeps the modification time. In place of them, why there is none.
_Signature = tuple[int, ...] | str


class FolderState(msgspec.Struct, frozen=True):
    """All ServiceAccounts that count now, and all that is wrong now, each a line that names its file.

    `is_readable` tells whether the folder itself could be read; if not, the ServiceAccounts are those of before.
    """

    service_accounts: tuple[ServiceAccount, ...]
    problems: tuple[str, ...]
    is_readable: bool = True


class _Survey(msgspec.Struct, frozen=True):
    """What there is to read: by the file's name its path and signature; and what is wrong with the folder itself."""

    files: dict[str, tuple[Path, _Signature]] = {}
    problem: str = ""
    is_readable: bool = True


class _Kept(msgspec.Struct, frozen=True):
    """What was read of a file, and when it was what it was."""

    signature: _Signature
    manifest: Manifest


class Folder:
    """Watches a file, or the `*.yaml` and `*.yml` of a folder (not of folders in it).

    Args:
        path: the file or the folder.
        prefix: what the annotations begin with that are kept.
        namespace: whose ServiceAccounts count; empty for those of all.
    """

    def __init__(self, path: Path, prefix: str, namespace: str = "") -> None:
        self._path = path
        self._prefix = prefix
        self._namespace = namespace
        self._survey: _Survey | None = None
        self._kept: dict[str, _Kept] = {}

    def poll(self) -> FolderState | None:
        """Look; return the whole picture if anything changed since the last look, otherwise None. Never raises.

        The first look always returns one. It may take seconds for large files: call it beside the event loop.
        """
        survey = _survey(self._path)
        if survey == self._survey:
            return None
        self._survey = survey
        if survey.is_readable:
            self._kept = {name: self._refresh(name, *found) for name, found in survey.files.items()}
        return self._merge(survey)

    def _refresh(self, name: str, path: Path, signature: _Signature) -> _Kept:
        before = self._kept.get(name)
        if before is not None and before.signature == signature:
            return before
        manifest = _select(_read(path, self._prefix), self._namespace)
        if not manifest.is_whole and before is not None:
            manifest = _retain(manifest, before.manifest)
        return _Kept(signature, manifest)

    def _merge(self, survey: _Survey) -> FolderState:
        owners: dict[tuple[str, str], str] = {}
        service_accounts = []
        problems = [survey.problem] if survey.problem else []
        for name, kept in self._kept.items():
            problems += (f"{name}: {line}" for line in kept.manifest.problems)
            for found in kept.manifest.service_accounts:
                identity = found.namespace, found.name
                if identity in owners:
                    problems.append(f"{name}: ServiceAccount {'/'.join(identity)} stands in {owners[identity]} already")
                else:
                    owners[identity] = name
                    service_accounts.append(found)
        lines = shorten([make_printable(line) for line in problems])
        return FolderState(tuple(service_accounts), lines, survey.is_readable)


def read_folder(path: Path, prefix: str, namespace: str = "") -> tuple[list[ServiceAccount], list[str]]:
    """Read a file or a folder once: its ServiceAccounts, and lines about what is wrong with it."""
    state = Folder(path, prefix, namespace).poll()
    return (list(state.service_accounts), list(state.problems)) if state else ([], [])


def _survey(path: Path) -> _Survey:
    try:
        names = _list(path)
        if names is None:
            return _Survey({path.name: (path, _sign(path.stat()))})
    except OSError as error:
        return _Survey(problem=f"{path}: {reason_of(error)}; {WHAT_TO_GIVE}", is_readable=False)
    files = {name: (path / name, signature) for name in names[:MAX_FILES] if (signature := _maybe_sign(path / name))}
    return _Survey(files, f"{path}: only the first {MAX_FILES} files are read" if len(names) > MAX_FILES else "")


def _list(path: Path) -> list[str] | None:
    """Return the names of the files to read, or None if the path is itself a file."""
    try:
        return sorted(file.name for file in path.iterdir() if file.suffix in SUFFIXES and not file.name.startswith("."))
    except NotADirectoryError:
        return None


def _maybe_sign(path: Path) -> _Signature | None:
    """Sign a listed file; None if it has vanished since, or is a link to nothing."""
    try:
        return _sign(path.stat())
    except FileNotFoundError:
        return None
    except OSError as error:
        return reason_of(error)


def _sign(status: os.stat_result) -> _Signature:
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _read(path: Path, prefix: str) -> Manifest:
    try:
        content = read_bounded(path, MAX_FILE_SIZE)
        text = content.decode("utf-8-sig")
    except OSError as error:
        return Manifest(problems=(f"cannot be read: {reason_of(error)}",), is_whole=False)
    except UnicodeDecodeError:
        return Manifest(problems=("is no UTF-8 text",), is_whole=False)
    if not text:
        # An editor that writes a file anew empties it first; for a moment that is all there is to see.
        return Manifest(problems=("is empty; to mean nothing, remove it or leave a comment in it",), is_whole=False)
    return read_manifest(text, prefix)


def _select(manifest: Manifest, namespace: str) -> Manifest:
    """Leave the ServiceAccounts of other namespaces out, if one is asked for."""
    if not namespace:
        return manifest
    kept = tuple(found for found in manifest.service_accounts if found.namespace == namespace)
    return msgspec.structs.replace(manifest, service_accounts=kept)


def _retain(now: Manifest, before: Manifest) -> Manifest:
    """Add to what can be read now what could be read before and may only have become unreadable."""
    seen = {(found.namespace, found.name) for found in now.service_accounts}
    kept = [found for found in before.service_accounts if (found.namespace, found.name) not in seen]
    named = [f"{found.namespace}/{found.name}" for found in kept[:MAX_NAMED]]
    more = [f"and {len(kept) - MAX_NAMED} more"] if len(kept) > MAX_NAMED else []
    note = f"ServiceAccounts of its earlier content that still count: {', '.join([*named, *more])}"
    return Manifest((*now.service_accounts, *kept), (*now.problems, note) if kept else now.problems, is_whole=False)
