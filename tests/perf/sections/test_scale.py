"""The section of `perf.scale`: a row and a place on each axis for each number of ServiceAccounts."""

from perf.sections.scale import describe
from tests.perf.sections.samples import make_scale, read_table

REPORT = {"churn": 1000, "rows": [make_scale(1000), make_scale(100_000)]}


def test_a_row_tells_rest_from_change() -> None:
    """Of a set-up that was started here everything is known."""
    rows = read_table(describe(REPORT).lines, "ServiceAccounts")
    assert ["1,000", "100,000"] == [row["ServiceAccounts"] for row in rows]
    assert ("6,000", "4,000") == (rows[0]["decisions/s"], rows[0]["while changing: decisions/s"])
    assert "-" not in rows[0].values()


def test_the_rate_of_changes_is_told() -> None:
    """Without it the rest of the row would say little."""
    lines = describe(REPORT).lines
    assert "While changing: 1,000 changes of ServiceAccounts a second were wanted." == lines[-1]
    assert "1,000" == read_table(lines, "ServiceAccounts")[0]["changes/s"]


def test_every_number_has_its_points() -> None:
    """Three kinds of memory, two rates, and two percentiles of each."""
    plots = describe(REPORT).plots
    expected = {"scale-memory": 3 * 2, "scale-rate": 2 * 2, "scale-latency": 4 * 2}
    assert expected == {plot.name: plot.svg.count("<circle") for plot in plots}
