"""A worker's sign of life: a page of shared memory that the worker stamps and the supervisor reads.

No pings: a busy worker answers a ping late, and would be killed for doing its work. A stamp costs nothing, and only a
worker whose event loop stands still stops stamping.

Each field is eight bytes, aligned, with one writer, so a reader sees an old or a new value, never a mixture.
"""

import mmap
import os
from enum import IntEnum
from pathlib import Path
from typing import Final, Self

FIELDS: Final = ("state", "stamp_ns", "unknown_keys")
_STATE, _STAMP, _UNKNOWN_KEYS = range(len(FIELDS))
SIZE: Final = 8 * len(FIELDS)


class State(IntEnum):
    """What a worker is doing."""

    STARTING = 0
    WAITING = 1  # connected to NATS; the snapshot is not ready yet
    SERVING = 2  # subscribed
    DISCONNECTED = 3  # was serving, and is looking for a server
    DRAINING = 4


class StatusPage:
    """The page, seen from either side."""

    def __init__(self, path: Path) -> None:
        """Map the page at `path`, which `create` has made.

        Raises:
            OSError: there is no such page.
        """
        with path.open("r+b") as file:
            self._map = mmap.mmap(file.fileno(), SIZE)
        self._fields = memoryview(self._map).cast("Q")

    @classmethod
    def create(cls, path: Path) -> Self:
        """Make an empty page; done by the supervisor before it starts the worker.

        One that is there already is cleared where it is: that works without any memory to be had.

        Raises:
            OSError: there is no memory for a new one.
        """
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600), "wb") as file:
            file.write(bytes(SIZE))
        return cls(path)

    @property
    def state(self) -> State:
        """What the worker is doing."""
        return State(self._fields[_STATE])

    @state.setter
    def state(self, state: State) -> None:
        self._fields[_STATE] = state

    @property
    def stamp_ns(self) -> int:
        """When the worker's loop last turned: monotonic nanoseconds, comparable between processes; 0 for never."""
        return self._fields[_STAMP]

    @stamp_ns.setter
    def stamp_ns(self, monotonic_ns: int) -> None:
        self._fields[_STAMP] = monotonic_ns

    @property
    def unknown_keys(self) -> int:
        """How many tokens named a key that is not in the key set: a reason to fetch it again."""
        return self._fields[_UNKNOWN_KEYS]

    def count_unknown_key(self) -> None:
        """Note one more token with an unknown key."""
        self._fields[_UNKNOWN_KEYS] += 1

    def close(self) -> None:
        """Unmap the page."""
        self._fields.release()
        self._map.close()
