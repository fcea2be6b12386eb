"""What cannot be measured leaves the rest alone."""

import pytest

from callout.errors import CommandError
from perf.commandline.command import Progress
from perf.commandline.failures import Failures


def test_what_fails_is_said_and_kept(capfd: pytest.CaptureFixture[str]) -> None:
    """All of its lines, in order, of as many as fail; what comes behind it in the block is left out."""
    failures = Failures(Progress())
    done: list[str] = []
    for name in ("one", "two", "three"):
        with failures.going_on(name):
            if name != "two":
                raise CommandError(f"{name} fails", "and more")
            done.append(name)
    assert ["two"] == done
    assert ["one fails", "and more", "three fails", "and more"] == failures.lines
    said = [line.partition("] ")[2] for line in capfd.readouterr().err.splitlines()]
    assert ["one cannot be measured", "three cannot be measured"] == said


def test_what_is_no_failure_ends_all() -> None:
    """A mistake of the program is none to go on behind."""
    failures = Failures(Progress(silent=True))
    with pytest.raises(ZeroDivisionError), failures.going_on("one"):
        raise ZeroDivisionError
    assert [] == failures.lines
