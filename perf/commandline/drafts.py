"""Files that are written beside their place, and put in it whole: a full disk leaves what was there."""

from contextlib import suppress
from pathlib import Path

from callout.errors import CommandError
from callout.files import reason_of


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


def cannot_write(path: Path, error: OSError) -> CommandError:
    """Return the error that says so."""
    return CommandError(f"{path} cannot be written: {reason_of(error)}")
