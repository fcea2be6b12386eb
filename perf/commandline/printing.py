"""What is said on standard error, and printed on standard output, though its reader may be gone.

Rules kept here:
- What cannot be said keeps nothing from going on: a terminal may be closed while there is much to clean up, and Ctrl-C
  ends the `tee` behind a script as well.
- A stream that has failed for good is let go: the interpreter would try to write the rest once more at its end, and
  complain (docs.python.org, SIGPIPE), with an exit code of its own.
"""

import errno
import os
import sys
from pathlib import Path
from typing import Final, TextIO

_GONE: Final = (errno.EPIPE, errno.EIO)  # nobody reads a pipe, or a terminal, any more; a full disk may get room again


def say(text: str) -> None:
    """Write a line to standard error, if it can be."""
    try:
        sys.stderr.write(f"{text}\n")
        sys.stderr.flush()
    except OSError as error:
        if error.errno in _GONE:
            _let_go(sys.stderr)


def print_out(text: str) -> None:
    """Print, at once.

    Raises:
        OSError: it cannot be printed, and what follows goes nowhere.
    """
    try:
        print(text)
        sys.stdout.flush()
    except OSError:
        _let_go(sys.stdout)
        raise


def _let_go(stream: TextIO) -> None:
    with Path(os.devnull).open("wb") as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
