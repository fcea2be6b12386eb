"""Files that are written beside their place, and put in it whole: a full disk leaves what was there."""

import tempfile
from contextlib import suppress
from pathlib import Path

from callout.errors import CommandError
from callout.files import reason_of
from perf.commandline.shared_memory import PREFIX


def write_whole(path: Path, content: bytes) -> None:
    """Write a file; who reads it meanwhile sees the former one or the new one.

    Raises:
        CommandError: it cannot be written.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        draft.write_bytes(content)
        draft.replace(path)
    except OSError as error:
        raise cannot_write(path, error) from None
    finally:
        with suppress(OSError):
            draft.unlink()


def save_elsewhere(what: str, text: str, suffix: str) -> str:
    """Write what its own place does not take into a temporary file; return the clause that says where it is."""
    try:
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", prefix=PREFIX, suffix=suffix, delete=False) as file:
            file.write(f"{text}\n")
    except OSError as error:
        return f"no more can a temporary file: {reason_of(error)}"
    return f"{what} is in {file.name}"


def cannot_write(path: Path, error: OSError) -> CommandError:
    """Return the error that says so."""
    return CommandError(f"{path} cannot be written: {reason_of(error)}")
