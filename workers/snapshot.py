"""The snapshot: what the workers know, in shared memory; both ends of it, writer and reader.

It is an LMDB environment in a directory on tmpfs: one writer (the supervisor), any number of readers that never wait
for it, each transaction atomic. A reader sees a change as soon as the transaction has committed.

Layout (version `LAYOUT_VERSION`):

    database          key                          value
    serviceaccounts   <namespace>/<name>           <uid> NUL <account> NUL <permissions, rendered>
    meta              layout, generation, keys,    decimal numbers as text
                      fresh
    meta              jwks                         the JWK Set, JSON (RFC 7517)
    meta              issuers, audiences           JSON lists of strings
    meta              ready                        present once the first list and the first key set are in

Rules kept here:
- A reader never keeps a transaction open while it waits for anything: a `View` lives for one decision.
- A reader that meets another layout version stops with `LayoutMismatchError`; it does not guess.
- When memory runs out the transaction fails as a whole, and the last snapshot stays as it was.
- The file is ours alone: mapped read-only by readers, written without `writemap`, in a directory of mode 0700.
"""

import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import lmdb
import msgspec

from workers.record import Record, pack, unpack

LAYOUT_VERSION: Final = 1
MAP_SIZE: Final = 16 << 30  # bytes of address space, not of memory: a million ServiceAccounts take about 600 MB
MAX_READERS: Final = 512  # slots; a worker takes one, a killed one's slot is freed by `SnapshotWriter.reap_readers`
# Bytes: a cache line for each slot, and a page for what stands before them (LMDB's mdb.c, MDB_reader and MDB_txninfo).
_READER_TABLE_SIZE: Final = 64 * MAX_READERS + 4096
_DATABASES: Final = 2
_BLOCK: Final = 512  # bytes: what st_blocks counts in, whatever the file system's own are (stat(2))
_SERVICE_ACCOUNTS: Final = b"serviceaccounts"
_META: Final = b"meta"


class LayoutMismatchError(Exception):
    """The snapshot was written by another version of this program."""


class SnapshotFullError(Exception):
    """The memory behind the snapshot is used up; what was there before still stands."""


class SnapshotStats(msgspec.Struct, frozen=True):
    """How big the snapshot is.

    Attributes:
        entries: ServiceAccounts.
        used_bytes: memory in use.
        limit_bytes: memory that it may come to use: what its file has, and what its file system has left.
        generation: number of its last change.
    """

    entries: int
    used_bytes: int
    limit_bytes: int
    generation: int


class Transaction:
    """Changes that become visible together, or not at all."""

    def __init__(self, txn: Any, service_accounts: Any, meta: Any) -> None:
        """Wrap an open write transaction."""
        self._txn = txn
        self._service_accounts = service_accounts
        self._meta = meta
        self.changed = False

    def put(self, namespace: str, name: str, record: Record) -> None:
        """Write a ServiceAccount, in place of one of the same name if there is one."""
        self._txn.put(_key(namespace, name), pack(record), db=self._service_accounts)
        self.changed = True

    def look_up(self, namespace: str, name: str) -> Record | None:
        """Return the record of a ServiceAccount as this transaction has left it, or None if there is none."""
        return unpack(self._txn.get(_key(namespace, name), db=self._service_accounts))

    def delete(self, namespace: str, name: str) -> bool:
        """Remove a ServiceAccount; tell whether it was there."""
        deleted: bool = self._txn.delete(_key(namespace, name), db=self._service_accounts)
        self.changed |= deleted
        return deleted

    def set_trust(self, jwks: bytes, issuers: Collection[str], audiences: Collection[str]) -> None:
        """Put another key set in force, and whose and what tokens it is for.

        Readers tell by `View.keyset_version` that something changed.
        """
        self._txn.put(b"jwks", jwks, db=self._meta)
        self._txn.put(b"issuers", msgspec.json.encode(sorted(issuers)), db=self._meta)
        self._txn.put(b"audiences", msgspec.json.encode(sorted(audiences)), db=self._meta)
        self._count(b"keys")
        self.changed = True

    def set_fresh_at(self, unix_seconds: float) -> None:
        """Note when the source last confirmed this picture. Not a change: the generation stays."""
        self._txn.put(b"fresh", b"%.3f" % unix_seconds, db=self._meta)

    def set_ready(self) -> None:
        """Let workers begin: the first list and the first key set are in."""
        self._txn.put(b"ready", b"1", db=self._meta)
        self.changed = True

    def count_generation(self) -> None:
        """Number the change; done by the writer at the end of a transaction that changed something."""
        self._count(b"generation")

    def _count(self, key: bytes) -> None:
        self._txn.put(key, b"%d" % (_number(self._txn.get(key, db=self._meta)) + 1), db=self._meta)


