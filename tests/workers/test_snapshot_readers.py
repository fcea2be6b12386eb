"""The snapshot from its readers' side: what they see of a transaction, and what they do not take for a snapshot."""

import re
import select
import time
from pathlib import Path

import lmdb
import pytest

from tests.workers.ends import RECORD, child, fill, reading, writing
from workers.record import Record
from workers.snapshot import LAYOUT_VERSION, LayoutMismatchError, SnapshotReader

DEADLINE = 20.0  # seconds until a child has to have done what it was told


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
    with pytest.raises(OSError, match=f"^no snapshot in {re.escape(str(directory))}: "):
        SnapshotReader(directory)


def test_a_reader_cannot_write(tmp_path: Path) -> None:
    """It maps the file read-only."""
    with writing(tmp_path):
        pass
    with reading(tmp_path) as reader, pytest.raises(lmdb.ReadonlyError):
        reader._env.begin(write=True)


def test_the_files_are_ours_alone(tmp_path: Path) -> None:
    """Nobody else may read whose account is whose, or change it."""
    with writing(tmp_path):
        assert {"data.mdb": 0o600, "lock.mdb": 0o600} == {
            path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()
        }
