"""What counts as having got through: answers that let somebody in, and come in time."""

import pytest

from perf.answers import Answers
from perf.overload import MAX_REQUESTS, describe, split_factors

CPU = {"generator": 0.25, "others": 0.0, "wall": 2.0}


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
