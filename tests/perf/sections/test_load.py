"""The section of `perf.load`: every point in a table, windows and replicas as lines."""

from typing import Any

import pytest

from perf.figures.tables import tabulate
from perf.sections.load import POINTS, describe
from tests.perf.sections.samples import DEPLOYED_CPU, make_point, make_results, read_table


def test_a_point_says_of_what_it_is() -> None:
    """Of a set-up that was started here everything is known."""
    (row,) = read_table(describe({"seconds": 3.0, "points": [make_point("windows")]}).lines, "replicas")
    assert ("1", "2", "remembered", "128", "5,000") == tuple(row.values())[:5]
    assert "-" not in row.values()


def test_half_load_has_no_window() -> None:
    """Each request came at its own time."""
    report = {"seconds": 3.0, "points": [make_point("half load", None), make_point("windows")]}
    half, window = read_table(describe(report).lines, "replicas")
    assert ("2500/s offered", "2.5") == (half["in flight"], half["generator late: p99 ms"])
    assert ("2.5", "3.25") == (half["let in: p99 ms"], half["from when due: p99 ms"])
    assert "" == window["generator late: p99 ms"] == window["from when due: p99 ms"]


def test_of_a_deployed_set_up_processes_are_not_known() -> None:
    """A dash, and not 0."""
    point = {key: value for key, value in make_point("windows").items() if key not in {"replicas", "workers"}}
    heads, cells = tabulate(POINTS, [{**point, "cpu_us_per_request": DEPLOYED_CPU}])
    assert heads.startswith("replicas")
    assert ["-", "-", "-", "-", "0.25"] == [cells.split()[place] for place in (0, 1, 13, 14, 15)]


@pytest.mark.parametrize(("lost", "expected"), [([0], 0), ([2], 2), ([0, 1, 2], 3)])
def test_what_was_lost_is_counted(lost: list[int], expected: int) -> None:
    """Refused or not answered, whatever point and whatever round it was in."""
    points = [make_point("windows"), make_point("replicas", lost=lost)]
    said = describe({"seconds": 3.0, "points": points}).lines
    assert 1 == sum(line.endswith(f" in all of these: {expected}.") for line in said)


def test_what_rows_and_goals_are_of_is_said() -> None:
    """How long a round is, why two rows may differ, and what goals are reckoned by; a deployed set-up has none."""
    report = {**make_results()["load"], "points": [make_point("windows"), make_point("replicas")]}
    duration, _, in_process = describe(report).lines[-3:]
    assert duration.startswith(
        "A round lasts 3 s, and with tokens first seen as long as it takes to ask about 12,000 of"
    )
    assert " them once, at most 6 s. Replicas, " in duration
    assert in_process.startswith(
        "In process a decision took, measured just before: 100 µs with a token first seen, of "
    )
    deployed = {"seconds": 3.0, "points": [make_point("windows")]}
    assert "A round lasts 3 s." == describe(deployed).lines[-1]


def test_lines_are_of_their_own_series() -> None:
    """Windows by workers; replicas by themselves; the rest stands in the table alone."""
    points = [
        make_point("windows", 1, workers=1),
        make_point("windows", 8, workers=1),
        make_point("windows", 1),
        make_point("tokens", tokens="first seen"),
        make_point("windows"),
        make_point("replicas", replicas=3, workers=1),
    ]
    plots = {plot.name: plot.svg for plot in describe({"seconds": 3.0, "points": points}).plots}
    expected = {"load-rate": 4, "load-latency": 8, "load-workers": 2, "load-workers-latency": 4}
    expected |= {"load-replicas": 1, "load-replicas-latency": 2}
    assert expected == {name: svg.count("<circle") for name, svg in plots.items()}
    names = ("1 worker, p50", "1 worker, p99", "2 workers, p50", "2 workers, p99")
    assert all(name in plots["load-latency"] for name in names)
    assert "by workers, 128 in flight" in plots["load-workers"]


@pytest.mark.parametrize(("machine", "said"), [({"machine": {"cores": 7}}, "7 cores"), ({}, "the same cores")])
def test_replicas_share_the_cores_of_the_machine(machine: dict[str, Any], said: str) -> None:
    """As many as it has, if the report says it."""
    points = [make_point("replicas", workers=1)]
    plots = {plot.name: plot.svg for plot in describe({"seconds": 3.0, "points": points, **machine}).plots}
    assert f"{said} for all of it" in plots["load-replicas"]
