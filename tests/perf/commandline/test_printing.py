"""Whoever reads may be gone, and a disk may be full: what is done goes on, and ends as it would have."""

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from perf.commandline.printing import print_out, say
from tests.commands import PIPE, Done, attempt

SAYING = """
from perf.commandline.printing import say
say("one")
say("two")
print("went on")
"""
PRINTING = """
import sys
from perf.commandline.printing import print_out
try:
    print_out("one")
except OSError as error:
    sys.stderr.write(f"{error.errno}\\n")
print("two")
"""


def run(script: str, stdout: int = PIPE, stderr: int = PIPE) -> Done:
    """Run a script to its end; what is not told otherwise is captured."""
    return attempt([sys.executable, "-c", script], stdout=stdout, stderr=stderr)


@pytest.fixture
def closed_terminal() -> Iterator[int]:
    """A terminal that somebody has closed, as a process still has it."""
    window, terminal = os.openpty()
    os.close(window)
    yield terminal
    os.close(terminal)


def test_each_has_its_stream_and_its_line(capfd: pytest.CaptureFixture[str]) -> None:
    """At once."""
    say("said")
    print_out("printed")
    assert ("printed\n", "said\n") == tuple(capfd.readouterr())


def test_a_terminal_that_was_closed_keeps_nothing_from_going_on(closed_terminal: int) -> None:
    """The exit code is the work's own: nothing is left over to be written at the end."""
    done = run(SAYING, stderr=closed_terminal)
    assert (0, "went on\n") == (done.returncode, done.stdout)


def test_nor_does_a_full_disk() -> None:
    """What could not be written is tried again with what follows: there may be room then."""
    with Path("/dev/full").open("w") as full:
        assert "went on\n" == run(SAYING, stderr=full.fileno()).stdout


def test_what_cannot_be_printed_is_told_once(closed_terminal: int) -> None:
    """Whoever prints hears of it, and the interpreter does not complain at its end."""
    done = run(PRINTING, stdout=closed_terminal)
    assert (0, f"{errno.EIO}\n") == (done.returncode, done.stderr)
