"""The snapshot: one writer, readers in processes of their own, real files; and what happens when memory runs out.

LMDB may be opened once in a process, so whatever needs both ends at a time has its reader in a child.
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.snapshots import look_up
from workers import snapshot
from workers.record import Record
from workers.snapshot import (
    LAYOUT_VERSION,
    LayoutMismatchError,
    SnapshotFullError,
    SnapshotReader,
    SnapshotStats,
    SnapshotWriter,
)

DEADLINE = 20.0  # seconds until a child has to have done what it was told
RECORD = Record("uid-1", "APP", b'"pub":{"allow":["a.>"]}')

# A child that does what the lines of its input say and answers each with a line. `hold` opens a view and keeps it.
READER = """
import json, sys
from pathlib import Path
from workers.snapshot import SnapshotReader

reader = SnapshotReader(Path(sys.argv[1]))
held = None
print("open", flush=True)
for line in sys.stdin:
    command, *names = json.loads(line)
    answer = None
    if command == "hold":
        held = reader.view()
    elif command == "release":
        held.__exit__()
        held = None
    elif command == "look":
        with reader.view() as view:
            record = view.look_up(*names)
            answer = record and [record.uid, record.account, record.permissions.decode()]
    elif command == "look held":
        record = held.look_up(*names)
        answer = record and record.uid
    elif command == "compare":
        uids = set()
        torn = 0
        while len(uids) < names[0]:
            with reader.view() as view:
                a, b = view.look_up("shop", "a"), view.look_up("shop", "b")
                torn += a.uid != b.uid or a.account != a.uid
                uids.add(a.uid)
        answer = torn
    print(json.dumps(answer), flush=True)
