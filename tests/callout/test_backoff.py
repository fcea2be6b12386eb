"""Tests of `callout.backoff`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.backoff import back_off

DRAWS = st.floats(0, 1, exclude_max=True)


@pytest.mark.parametrize(
    ("failures", "draw", "seconds"),
    [(0, 0.5, 0.0), (1, 0.0, 0.25), (1, 0.5, 0.375), (2, 0.0, 0.5), (3, 0.0, 1.0), (7, 0.0, 15.0), (8, 0.0, 15.0)],
)
def test_the_wait_doubles_up_to_its_limit(failures: int, draw: float, seconds: float) -> None:
    """Half of it is drawn at random; where nothing failed there is no wait."""
    assert seconds == back_off(failures, draw, first_s=0.5, limit_s=30.0)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 10**9), DRAWS)
def test_the_wait_is_always_within_its_bounds(failures: int, draw: float) -> None:
    """Neither no wait nor an endless one, however often it failed."""
    assert 0.25 <= back_off(failures, draw, first_s=0.5, limit_s=30.0) <= 30.0


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 1000), DRAWS)
def test_one_failure_more_never_shortens_the_wait(failures: int, draw: float) -> None:
    """With the same draw."""
    shorter, longer = (back_off(count, draw, first_s=1.0, limit_s=60.0) for count in (failures, failures + 1))
    assert shorter <= longer
