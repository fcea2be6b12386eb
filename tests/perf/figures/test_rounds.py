"""Several rounds of a measurement: one counts, and all are told."""

import asyncio

import pytest

from perf.figures.findings import Report
from perf.figures.processes import find_shares
from perf.figures.rounds import find_least_disturbed, pick_middle


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


@pytest.mark.parametrize(
    ("shares", "attempts", "expected", "used"),
    [
        ([0.5, 0.05, 0.01], 3, 0.05, 2),
        ([0.5, 0.3, 0.4], 3, 0.3, 3),
        ([0.5, 0.3, 0.4], 1, 0.5, 1),
        ([0.1, 0.0], 5, 0.1, 1),
    ],
)
def test_what_others_have_disturbed_least_counts(
    shares: list[float], attempts: int, expected: float, used: int
) -> None:
    """It is measured again until they leave the machine alone, and so often at most."""
    left = list(shares)

    async def measure() -> Report:
        return {"others_share": left.pop(0)}

    expected_report = {"others_share": expected, "attempts": used}
    assert expected_report == asyncio.run(find_least_disturbed(measure, attempts))
    assert used == len(shares) - len(left)


def test_of_a_deployed_set_up_others_are_not_known() -> None:
    """They are on another machine, or what is measured is among them; another attempt would be for nothing."""
    share = find_shares({"generator": 0.0, "others": 4.0, "wall": 2.0})["others_share"]
    assert share is None
    asked: list[float | None] = []

    async def measure() -> Report:
        asked.append(share)
        return {"others_share": share}

    assert {"others_share": None, "attempts": 1} == asyncio.run(find_least_disturbed(measure, 5))
    assert 1 == len(asked)
