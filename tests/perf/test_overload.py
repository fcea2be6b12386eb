"""What counts as having got through: answers that let somebody in, and come in time."""

from perf.asking import Answers
from perf.overload import describe

CPU = {"generator": 0.25, "others": 0.0, "wall": 2.0}


def test_a_refusal_is_no_goodput() -> None:
    """However quick it is: it is neither in time nor late, and counted by itself."""
    answers = Answers([0.1, 0.2, 0.3, 1.6, 1.7], 2, allowed=3, wall=2.0, behind=[], refusals=[0.2, 1.7])
    found = describe(answers, 3.5, 2.0, CPU)
    assert (2, 1, 2, 2) == tuple(found[name] for name in ("in_time", "late", "not_let_in", "unanswered"))
    assert 1.0 == found["goodput"]


def test_what_has_piled_up_takes_time_too() -> None:
    """Goodput is by the time until the last answer, if that came after the last request."""
    answers = Answers([0.1, 1.0], 0, allowed=2, wall=4.0, behind=[])
    assert 0.5 == describe(answers, 1.0, 2.0, CPU)["goodput"]
