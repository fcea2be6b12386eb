"""The time that an answer has, as a whole."""

import pytest

from callout.fetch_errors import FetchError
from perf.figures.limits import limit


def test_nothing_is_left_of_a_time_that_is_over() -> None:
    """And never less than that: a timer takes no other."""
    with limit(0, "it") as left:
        assert 0.0 == left()


def test_what_is_late_names_the_whole_limit() -> None:
    """Not what was left of it for the part that was late."""
    with pytest.raises(FetchError, match=r"^it took more than 0 s to answer$"), limit(0, "it"):
        raise FetchError("it took more than -0.001 s to answer")


def test_what_goes_wrong_in_time_is_said_as_it_is() -> None:
    """Whatever it was."""
    with pytest.raises(FetchError, match=r"^it has stopped sending$"), limit(1000, "it"):
        raise FetchError("it has stopped sending")