"""


class Child:
    """A reader in another process."""

    def __init__(self, directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", READER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.read() == "open"

    def read(self) -> str:
        """Wait for a line."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def tell(self, command: str, *names: object) -> None:
        """Send a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps([command, *names]) + "\n")
        self.process.stdin.flush()

    def ask(self, command: str, *names: object) -> Any:
        """Send a command and return what it brings."""
        self.tell(command, *names)
        return json.loads(self.read())


@contextmanager
def child(directory: Path) -> Iterator[Child]:
    """A reader that ends with the block."""
    made = Child(directory)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.communicate()


@contextmanager
def writing(directory: Path, **options: Any) -> Iterator[SnapshotWriter]:
    """A writer that is closed with the block."""
    writer = SnapshotWriter(directory, **options)
    try:
        yield writer
    finally:
        writer.close()


@contextmanager
def reading(directory: Path) -> Iterator[SnapshotReader]:
    """A reader in this process, where no writer may be open."""
    reader = SnapshotReader(directory)
    try:
        yield reader
    finally:
        reader.close()


def fill(writer: SnapshotWriter, *names: str, record: Record = RECORD) -> None:
    """Put ServiceAccounts of the namespace `shop`, in one transaction."""
    with writer.transaction() as transaction:
        for name in names:
            transaction.put("shop", name, record)


# --- what is written is what is read ---------------------------------------------------------------------------------

plain = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
namespaces = st.text("abz019-", min_size=1, max_size=10)
names = st.text("abz019-.", min_size=1, max_size=30)
records = st.builds(Record, uid=plain, account=plain, permissions=st.binary(max_size=300))
changes = st.lists(st.tuples(namespaces, names, st.none() | records), max_size=8)


@settings(max_examples=100, deadline=None)
@given(transactions=st.lists(changes, max_size=5))
def test_both_ends_see_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, transactions: list[list[tuple[str, str, Record | None]]]
) -> None:
    """A dictionary is the oracle: for the writer within and after each transaction, and for a reader at the end."""
    directory = tmp_path_factory.mktemp("snapshot")
    expected: dict[tuple[str, str], Record] = {}
    generation = 0
    with writing(directory) as writer:
        for wanted in transactions:
            before = dict(expected)
            written = False
            with writer.transaction() as transaction:
                for namespace, name, record in wanted:
                    if record is None:
                        assert ((namespace, name) in expected) is transaction.delete(namespace, name)
                        written |= expected.pop((namespace, name), None) is not None
                    else:
                        transaction.put(namespace, name, record)
                        expected[namespace, name] = record
                        written = True
                    assert expected.get((namespace, name)) == transaction.look_up(namespace, name)
                assert before == {identity: look_up(writer, *identity) for identity in writer.identities()}
            generation += written
            assert expected == {identity: look_up(writer, *identity) for identity in writer.identities()}
            stats = writer.stats()
            assert (len(expected), generation) == (stats.entries, stats.generation)
    with reading(directory) as reader, reader.view() as view:
        assert expected == {identity: view.look_up(*identity) for identity in expected}
        assert view.look_up("absent", "absent") is None


@pytest.mark.parametrize(("namespace", "name"), [("a", "b.c"), ("a.b", "c"), ("a", "b/c"), ("a" * 63, "b" * 253)])
def test_no_two_identities_share_a_place(tmp_path: Path, namespace: str, name: str) -> None:
    """Dots and slashes of a name, and the longest names that there can be."""
    with writing(tmp_path) as writer:
        fill(writer, "x")
        with writer.transaction() as transaction:
            transaction.put(namespace, name, RECORD)
        assert {("shop", "x"), (namespace, name)} == set(writer.identities())
        assert RECORD == look_up(writer, namespace, name)
        assert look_up(writer, name, namespace) is None


def test_identities_come_in_order(tmp_path: Path) -> None:
    """As the sink of a list compares them."""
    with writing(tmp_path) as writer:
        fill(writer, "b", "a", "c")
        assert [("shop", "a"), ("shop", "b"), ("shop", "c")] == list(writer.identities())


def test_identities_can_be_had_in_parts(tmp_path: Path) -> None:
    """Those after one, whether it is there or not; after the last there are none."""
    with writing(tmp_path) as writer:
        fill(writer, "a", "a.b", "c")
        parts = {name: [found for _, found in writer.identities(("shop", name))] for name in ("a", "b", "c", "d")}
    assert {"a": ["a.b", "c"], "b": ["c"], "c": [], "d": []} == parts


def test_a_name_longer_than_any_key_is_just_unknown(tmp_path: Path) -> None:
    """Whatever an issuer has signed: a lookup says None, it does not raise."""
    with writing(tmp_path) as writer:
        assert look_up(writer, "n" * 3000, "n" * 1000) is None
    with reading(tmp_path) as reader, reader.view() as view:
        assert view.look_up("n" * 3000, "é\0" * 1000) is None


# --- trust, freshness, readiness -------------------------------------------------------------------------------------


def test_an_empty_snapshot_trusts_nobody_and_is_not_ready(tmp_path: Path) -> None:
    """What a worker finds that was quicker than the first list."""
    with writing(tmp_path) as writer:
        assert (0, 0) == (writer.stats().entries, writer.stats().generation)
    with reading(tmp_path) as reader, reader.view() as view:
        found = (view.keyset_version, view.jwks, view.issuers, view.audiences, view.ready)
    assert (0, b"", frozenset(), frozenset(), False) == found


def test_a_key_set_comes_with_whom_it_is_for(tmp_path: Path) -> None:
    """Each change has a number of its own, so that readers parse a key set once."""
    with writing(tmp_path) as writer:
        for jwks in (b'{"keys":[1]}', b'{"keys":[2]}'):
            with writer.transaction() as transaction:
                transaction.set_trust(jwks, ["https://a", "https://é"], {"nats", 'q"'})
        with writer.transaction() as transaction:
            transaction.set_ready()
        fill(writer, "a")
        expected = SnapshotStats(entries=1, used_bytes=writer.stats().used_bytes, generation=4)
        assert expected == writer.stats()
        assert expected.used_bytes > 0
    with reading(tmp_path) as reader, reader.view() as view:
        assert (2, b'{"keys":[2]}', True) == (view.keyset_version, view.jwks, view.ready)
        assert (frozenset({"https://a", "https://é"}), frozenset({"nats", 'q"'})) == (view.issuers, view.audiences)


def test_freshness_is_no_change(tmp_path: Path) -> None:
    """Neither is a transaction that writes nothing, or that removes what is not there."""
    with writing(tmp_path) as writer:
        fill(writer, "a")
        for moment in (1_800_000_000.25, 1_800_000_001):
            with writer.transaction() as transaction:
                transaction.set_fresh_at(moment)
        with writer.transaction() as transaction:
            assert not transaction.delete("shop", "absent")
        assert writer.stats().generation == 1
    with lmdb.open(str(tmp_path), max_dbs=2) as env, env.begin() as txn:
        assert txn.get(b"fresh", db=env.open_db(b"meta", txn)) == b"1800000001.000"


# --- transactions ----------------------------------------------------------------------------------------------------


class BrokenError(Exception):
    """Something goes wrong in the middle of a transaction."""


def write_and_break(writer: SnapshotWriter) -> None:
    """Change everything that there is, and raise before the end."""
    with writer.transaction() as transaction:
        transaction.put("shop", "c", RECORD)
        transaction.delete("shop", "a")
        transaction.set_trust(b"{}", ["i"], ["a"])
        transaction.set_ready()
        raise BrokenError


def test_a_transaction_that_raises_changes_nothing(tmp_path: Path) -> None:
    """Neither records nor keys nor numbers; and the next one works."""
    with writing(tmp_path) as writer:
        fill(writer, "a", "b")
        before = (writer.stats().generation, list(writer.identities()))
        with pytest.raises(BrokenError):
            write_and_break(writer)
        assert before == (writer.stats().generation, list(writer.identities()))
        fill(writer, "c")
        assert (3, 2) == (writer.stats().entries, writer.stats().generation)
    with reading(tmp_path) as reader, reader.view() as view:
        assert (0, False) == (view.keyset_version, view.ready)


def test_a_reader_sees_a_change_when_it_is_committed_and_not_before(tmp_path: Path) -> None:
    """From the next view on; a view that is open already stays as it was."""
    with writing(tmp_path) as writer, child(tmp_path) as reader:
        fill(writer, "a")
        reader.ask("hold")
        with writer.transaction() as transaction:
            transaction.put("shop", "a", Record("uid-2", "é", b"{}"))
            transaction.put("shop", "b", RECORD)
            assert ["uid-1", "APP", RECORD.permissions.decode()] == reader.ask("look", "shop", "a")
            assert reader.ask("look", "shop", "b") is None
        assert ["uid-2", "é", "{}"] == reader.ask("look", "shop", "a")
        assert ("uid-1", None) == (reader.ask("look held", "shop", "a"), reader.ask("look held", "shop", "b"))
        reader.ask("release")
        with writer.transaction() as transaction:
            transaction.delete("shop", "a")
        assert reader.ask("look", "shop", "a") is None


def test_a_reader_never_sees_half_a_transaction(tmp_path: Path) -> None:
    """Two records that are always written together are always alike, while the writer goes as fast as it can."""
    with writing(tmp_path) as writer, child(tmp_path) as reader:
        fill(writer, "a", "b", record=Record("0", "0", b""))
        reader.tell("compare", 50)
        deadline = time.monotonic() + DEADLINE
        number = 0
        assert reader.process.stdout is not None
        while not select.select([reader.process.stdout], [], [], 0)[0]:
            assert time.monotonic() < deadline, "the reader has not seen 50 changes"
            number += 1
            fill(writer, "a", "b", record=Record(str(number), str(number), b"x" * (number % 3000)))
        assert reader.read() == "0"


# --- readers ---------------------------------------------------------------------------------------------------------


def test_a_killed_readers_slot_is_reaped(tmp_path: Path) -> None:
    """Its view would otherwise keep every old page from being used again."""
    with writing(tmp_path) as writer:
        fill(writer, "a")
        with child(tmp_path) as living, child(tmp_path) as killed:
            killed.ask("hold")
            living.ask("hold")
            assert writer.reap_readers() == 0
            killed.process.kill()
            killed.process.wait(DEADLINE)
            assert writer.reap_readers() == 1
            assert writer.reap_readers() == 0
            assert living.ask("look held", "shop", "a") == "uid-1"


def test_a_new_writer_begins_with_nothing(tmp_path: Path) -> None:
    """What an earlier process left is removed; whoever still reads that goes on seeing it."""
    with writing(tmp_path) as writer:
        fill(writer, "old")
    with child(tmp_path) as early:
        with writing(tmp_path) as writer, child(tmp_path) as late:
            assert [] == list(writer.identities())
            fill(writer, "new")
            assert (None, "uid-1") == (late.ask("look", "shop", "old"), late.ask("look", "shop", "new")[0])
        assert ("uid-1", None) == (early.ask("look", "shop", "old")[0], early.ask("look", "shop", "new"))


def test_another_layout_is_not_guessed_at(tmp_path: Path) -> None:
    """The reader says both versions and opens nothing."""
    with writing(tmp_path):
        pass
    for found in (LAYOUT_VERSION + 1, 0, None):
        with lmdb.open(str(tmp_path), max_dbs=2) as env, env.begin(write=True) as txn:
            meta = env.open_db(b"meta", txn)
            if found is None:
                txn.delete(b"layout", db=meta)
            else:
                txn.put(b"layout", b"%d" % found, db=meta)
        with pytest.raises(LayoutMismatchError, match=f"layout {found or 0}, this worker knows {LAYOUT_VERSION}"):
            SnapshotReader(tmp_path)


@pytest.mark.parametrize("kind", ["absent", "empty", "file", "garbage", "foreign"])
def test_where_there_is_no_snapshot_a_reader_says_so(tmp_path: Path, kind: str) -> None:
    """The one error names the folder."""
    directory = tmp_path / "snapshot"
    if kind == "file":
        directory.write_text("x")
    elif kind != "absent":
        directory.mkdir()
    if kind == "garbage":
        (directory / "data.mdb").write_bytes(b"x" * 100_000)
    if kind == "foreign":
        lmdb.open(str(directory)).close()
    with pytest.raises(OSError, match="snapshot"):
        SnapshotReader(directory)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """It maps the file read-only."""
    with writing(tmp_path):
        pass
    with reading(tmp_path) as reader, pytest.raises(lmdb.ReadonlyError):
        reader._env.begin(write=True)


# --- no room ---------------------------------------------------------------------------------------------------------


def test_a_full_map_leaves_the_last_snapshot(tmp_path: Path) -> None:
    """For both ends; and there is room again once something was removed."""
    with writing(tmp_path, map_size=1 << 18) as writer, child(tmp_path) as reader:
        fill(writer, "first")
        kept = 1

        def fill_up() -> None:
            nonlocal kept
            for batch in range(1000):
                fill(writer, *(f"{batch}-{number}" for number in range(20)), record=Record("u", "A", b"x" * 500))
                kept += 20

        with pytest.raises(SnapshotFullError, match="more memory"):
            fill_up()
        assert (kept, kept // 20 + 1) == (writer.stats().entries, writer.stats().generation)
        assert kept == len(list(writer.identities()))
        assert ["uid-1", "APP", RECORD.permissions.decode()] == reader.ask("look", "shop", "first")
        last = f"{kept // 20}-0"
        assert reader.ask("look", "shop", last) is None
        with writer.transaction() as transaction:
            for number in range(20):
                transaction.delete("shop", f"0-{number}")
        fill(writer, "later")
        assert reader.ask("look", "shop", "later")[0] == "uid-1"


# A limit on the size of files is to LMDB as a full file system: a write is cut short, the next one fails.
FULL = """
import json, resource, sys
from pathlib import Path
from workers.record import Record
from workers.snapshot import SnapshotFullError, SnapshotReader, SnapshotWriter

