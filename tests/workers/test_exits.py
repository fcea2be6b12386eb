"""workers.exits: how a worker ends, and what the supervisor makes of it."""

import signal

import pytest

from workers.exits import EXPLANATIONS, Exit


@pytest.mark.parametrize("code", Exit)
def test_what_lasts_is_explained(code: Exit) -> None:
    """Whatever ends the service says on one line what to do; a worker that has drained needs no explanation."""
    assert code.lasting == (code in EXPLANATIONS)
    assert EXPLANATIONS.get(code, "-").isprintable()


def test_no_crash_looks_like_an_end_that_lasts() -> None:
    """An uncaught exception is 1, a signal is negative, and a shell's report of one is 128 and more."""
    crashes = {1, *(-number for number in signal.Signals), *(128 + number for number in signal.Signals)}
    assert set() == crashes & set(Exit)
