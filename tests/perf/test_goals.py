"""Goals: bounds, and what was measured of them."""

from perf.goals import GOALS, find_figures, judge
from tests.perf.sections.samples import make_results


def test_what_was_not_measured_reaches_no_goal() -> None:
    """And misses none."""
    assert {(None, "")} == {(row[2], row[3]) for row in judge({})}


def test_goals_are_bounds() -> None:
    """The bound itself reaches it, from whichever side."""
    for goal in GOALS:
        assert goal.is_reached(goal.bound)
        assert goal.is_reached(goal.bound - 1) is (goal.side == "≤")
        assert goal.is_reached(goal.bound + 1) is (goal.side == "≥")


def test_every_script_that_has_goals_says_its_figures() -> None:
    """Under the names that the goals know; the ladder's are those of RS256 in server mode."""
    results = make_results()
    names = {goal.figure for goal in GOALS}
    for script in ("ladder", "load", "storm", "overload", "scale"):
        assert names & set(find_figures({script: results[script]}))
    ladder = [goal.figure for goal in GOALS if goal.figure.startswith("decision ÷ bare")]
    assert dict.fromkeys(ladder, 1.25) == find_figures({"ladder": results["ladder"]})