directory, limit = Path(sys.argv[1]), int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
try:
    writer = SnapshotWriter(directory)
except OSError as error:
    print("refused", error)
    sys.exit()
batch = 0
try:
    while True:
        with writer.transaction() as transaction:
            for number in range(50):
                transaction.put("shop", f"{batch}-{number}", Record("u", "A", b"x" * 500))
        batch += 1
except SnapshotFullError as error:
    print("full", error)
stats = writer.stats()
assert stats.entries == batch * 50 == len(list(writer.identities())), stats
assert stats.generation == batch
writer.close()
reader = SnapshotReader(directory)
with reader.view() as view:
    assert (view.look_up("shop", "0-0") is not None) == (batch > 0)
    assert view.look_up("shop", f"{batch}-0") is None
"""


@pytest.mark.parametrize(
    ("limit", "expected"),
    [(100, "refused"), (5_000, "refused"), (40_000, "full"), (300_000, "full"), (1 << 20, "full")],
)
def test_a_full_disk_is_one_error_and_leaves_the_last_snapshot(tmp_path: Path, limit: int, expected: str) -> None:
    """Before there is a snapshot it is an `OSError`, afterwards a `SnapshotFullError`; never a signal."""
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path), str(limit)], capture_output=True, text=True, check=False
    )
    assert (0, "") == (done.returncode, done.stderr)
    assert expected == done.stdout.split(" ")[0]


def test_the_readers_table_is_memory_that_is_there(tmp_path: Path) -> None:
    """It is mapped for writing: a hole in it would be a bus error in whoever touches it when memory has run out."""
    with writing(tmp_path):
        status = (tmp_path / "lock.mdb").stat()
        assert status.st_blocks * 512 >= status.st_size >= snapshot.MAX_READERS * 64


def test_where_no_snapshot_can_be_a_writer_says_so(tmp_path: Path) -> None:
    """A file in the folder's place, a folder in the file's, no folder, and more address space than there is."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "folder" / "data.mdb").mkdir(parents=True)
    for directory in (tmp_path / "file", tmp_path / "folder", tmp_path / "absent" / "absent"):
        with pytest.raises(OSError, match=r"."):
            SnapshotWriter(directory)
    with pytest.raises(OSError, match="no snapshot can be kept in"):
        SnapshotWriter(tmp_path, map_size=1 << 60)


def test_the_files_are_ours_alone(tmp_path: Path) -> None:
    """Nobody else may read whose account is whose, or change it."""
    with writing(tmp_path):
        assert {"data.mdb": 0o600, "lock.mdb": 0o600} == {
            path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()
        }
