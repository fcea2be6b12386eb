"""Where what is measured keeps its files: in shared memory as in production, if the system has it."""

import tempfile
from pathlib import Path
from typing import Final

from callout.errors import CommandError
from callout.files import reason_of

SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a folder of ours is made in it
PREFIX: Final = "nats-perf-"  # of a folder's name, so that one that a killed run has left is known


def make_folder() -> "tempfile.TemporaryDirectory[str]":
    """Make a folder that nobody else may look into; it goes with the block.

    Raises:
        CommandError: there is no room for it, or this user may not.
    """
    place = SHARED_MEMORY if SHARED_MEMORY.is_dir() else None
    try:
        return tempfile.TemporaryDirectory(prefix=PREFIX, dir=place)
    except OSError as error:
        raise CommandError(f"no folder can be made in {place or 'the temporary one'}: {reason_of(error)}") from None
