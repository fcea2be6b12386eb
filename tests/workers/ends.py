"""The ends of a snapshot on the test bench: a writer, a reader, and readers in processes of their own.

LMDB may be opened once in a process, so whatever needs both ends at a time has its reader in a child.
"""

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.waiting import PATIENCE_SECONDS
from workers.record import Record
from workers.snapshot import SnapshotReader, SnapshotWriter

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
        """Wait for a line; a child that says none is killed, and so fails the test."""
        assert self.process.stdout is not None
        limit = threading.Timer(PATIENCE_SECONDS, self.process.kill)
        limit.start()
        try:
            return self.process.stdout.readline().strip()
        finally:
            limit.cancel()

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
