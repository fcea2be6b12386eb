"""What is told of clients that came, and which storm a goal is of."""

from typing import Any

import pytest

from perf.crowd import Arrival, Outcome
from perf.storm import describe, find_goals

CPU = {"generator": 0.25, "others": 0.0, "wall": 1.0}
LEFT = "not in at the end, 4,000 at once with retry"


def make_row(workers: int, refused: int, tries: int = 20, at_once: int = 4000) -> dict[str, Any]:
    """A storm of NATS clients."""
    return {"protocol": "nats", "workers": workers, "refused": refused, "tries_at_most": tries, "at_once": at_once}


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([make_row(1, 0), make_row(2, 7)], 7),
        ([make_row(1, 3), make_row(4, 5)], 5),
        ([make_row(2, 9, tries=1)], 9),
        ([make_row(2, 9, tries=1), make_row(2, 0)], 0),
        ([make_row(2, 9, at_once=100)], None),
    ],
)
def test_who_is_left_is_told_of_two_workers(rows: list[dict[str, Any]], left: int | None) -> None:
    """Of another number only where there is no such storm, and then the worst; never the kindest of them."""
    assert left == find_goals({"rows": rows})[LEFT]


def test_clients_that_come_at_a_rate_have_a_time_each() -> None:
    """How many really came, and how late the generator was with each; it is never early."""
    outcomes = [Outcome(0.0, 0.5, 1), Outcome(0.5, 0.9, 1), Outcome(2.0, 2.5, 1)]
    found = describe(outcomes, Arrival(9, rate=1.0), CPU)
    assert (1.0, 0.0) == (found["sent"], found["generator_behind_ms"]["longest"])
    found = describe(outcomes, Arrival(9, rate=2.0), CPU)
    assert 1000.0 == found["generator_behind_ms"]["longest"]


def test_clients_that_wait_for_each_other_are_not_late() -> None:
    """They have no time of their own."""
    assert "generator_behind_ms" not in describe([Outcome(0.0, 0.5, 1)], Arrival(1), CPU)
