"""What is told of clients that came, and which storm a goal is of."""

from typing import Any

import pytest

from perf.generator.crowd import Arrival, Outcome
from perf.sections.overload import is_held_up
from perf.storm import by_connections, by_cpu, describe, find_goals

CPU = {"generator": 0.25, "others": 0.0, "wall": 1.0}
LEFT = "not in at the end, 4,000 at once with retry"


RATES = "rate, 4,000 at once ÷ 400 at once"


def make_row(workers: int, refused: int, tries: int = 20, at_once: int = 4000, **more: Any) -> dict[str, Any]:
    """A storm of NATS clients, of two rounds: nobody was refused in the other one."""
    row = {"protocol": "nats", "workers": workers, "refused": refused, "tries_at_most": tries, "at_once": at_once}
    return {**row, "refusals": [0, refused], **more}


@pytest.mark.parametrize(
    ("rows", "left"),
    [
        ([make_row(1, 0), make_row(2, 7)], 7),
        ([make_row(1, 3), make_row(4, 5)], 5),
        ([make_row(2, 9, tries=1)], None),
        ([make_row(2, 0, tries=1)], 0),
        ([make_row(2, 9, tries=1), make_row(2, 0)], 0),
        ([make_row(2, 9, at_once=100)], None),
    ],
)
def test_who_is_left_is_told_of_two_workers(rows: list[dict[str, Any]], left: int | None) -> None:
    """Of another number only where there is no such storm, and then the worst; never the kindest of them.

    Without retry only that nobody was refused, who would have come back.
    """
    assert left == find_goals({"rows": rows})[LEFT]


def test_who_is_left_in_any_round_is_left() -> None:
    """Whichever of them counts."""
    assert 3 == find_goals({"rows": [make_row(2, 0, refusals=[0, 0, 3])]})[LEFT]


@pytest.mark.parametrize(("clients", "expected"), [(4000, 1.5), (2000, None)])
def test_rates_are_compared_of_as_many_clients(clients: int, expected: float | None) -> None:
    """The first of them meet a cold set-up, which weighs the more the fewer follow."""
    many = make_row(2, 0, tries=1, rate=3000.0, clients=4000)
    few = make_row(2, 0, tries=1, at_once=400, rate=2000.0, clients=clients)
    assert expected == find_goals({"rows": [few, many]})[RATES]


def test_rounds_are_ordered_by_what_has_the_goal() -> None:
    """The service's share of the CPU, or the rate; one in which somebody was refused is worse than any other."""
    rounds = [
        {"refused": refused, "rate": rate, "service_cpu_by_server": share}
        for refused, rate, share in ((1, 9.0, 0.1), (0, 5.0, 0.3), (0, 6.0, 0.4), (0, 4.0, 0.2))
    ]
    assert [0.2, 0.3, 0.4, 0.1] == [row["service_cpu_by_server"] for row in sorted(rounds, key=by_cpu)]
    assert [6.0, 5.0, 4.0, 9.0] == [row["rate"] for row in sorted(rounds, key=by_connections)]


def test_where_the_cpu_is_not_known_the_rate_orders_rounds() -> None:
    """As of what is deployed."""
    rounds = [{"refused": 0, "rate": rate, "service_cpu_by_server": None} for rate in (1.0, 3.0, 2.0)]
    assert [3.0, 2.0, 1.0] == [row["rate"] for row in sorted(rounds, key=by_cpu)]


def test_clients_that_come_at_a_rate_have_a_time_each() -> None:
    """How many really came, and how late the generator was with each; it is never early."""
    outcomes = [Outcome(0.0, 0.5, 1), Outcome(0.5, 0.9, 1), Outcome(2.0, 2.5, 1)]
    found = describe(outcomes, Arrival(9, rate=1.0), CPU)
    assert (1.0, 0.0) == (found["sent"], found["generator_behind_ms"]["longest"])
    found = describe(outcomes, Arrival(9, rate=2.0), CPU)
    assert 1000.0 == found["generator_behind_ms"]["longest"]


@pytest.mark.parametrize("late", [0.0, 0.5, 1.5])
def test_who_catches_up_is_not_more_than_was_wanted(late: float) -> None:
    """The first were late and the last was not: they came as wanted. What is late at the end is fewer a second."""
    outcomes = [Outcome(max(position / 2, late), 9.0, 1) for position in range(4)]
    assert 2.0 == describe(outcomes, Arrival(9, rate=2.0), CPU)["sent"]
    found = describe([*outcomes[:3], Outcome(3.0, 9.0, 1)], Arrival(9, rate=2.0), CPU)
    assert 1.0 == found["sent"]
    assert is_held_up({"offered": 2.0, **found})


def test_tries_that_were_given_up_are_counted() -> None:
    """Whether the client was in at last or not."""
    found = describe([Outcome(0.0, 4.5, 2, 1), Outcome(0.0, None, 3, 2)], Arrival(9, tries=3, timeout_s=1.5), CPU)
    assert (5, 3, 1.5) == (found["tries"], found["given_up"], found["timeout_s"])


def test_clients_that_wait_for_each_other_are_not_late() -> None:
    """They have no time of their own."""
    assert "generator_behind_ms" not in describe([Outcome(0.0, 0.5, 1)], Arrival(1), CPU)
