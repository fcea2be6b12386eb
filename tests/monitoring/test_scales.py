"""Axes: everything has a place on them, and what is marked is round."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.monitoring.scales import Scale, make_scale, round_up, write_value

VALUES = st.lists(st.just(0.0) | st.floats(1e-9, 1e12), max_size=20)


@settings(max_examples=200, deadline=None)
@given(VALUES, st.sampled_from(["none", "s", "bytes"]), st.booleans())
def test_every_value_has_a_place(values: list[float], unit: str, is_logarithmic: bool) -> None:
    """Whatever comes, also nothing, or nothing but zeros."""
    scale = make_scale(values, unit, is_logarithmic=is_logarithmic)
    assert all(0 <= scale.place(value) <= 1 for value in values)
    assert all(value <= scale.high * (1 + 1e-9) for value in values)
    assert scale.ticks()
    assert all(scale.low <= tick <= scale.high * (1 + 1e-6) for tick in scale.ticks())


@pytest.mark.parametrize(
    ("values", "unit", "is_logarithmic", "expected"),
    [
        ([0.0, 23.0], "none", False, [0, 10, 20, 30]),
        ([7.9], "none", False, [0, 2, 4, 6, 8]),
        ([], "none", False, [0, 0.5, 1]),
        ([math.nan, math.inf], "none", False, [0, 0.5, 1]),
        ([200.0], "s", False, [0, 60, 120, 180, 240]),
        ([78000], "bytes", False, [0, 20480, 40960, 61440, 81920]),
        ([0.0002, 0.3], "s", True, [1e-4, 1e-3, 1e-2, 1e-1, 1]),
        ([0.0], "s", True, [1, 10]),
    ],
)
def test_round_values_are_marked(values: list[float], unit: str, is_logarithmic: bool, expected: list[float]) -> None:
    """From zero, or from a power of ten, as round as they will be read; what is no number does not count."""
    assert pytest.approx(expected) == make_scale(values, unit, is_logarithmic=is_logarithmic).ticks()


def test_a_logarithmic_axis_goes_by_factors() -> None:
    """The middle between a hundredth and one is a tenth."""
    assert pytest.approx(0.5) == Scale(0.01, 1.0).place(0.1)
    assert pytest.approx(0.1) == Scale(0.0, 1.0, 0.5).place(0.1)


@pytest.mark.parametrize(
    ("value", "expected"), [(1, 1), (1.1, 2), (3, 5), (5, 5), (6, 10), (0.021, 0.05), (1100, 2000)]
)
def test_round_is_one_two_or_five(value: float, expected: float) -> None:
    """Times a power of ten."""
    assert pytest.approx(expected) == round_up(value)


@pytest.mark.parametrize(
    ("value", "unit", "expected"),
    [
        (0.00025, "s", "250 µs"),
        (0.001, "s", "1 ms"),
        (1.5, "s", "1.5 s"),
        (90, "s", "1.5 min"),
        (6.5 * 86400, "s", "6.5 d"),
        (0, "s", "0"),
        (3 << 20, "bytes", "3 MiB"),
        (12.5, "reqps", "12.5/s"),
        (3, "none", "3"),
    ],
)
def test_values_are_short(value: float, unit: str, expected: str) -> None:
    """With a unit that fits."""
    assert expected == write_value(value, unit)
