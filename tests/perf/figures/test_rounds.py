"""Several rounds of a measurement: one counts, and all are told."""

import asyncio

import pytest

from perf.figures.findings import Report
from perf.figures.rounds import pick_middle


def pick(*figures: float) -> Report:
    """Measure rounds with these figures, each at one more attempt; the smaller one is the better one."""
    left = [{"figure": figure, "attempts": number} for number, figure in enumerate(figures, 1)]

    async def measure() -> Report:
        return left.pop(0)

    return asyncio.run(
        pick_middle(measure, len(figures), lambda one: (one["figure"],), {"all": lambda one: one["figure"]})
    )


@pytest.mark.parametrize(
    ("figures", "expected"), [([7.0], 7.0), ([9.0, 1.0], 9.0), ([9.0, 1.0, 2.0], 2.0), ([4.0, 1.0, 3.0, 2.0], 3.0)]
)
def test_the_middle_one_counts(figures: list[float], expected: float) -> None:
    """Of two in the middle it is the worse; whatever is told is told of each, in the order they were measured."""
    found = pick(*figures)
    assert (expected, figures) == (found["figure"], found["all"])


def test_attempts_are_those_of_all() -> None:
    """Also of the rounds that do not count."""
    assert 6 == pick(1.0, 2.0, 3.0)["attempts"]
