"""Goals: bounds, and what was measured of them."""

from perf.cases import FIRST_SEEN
from perf.goals import GOALS, find_figures, judge, show_apart
from tests.perf.sections.samples import LADDER, make_point, make_results


def test_what_was_not_run_has_no_goals() -> None:
    """Of what was run all are there; one that it has no figure for is neither reached nor missed."""
    results = make_results()
    assert [] == judge({})
    assert [] == judge({"simulate": results["simulate"]})
    assert ["yes"] * 4 == [row[3] for row in judge({"ladder": results["ladder"]})]
    rows = judge({"storm": results["storm"]})
    assert [(None, "")] * 4 == [(row[2], row[3]) for row in rows]


def test_a_goal_names_the_row_that_counts() -> None:
    """One worker's and two workers', at one window in flight; replicas of one worker and other windows are others'."""
    points = [
        make_point("windows", workers=1, cpu_us_per_request={"workers": 120.0}),
        make_point("windows", window=512, workers=1, cpu_us_per_request={"workers": 1.0}),
        make_point("replicas", workers=1, cpu_us_per_request={"workers": 2.0}),
        make_point("windows", rate=9000.0),
        make_point("windows", window=512, rate=99_000.0),
        make_point("replicas", replicas=2, workers=1, rate=98_000.0),
        make_point("half load", None, workers=1, latency_ms={"p99": 4.0}),
        make_point("half load", None, workers=2, latency_ms={"p99": 6.0}),
    ]
    found = judge({"load": {**make_results()["load"], "points": points}})
    assert [None, 1.2, None, 0.72, 4.0, 6.0] == [row[2] for row in found]
    assert ["", "yes", "", "no", "yes", "no"] == [row[3] for row in found]
    for row, name in zip(found[::2], ("one worker, 128", "two workers, 128", "one worker"), strict=True):
        assert name in str(row[0])


def test_goals_are_bounds() -> None:
    """The bound itself reaches it, from whichever side."""
    for goal in GOALS:
        assert goal.is_reached(goal.bound)
        assert goal.is_reached(goal.bound - 1) is (goal.side == "≤")
        assert goal.is_reached(goal.bound + 1) is (goal.side == "≥")


def test_every_script_that_has_goals_says_its_figures() -> None:
    """Under the names that the goals know; the ladder's are those of RS256 in both modes."""
    results = make_results()
    names = {goal.figure for goal in GOALS}
    for script in ("ladder", "load", "storm", "overload", "scale"):
        assert names & set(find_figures({script: results[script]}))
    ladder = [goal.figure for goal in GOALS if goal.figure.startswith("decision ÷ bare")]
    assert 4 == len(ladder)
    assert dict.fromkeys(ladder, 1.25) == find_figures({"ladder": results["ladder"]})


def test_both_modes_are_judged() -> None:
    """What server mode reaches is not said of operator mode, which misses it by a thousandth, and is seen to."""
    decisions = [
        {**row, "bare": 79.93} if (row["mode"], row["token"]) == ("operator", FIRST_SEEN) else row
        for row in LADDER["decisions"]
    ]
    found = judge({"ladder": {**LADDER, "decisions": decisions}})
    assert ["yes", "yes", "no", "yes"] == [row[3] for row in found]
    assert ["≤ 1.25", "1.251"] == found[2][1:3]
    assert "operator mode" in str(found[2][0])


def test_megabytes_are_judged_as_such() -> None:
    """What is measured in MiB has a bound in MiB that is no larger: 45 MB are 42.9 of them."""
    bounds = {goal.figure: goal.bound for goal in GOALS}
    names = ("supervisor", "snapshot", "worker")
    found = [round(bounds[f"100,000: {name}, MiB"] * 1.048576, 6) for name in names]
    assert [150, 60, 45] == found


def test_what_is_rounded_for_a_reader_was_judged_before() -> None:
    """A value that would look like the bound and is beyond it has the digits that tell."""
    storm = make_results()["storm"]
    row = {**storm["rows"][0], "workers": 1, "at_once": 100, "tries_at_most": 1}
    for share, shown, verdict in ((0.4504, "0.4504", "no"), (0.4496, 0.4496, "yes"), (0.46, 0.46, "no")):
        (found, *_) = judge({"storm": {"rows": [{**row, "service_cpu_by_server": share}]}})
        assert [shown, verdict] == found[2:]


def test_a_bound_is_shown_so_that_a_reader_can_judge() -> None:
    """150 MB are 143.0511… MiB: with four digits a value just beyond would stand below its bound."""
    (goal,) = (goal for goal in GOALS if goal.figure == "100,000: supervisor, MiB")
    for value, expected in (
        (143.04, ("≤ 143.1", 143.04)),
        (143.08, ("≤ 143.05", "143.08")),
        (143.052, ("≤ 143.051", "143.052")),
        (goal.bound, ("≤ 143.1", goal.bound)),
        (144.0, ("≤ 143.1", 144.0)),
    ):
        assert expected == show_apart(goal, value)


def test_other_runs_stand_beside() -> None:
    """From the lowest to the highest of all, and how many reach the goal; a run that has no figure counts for none."""
    results = {"ladder": make_results()["ladder"]}
    (figure, *_) = find_figures(results)
    rows = judge(results, [{figure: 1.2}, {figure: 1.3}, {figure: None}])
    assert ["1.2 to 1.3", "2 of 3"] == rows[0][-2:]
    assert ["1.25", "1 of 1"] == rows[1][-2:]
