"""The section of `perf.scale`: a row and a place on each axis for each number of ServiceAccounts."""

import pytest

from perf import scale
from perf.sections.scale import DECISIONS, READINESS, describe
from tests.perf.sections.samples import make_point, make_scale, read_table

REPORT = {"churn": 1000, "rows": [make_scale(1000), make_scale(100_000)]}


def test_a_row_tells_what_there_is() -> None:
    """Of a set-up that was started here everything is known."""
    rows = read_table(describe(REPORT).lines, "ServiceAccounts")
    assert ["1,000", "100,000"] == [row["ServiceAccounts"] for row in rows]
    assert ("1.5", "2.5") == (rows[0]["change p50 ms"], rows[0]["change p99 ms"])
    assert "-" not in rows[0].values()
    weighed = [rows[0][f"worker MiB, {when}"] for when in ("before any request", "after the load")]
    assert ["30", "31"] == weighed


def test_decisions_are_told_at_rest_and_while_changing() -> None:
    """With all that a rate cannot be read without: both loads, who was lost, the shares of generator and others."""
    rows = read_table(describe(REPORT).lines, "decisions")
    states = [f"{number}, {state}" for number in ("1,000", "100,000") for state in ("at rest", "while changing")]
    assert states == [row.pop("decisions") for row in rows]
    common = {
        "full load: let in, p50 ms": "1.5",
        "full load: let in, p99 ms": "2.5",
        "at one rate: wanted/s": "2,500",
        "at one rate: let in, p50 ms": "1.5",
        "at one rate: let in, p99 ms": "2.5",
        "at one rate: from when due, p99 ms": "3.25",
        "at one rate: worst round, p99 ms": "2.5",
        "not let in": "0",
        "not answered": "0",
        "worker µs": "0.5",
        "generator's share": "0.1",
        "others' share": "0.2",
    }
    share = "at one rate: share of full load"
    assert {"changes/s": "0", "full load: decisions/s": "6,000", share: "0.417", **common} == rows[0]
    assert {"changes/s": "1,000", "full load: decisions/s": "4,000", share: "0.625", **common} == rows[1]


def test_what_was_lost_at_either_load_is_counted() -> None:
    """Refused or not answered."""
    row = {**make_scale(1000), "at_rest_half_load": make_point("half load", None, allowed=7, unanswered=3)}
    row["while_changing"] = make_point("changing", allowed=8, unanswered=1)
    at_rest, changing = read_table(describe({"churn": 1, "rows": [row]}).lines, "decisions")
    assert ("2", "3") == (at_rest["not let in"], at_rest["not answered"])
    assert ("1", "1") == (changing["not let in"], changing["not answered"])


def test_a_terminal_shows_the_same_tables() -> None:
    """And what only they hold beside these: the time from sending, and the goals of what was started here."""
    report = {"churn": 1, "rows": [make_scale(1000)]}
    lines = scale.render(report)
    assert len(lines) == len(["heads", "row", "", "heads", "at rest", "changing"])
    for columns, heads in ((READINESS, lines[0]), (DECISIONS, lines[3])):
        assert "  ".join(column.head for column in columns).split() == heads.split()
    assert {column.head for column in (*READINESS, *DECISIONS) if column.detail} == {
        "at one rate: sent/s",
        "at one rate: generator late, p99 ms",
        "known after s",
        "from sending: p50 ms",
        "from sending: p99 ms",
    }
    assert "in terms of goals" in "\n".join(scale.render({**report, "workers": 2}))


@pytest.mark.parametrize(("numbers", "growth"), [((1000,), None), ((1000, 100_000), 0.0)])
def test_growth_takes_two_numbers_of_serviceaccounts(numbers: tuple[int, ...], growth: float | None) -> None:
    """From one of them nothing is known of it, which is not 0."""
    goals = scale.find_goals({"rows": [make_scale(number) for number in numbers]})
    assert growth == goals["growth of the worker with ServiceAccounts, MiB"]


def test_the_rate_of_changes_that_was_wanted_is_told() -> None:
    """Beside the one that it came to; and which of several rounds counts, with what was lost in all of them."""
    last = describe(REPORT).lines[-1]
    assert last.startswith("While changing: 1,000 changes of ServiceAccounts a second were wanted. ")
    assert "The one rate is half of what was decided at rest with the fewest of them." in last
    assert "It has one round. Requests that were refused or not answered, in all of these: 0." in last
    row = {**make_scale(1000), "at_rest_half_load": make_point("half load", None, rates=[1.0] * 3, lost=[0, 2, 3])}
    last = describe({"churn": 1, "rows": [row]}).lines[-1]
    assert "It has 3 rounds, of which the middle one counts" in last
    assert last.endswith(" in all of these: 5.")


def test_every_number_has_its_points() -> None:
    """Three kinds of memory, two rates, and two percentiles of each."""
    plots = describe(REPORT).plots
    expected = {"scale-memory": 3 * 2, "scale-rate": 2 * 2, "scale-latency": 4 * 2}
    assert expected == {plot.name: plot.svg.count("<circle") for plot in plots}
