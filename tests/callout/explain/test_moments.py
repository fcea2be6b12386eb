"""Moments and durations in words."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.explain.moments import format_moment, format_seconds


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"),
        (0.25, "0.25 s"),
        (1, "1 s"),
        (60, "1 min"),
        (90, "1 min 30 s"),
        (3_600, "1 h"),
        (86_399, "23 h 59 min"),
        (90_061, "1 d 1 h"),
        (float("inf"), "endless time"),
    ],
)
def test_a_duration_has_its_two_largest_units(seconds: float, words: str) -> None:
    """More nobody reads."""
    assert words == format_seconds(seconds)


def test_a_moment_is_in_utc() -> None:
    """As the tokens have it, wherever the reader is."""
    assert "2023-11-14 22:13:20Z" == format_moment(1_700_000_000)


@given(st.floats(allow_nan=False))
def test_every_number_is_a_moment_of_some_sort(seconds: float) -> None:
    """A token may say anything of itself."""
    assert re.fullmatch(r"\d{1,4}-\d\d-\d\d \d\d:\d\d:\d\dZ|a time that no calendar has", format_moment(seconds))
    assert format_seconds(abs(seconds))
