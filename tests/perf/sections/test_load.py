"""The section of `perf.load`: every point in a table, windows and replicas as lines."""

import pytest

from perf.sections.load import POINTS, describe
from perf.tables import tabulate
from tests.perf.sections.samples import DEPLOYED_CPU, make_point, read_table


def test_a_point_says_of_what_it_is() -> None:
    """Of a set-up that was started here everything is known."""
    (row,) = read_table(describe({"points": [make_point("windows")]}).lines, "replicas")
    assert ("1", "2", "remembered", "128", "5,000") == tuple(row.values())[:5]
    assert "-" not in row.values()


def test_half_load_has_no_window() -> None:
    """Each request came at its own time."""
    report = {"points": [make_point("half load", None, offered=2500)]}
    (row,) = read_table(describe(report).lines, "replicas")
    assert "2500/s offered" == row["in flight"]


def test_of_a_deployed_set_up_processes_are_not_known() -> None:
    """A dash, and not 0."""
    point = {key: value for key, value in make_point("windows").items() if key not in {"replicas", "workers"}}
    heads, cells = tabulate(POINTS, [{**point, "cpu_us_per_request": DEPLOYED_CPU}])
    assert heads.startswith("replicas")
    assert ["-", "-", "-", "-", "0.25"] == [cells.split()[place] for place in (0, 1, 11, 12, 13)]


@pytest.mark.parametrize(("counts", "lost"), [({}, 0), ({"unanswered": 2}, 2), ({"allowed": 8, "unanswered": 2}, 3)])
def test_what_was_lost_is_counted(counts: dict[str, int], lost: int) -> None:
    """Refused or not answered, whatever point it was in."""
    points = [make_point("windows"), make_point("replicas", **counts)]
    assert f" of all of these: {lost}." in describe({"points": points}).lines[-1]


def test_lines_are_of_their_own_series() -> None:
    """Windows by workers; replicas by themselves; the rest stands in the table alone."""
    points = [
        make_point("windows", 1, workers=1),
        make_point("windows", 8, workers=1),
        make_point("windows", 1),
        make_point("tokens"),
        make_point("replicas", replicas=3, workers=1),
    ]
    rate, latency, replicas = describe({"points": points}).plots
    assert ["load-rate", "load-latency", "load-replicas"] == [rate.name, latency.name, replicas.name]
    assert [3, 6, 1] == [plot.svg.count("<circle") for plot in (rate, latency, replicas)]
    assert all(name in latency.svg for name in ("1 worker, p50", "1 worker, p99", "2 workers, p50", "2 workers, p99"))
