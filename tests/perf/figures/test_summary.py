"""What many values come to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.figures.summary import Latencies, pace, percentile, ratio, slope, summarize

VALUES = st.lists(st.floats(0, 1e6), min_size=1)


@pytest.mark.parametrize(("share", "expected"), [(0.5, 50), (0.99, 99), (0.999, 100), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_the_nearest_rank(share: float, expected: int) -> None:
    """Of the numbers from 1 to 100 it is the number itself."""
    assert expected == percentile(range(1, 101), share)


@given(VALUES, st.floats(0.001, 1))
def test_a_percentile_was_measured_and_bounds_its_share(values: list[float], share: float) -> None:
    """It is one of the values, and so many at least are no larger."""
    found = percentile(sorted(values), share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values) - 1e-6


def test_of_nothing_there_is_nothing() -> None:
    """Nothing answered is not answered quickly."""
    assert Latencies(0, None, None, None, None) == summarize([])
    assert percentile([], 0.5) is None


def test_durations_are_told_in_milliseconds() -> None:
    """They come in seconds, in any order."""
    assert Latencies(3, 2.0, 3.5, 3.5, 3.5) == summarize([0.0035, 0.001, 0.002])


@given(st.lists(st.integers(-1000, 1000), min_size=2, unique=True), st.integers(-50, 50), st.integers(-50, 50))
def test_the_slope_of_a_line_is_its_own(places: list[int], rise: int, offset: int) -> None:
    """However far apart the points are."""
    assert pytest.approx(rise, abs=1e-6) == slope([(x, rise * x + offset) for x in places])


@pytest.mark.parametrize("points", [[], [(1.0, 2.0)], [(1.0, 2.0), (1.0, 3.0)]])
def test_where_no_line_fits_there_is_no_slope(points: list[tuple[float, float]]) -> None:
    """One point, or points one above the other."""
    assert slope(points) is None


@pytest.mark.parametrize(("value", "base"), [(None, 1.0), (1.0, None), (1.0, 0.0)])
def test_what_cannot_be_compared_has_no_ratio(value: float | None, base: float | None) -> None:
    """A ratio of 0 would look like a goal reached."""
    assert ratio(value, base) is None


def test_a_ratio_is_not_rounded() -> None:
    """A bound of 0.45 is not reached by what is a little more."""
    assert (0.4504, 1 / 3) == (ratio(4504.0, 10_000.0), ratio(1.0, 3.0))


@pytest.mark.parametrize(
    ("moments", "expected"),
    [([], None), ([1.0], None), ([0.0, 0.0], None), ([0.0, 0.5, 1.0], 2.0), ([3.0, 4.0, 2.0], 0.5)],
)
def test_a_pace_is_from_when_the_first_was_due_to_the_last(moments: list[float], expected: float | None) -> None:
    """Two are needed, and time between; that the first was late makes those after it no faster."""
    assert expected == pace(moments)
