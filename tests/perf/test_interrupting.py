"""A soak that would hold the tests for hours is ended."""

import signal

import pytest

from tests.perf.interrupting import interrupt_soak


def test_a_soak_that_says_nothing_is_not_waited_for() -> None:
    """With --quiet no progress comes, so it is never interrupted: it is ended when the patience is over."""
    with pytest.raises(AssertionError, match=r"^it ended, or said too little for 2 s: "):
        interrupt_soak(["--workers=1", "--quiet"], signal.SIGINT, patience=2)
