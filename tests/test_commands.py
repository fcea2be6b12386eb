"""Tests of `tests.commands`: what a program that a test runs is given, and what its failure shows."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.commands import BASH, attempt, run
from tests.pages import ROOT
from tests.waiting import PATIENCE_SECONDS

LOOK = "import os, sys; print(os.getcwd(), os.environ.get('GIVEN'), repr(sys.stdin.read()))"
HANG = ("sleep", str(PATIENCE_SECONDS))


def test_it_is_run_in_the_checkout_and_nobody_answers_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variables of the tests."""
    monkeypatch.setenv("GIVEN", "here")
    assert f"{ROOT} here ''\n" == run([sys.executable, "-c", LOOK])


def test_it_is_run_as_the_test_says(tmp_path: Path) -> None:
    """With no variables but those that are given."""
    said = run([sys.executable, "-c", LOOK], cwd=tmp_path, env={"GIVEN": "there"}, stdin="yes\n")
    assert f"{tmp_path} there 'yes\\n'\n" == said


def test_whatever_its_end_it_is_returned() -> None:
    """An attempt may fail."""
    done = attempt([*BASH, "echo printed; echo said >&2; false; echo not reached"])
    assert (1, "printed\n", "said\n") == (done.returncode, done.stdout, done.stderr)


def test_what_is_led_elsewhere_is_not_returned(tmp_path: Path) -> None:
    """It is where it was led to."""
    with (tmp_path / "printed").open("w") as printed:
        done = attempt([*BASH, "echo printed; echo said >&2"], stdout=printed)
    assert not done.stdout
    assert ("said\n", "printed\n") == (done.stderr, (tmp_path / "printed").read_text())


def test_a_failure_shows_what_was_said() -> None:
    """On either output: which of them a program complains on is its own affair."""
    with pytest.raises(AssertionError, match=r"echo printed.*: printed\nsaid\n"):
        run([*BASH, "echo printed; echo said >&2; exit 3"], env={"PATH": os.defpath})


@pytest.mark.parametrize("way", [attempt, run], ids=lambda way: way.__name__)
def test_a_program_that_hangs_fails_its_test(way: Callable[..., object]) -> None:
    """At its deadline, however it would have ended."""
    with pytest.raises(subprocess.TimeoutExpired):
        way(HANG, timeout=0.1)


def test_a_program_that_hangs_is_killed() -> None:
    """By then nobody has its end of a pipe any more."""
    ours, its = os.pipe()
    with os.fdopen(ours, "rb", buffering=0) as printed:
        os.set_blocking(ours, False)
        with os.fdopen(its, "w") as end, pytest.raises(subprocess.TimeoutExpired):
            attempt(HANG, stdout=end, timeout=0.1)
        assert b"" == printed.read()  # None, if there might be more to come
