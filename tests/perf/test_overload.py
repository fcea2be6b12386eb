"""What counts as having got through: answers that let somebody in, and come in time; and which step has a goal."""

from typing import Any

import pytest

from perf.generator.answers import Answers
from perf.overload import (
    MAX_REQUESTS,
    ROOM,
    by_goodput,
    count_clients,
    count_rounds,
    describe,
    find_goals,
    split_factors,
)

CPU = {"generator": 0.25, "others": 0.0, "wall": 2.0}
GOODPUT = "goodput at 3 times ÷ at 1 times capacity"
LEFT = {f"not in at the end, end to end with retry, clients that wait {seconds} s": seconds for seconds in (2, 5)}


def test_a_refusal_is_no_goodput() -> None:
    """However quick it is: it is neither in time nor late, and counted by itself."""
    answers = Answers([0.1, 0.3, 1.6], [0.2, 1.7], unanswered=2, wall=2.0, cpu=CPU)
    found = describe(answers, 3.5, 2.0)
    assert (2, 1, 2, 2) == tuple(found[name] for name in ("in_time", "late", "not_let_in", "unanswered"))
    assert (1.0, 3) == (found["goodput"], found["latency_ms"]["count"])


def test_what_has_piled_up_takes_time_too() -> None:
    """Goodput is by the time until the last answer, if that came after the last request."""
    answers = Answers([0.1, 1.0], [], unanswered=0, wall=4.0, cpu=CPU)
    assert 0.5 == describe(answers, 1.0, 2.0)["goodput"]


def test_what_was_really_sent_stands_beside_what_was_wanted() -> None:
    """From the first request to the last; the generator's share is of the time that its meter ran."""
    answers = Answers([0.1] * 3, [], unanswered=0, wall=4.0, sent=[0.0, 1.0, 4.0], behind=[0.0, 0.0, 2.0], cpu=CPU)
    found = describe(answers, 1.0, 3.0)
    assert (1.0, 0.5, 2000.0) == (found["offered"], found["sent"], found["generator_behind_ms"]["p99"])
    assert CPU == found["cpu_s"]


@pytest.mark.parametrize(
    ("seconds", "kept", "left_out"),
    [(1.0, [1.0, 2.0, 8.0], []), (4.0, [1.0, 2.0], [8.0]), (60.0, [], [1.0, 2.0, 8.0])],
)
def test_a_factor_that_takes_too_many_requests_is_left_out(
    seconds: float, kept: list[float], left_out: list[float]
) -> None:
    """None is offered less than it says."""
    assert (kept, left_out) == split_factors([1.0, 2.0, 8.0], MAX_REQUESTS / 8, seconds)


def test_both_times_are_told() -> None:
    """From when a request was sent, by which it is in time or late, and from when it was due."""
    answers = Answers([0.25, 1.5], [], unanswered=0, wall=2.0, from_due=[0.5, 1.75], held_s=0.75, cpu=CPU)
    found = describe(answers, 1.0, 2.0)
    assert (2, 1500.0, 1750.0) == (
        found["in_time"],
        found["latency_ms"]["p99"],
        found["latency_from_due_ms"]["p99"],
    )
    assert 0.75 == found["held_up_s"]


def make_step(factor: float, goodput: float, sent: float | None = 1.0) -> dict[str, Any]:
    """A step of which so much was sent, in terms of what was wanted."""
    return {"factor": factor, "offered": 100.0, "sent": None if sent is None else 100 * sent, "goodput": goodput}


@pytest.mark.parametrize(
    ("once", "thrice", "expected"),
    [(1.0, 1.0, 0.75), (0.95, 0.95, 0.75), (1.0, 0.94, None), (0.94, 1.0, None), (1.0, None, 0.75)],
)
def test_what_was_not_sent_reaches_no_goal(once: float, thrice: float | None, expected: float | None) -> None:
    """Three times capacity is no such thing where the generator was held up; other steps are nobody's goal."""
    steps = [make_step(0.5, 7.0, 0.1), make_step(1.0, 4.0, once), make_step(3.0, 3.0, thrice)]
    found = find_goals({"straight": {"steps": steps}, "end_to_end": {}})
    assert {GOODPUT: expected, **dict.fromkeys(LEFT)} == found


@pytest.mark.parametrize(
    ("crowds", "left"),
    [
        ([(0, 30), (0, 30)], 0),
        ([(0, 30), (7, 30), (2, 30)], 7),
        ([(9, 1), (2, 30)], 2),
        ([(9, 1)], None),
        ([], None),
    ],
)
def test_who_is_left_at_any_factor_is_left(crowds: list[tuple[int, int]], left: int | None) -> None:
    """The most at one of them, held up or not, of clients that wait as long and may come back."""
    for figure, seconds in LEFT.items():
        about = {**make_step(8.0, 0.0, 0.5), "timeout_s": float(seconds), "clients": 51}
        steps = [{**about, "refused": refused, "tries_at_most": tries} for refused, tries in crowds]
        found = find_goals({"straight": {"steps": []}, "end_to_end": {"capacity": 10.0, "steps": steps}})
        assert {GOODPUT: None, **dict.fromkeys(LEFT), figure: left} == found


def test_of_a_crowd_that_gets_in_while_it_waits_nobody_is_left() -> None:
    """So it shows nothing, and has no figure."""
    for figure, seconds in LEFT.items():
        wait = float(seconds)
        step = {**make_step(8.0, 0.0), "timeout_s": wait, "refused": 0, "tries_at_most": 30, "clients": 10 * wait}
        found = find_goals({"straight": {"steps": []}, "end_to_end": {"capacity": 10.0, "steps": [step]}})
        assert found[figure] is None


@pytest.mark.parametrize(
    ("wanted", "capacity", "wait", "expected"),
    [
        (10_000, 2000.0, 2.0, 10_000),
        (10_000, 2000.0, 5.0, 11_000),
        (10_000, 2700.5, 5.0, 14_853),
        (10, 9000.0, 5.0, ROOM),
    ],
)
def test_more_come_than_get_in_while_they_wait(wanted: int, capacity: float, wait: float, expected: int) -> None:
    """As far as there is room, and never fewer than are wanted."""
    assert expected == count_clients(wanted, capacity, wait)


def test_rounds_are_of_what_has_a_goal() -> None:
    """Each takes many seconds."""
    assert [1, 3, 1, 3, 1] == [count_rounds(factor, 3) for factor in (0.5, 1.0, 2.0, 3.0, 8.0)]


def test_a_round_that_was_held_up_is_worse_than_any() -> None:
    """However much came in time: the generator offered less."""
    rounds = [make_step(3.0, 9.0, 0.5), make_step(3.0, 2.0), make_step(3.0, 5.0)]
    assert [5.0, 2.0, 9.0] == [step["goodput"] for step in sorted(rounds, key=by_goodput)]