class SnapshotWriter:
    """The supervisor's end. There is one for a directory at a time; the supervisor's lock file sees to that.

    Args:
        directory: on tmpfs, and ours alone. What an earlier process left there is removed.
        map_size: bytes that the snapshot may grow to.

    Raises:
        OSError: the directory cannot be written.
    """

    def __init__(self, directory: Path, map_size: int = MAP_SIZE) -> None:
        """Create an empty snapshot."""
        for name in ("data.mdb", "lock.mdb"):
            (directory / name).unlink(missing_ok=True)
        # The table of readers is mapped for writing. LMDB would leave it full of holes, and a hole is a bus error in
        # whoever touches it when memory has run out: so it is filled here, where there is an error to be had instead.
        readers = directory / "lock.mdb"
        readers.touch(mode=0o600)
        readers.write_bytes(bytes(_READER_TABLE_SIZE))
        try:
            # No sync: on tmpfs there is no disk, and after a crash of the machine nothing of this is worth having.
            self._env = lmdb.open(
                str(directory),
                map_size=map_size,
                max_dbs=_DATABASES,
                max_readers=MAX_READERS,
                create=False,
                mode=0o600,
                sync=False,
                metasync=False,
            )
            self._service_accounts = self._env.open_db(_SERVICE_ACCOUNTS)
            self._meta = self._env.open_db(_META)
            self._file = directory / "data.mdb"
            with self._env.begin(write=True) as txn:
                txn.put(b"layout", b"%d" % LAYOUT_VERSION, db=self._meta)
        except lmdb.Error as error:
            raise OSError(f"no snapshot can be kept in {directory}: {error}") from error

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Open a transaction that commits at the end of the block, or changes nothing if the block raises.

        Raises:
            SnapshotFullError: memory ran out; nothing was changed.
        """
        try:
            with self._env.begin(write=True) as txn:
                transaction = Transaction(txn, self._service_accounts, self._meta)
                yield transaction
                if transaction.changed:
                    transaction.count_generation()
        except lmdb.Error as error:
            # A full map, a full file system, or EIO where that took just a part of a page: it is all the same.
            raise SnapshotFullError(
                f"the snapshot could not be written; give its directory more memory ({error})"
            ) from error

    def identities(self, after: tuple[str, str] | None = None) -> Iterator[tuple[str, str]]:
        """Iterate over all (namespace, name) in their order, or those after one. Do not write meanwhile."""
        with self._env.begin() as txn, txn.cursor(db=self._service_accounts) as cursor:
            if after is not None and not cursor.set_range(_key(*after) + b"\0"):
                return
            for key in cursor.iternext(keys=True, values=False):
                namespace, _, name = key.decode().partition("/")
                yield namespace, name

    def stats(self) -> SnapshotStats:
        """Measure the snapshot."""
        with self._env.begin() as txn:
            entries = txn.stat(self._service_accounts)["entries"]
            generation = _number(txn.get(b"generation", db=self._meta))
        info = self._env.info()
        used_bytes = (info["last_pgno"] + 1) * self._env.stat()["psize"]
        return SnapshotStats(entries, used_bytes, min(info["map_size"], self._find_room(info["map_size"])), generation)

    def _find_room(self, map_size: int) -> int:
        """Return how much memory there is for it, or how much is mapped if somebody has removed its file.

        Whoever has that open goes on with it; only a worker that starts afterwards finds none, and says so.
        """
        try:
            return self._file.stat().st_blocks * _BLOCK + shutil.disk_usage(self._file).free
        except OSError:
            return map_size

    def reap_readers(self) -> int:
        """Free the slots of workers that were killed; return how many there were."""
        freed: int = self._env.reader_check()
        return freed

    def close(self) -> None:
        """Close the environment."""
        self._env.close()


class View:
    """One consistent look at the snapshot. It lives for one decision."""

    __slots__ = ("_meta", "_service_accounts", "_txn")

    def __init__(self, txn: Any, service_accounts: Any, meta: Any) -> None:
        """Wrap an open read transaction."""
        self._txn = txn
        self._service_accounts = service_accounts
        self._meta = meta

    def look_up(self, namespace: str, name: str) -> Record | None:
        """Return the record of a ServiceAccount, or None if there is none."""
        return unpack(self._txn.get(_key(namespace, name), db=self._service_accounts))

    @property
    def keyset_version(self) -> int:
        """The number of the key set in force; 0 as long as there is none."""
        return _number(self._txn.get(b"keys", db=self._meta))

    @property
    def jwks(self) -> bytes:
        """The key set in force: a JWK Set, JSON; empty as long as there is none."""
        document: bytes = self._txn.get(b"jwks", b"", db=self._meta)
        return document

    @property
    def issuers(self) -> frozenset[str]:
        """Whose tokens are believed."""
        return self._strings(b"issuers")

    @property
    def audiences(self) -> frozenset[str]:
        """What tokens have to be meant for."""
        return self._strings(b"audiences")

    @property
    def ready(self) -> bool:
        """Whether the first list and the first key set are in."""
        return self._txn.get(b"ready", db=self._meta) is not None

    def _strings(self, key: bytes) -> frozenset[str]:
        return msgspec.json.decode(self._txn.get(key, b"[]", db=self._meta), type=frozenset[str])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._txn.abort()


class SnapshotReader:
    """A worker's end; never writes.

    Args:
        directory: the writer's.

    Raises:
        LayoutMismatchError: another version of this program wrote the snapshot.
        OSError: there is no snapshot there.
    """

    def __init__(self, directory: Path) -> None:
        """Open the snapshot and check its layout."""
        try:
            self._env = lmdb.open(
                str(directory),
                map_size=MAP_SIZE,
                max_dbs=_DATABASES,
                max_readers=MAX_READERS,
                readonly=True,
                create=False,
            )
            self._service_accounts = self._env.open_db(_SERVICE_ACCOUNTS, create=False)
            self._meta = self._env.open_db(_META, create=False)
        except lmdb.Error as error:
            raise OSError(f"no snapshot in {directory}: {error}") from error
        with self._env.begin() as txn:
            found = _number(txn.get(b"layout", db=self._meta))
        if found != LAYOUT_VERSION:
            raise LayoutMismatchError(f"the snapshot has layout {found}, this worker knows {LAYOUT_VERSION}")

    def view(self) -> View:
        """Take a look; close it before waiting for anything."""
        return View(self._env.begin(), self._service_accounts, self._meta)

    def close(self) -> None:
        """Close the environment and free the reader's slot."""
        self._env.close()


def _key(namespace: str, name: str) -> bytes:
    # A namespace holds no slash, so no two identities share a key; at most 63 + 1 + 253 bytes, LMDB takes 511.
    return f"{namespace}/{name}".encode()


def _number(value: bytes | None) -> int:
    return int(value or 0)
