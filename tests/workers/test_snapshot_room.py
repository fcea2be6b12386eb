"""The snapshot where there is no room for it, or no place: one error, and the last one stays."""

import re
import sys
from pathlib import Path

import pytest

from tests.commands import attempt
from tests.workers.ends import RECORD, child, fill, writing
from workers import snapshot
from workers.record import Record
from workers.snapshot import SnapshotFullError, SnapshotWriter


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


def test_the_limit_is_that_of_the_map_where_the_disk_has_more(tmp_path: Path) -> None:
    """What it may come to take is told before it does; what the disk has left is tried in tests/interop."""
    with writing(tmp_path, map_size=1 << 18) as writer:
        stats = writer.stats()
        assert 1 << 18 == stats.limit_bytes
        assert 0 < stats.used_bytes < stats.limit_bytes


def test_a_file_that_was_taken_away_is_measured_by_its_map(tmp_path: Path) -> None:
    """Whoever cleans the directory takes nothing from those who have it open: both ends go on, and so does this."""
    with writing(tmp_path, map_size=1 << 18) as writer, child(tmp_path) as reader:
        fill(writer, "first")
        for name in ("data.mdb", "lock.mdb"):
            (tmp_path / name).unlink()
        fill(writer, "second")
        stats = writer.stats()
        assert (2, 1 << 18) == (stats.entries, stats.limit_bytes)
        assert "uid-1" == reader.ask("look", "shop", "second")[0]


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
    done = attempt([sys.executable, "-c", FULL, str(tmp_path), str(limit)])
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
        with pytest.raises(OSError, match=re.escape(str(directory))):
            SnapshotWriter(directory)
    with pytest.raises(OSError, match=f"no snapshot can be kept in {re.escape(str(tmp_path))}: "):
        SnapshotWriter(tmp_path, map_size=1 << 60)
