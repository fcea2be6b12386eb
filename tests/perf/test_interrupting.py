"""A script that would hold the tests for hours is ended, and it is told why nothing came of it."""

import signal

import pytest

from tests.perf.interrupting import interrupt_soak


def test_a_soak_that_says_nothing_is_not_waited_for() -> None:
    """With --quiet no progress comes, so it is never interrupted: it is ended when the patience is over."""
    with pytest.raises(AssertionError, match=r"^it said too little for 2 s: "):
        interrupt_soak(["--workers=1", "--quiet"], signal.SIGINT, patience=2)


def test_a_soak_that_breaks_is_none_that_says_nothing() -> None:
    """What it has said goes with it."""
    with pytest.raises(AssertionError, match=r"(?s)^it ended by itself: .*--workers: a whole number from 1 to "):
        interrupt_soak(["--workers=0"], signal.SIGINT)
