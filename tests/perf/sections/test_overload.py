"""The section of `perf.overload`: what got through, straight at the subject and end to end."""

from perf.sections.overload import CONNECTED, STRAIGHT, describe
from perf.tables import tabulate
from tests.perf.sections.samples import DEPLOYED_CPU, LOCAL_CPU, make_overload, read_table

REPORT = make_overload(LOCAL_CPU)
END_TO_END = "End to end, 2 clients with retry; capacity was 1,000 connections/s:"
ONLY_STRAIGHT = {**REPORT, "end_to_end": {}}


def test_both_ways_have_their_capacity() -> None:
    """It is what the factors are of."""
    lines = describe(REPORT).lines
    assert any(line.startswith("Straight at the subject; capacity was 4 requests/s.") for line in lines)
    assert END_TO_END in lines


def test_a_step_says_what_became_of_requests() -> None:
    """In time, late and not answered, for so many times capacity."""
    (row,) = read_table(describe(ONLY_STRAIGHT).lines, "times capacity")
    assert ("0.5", "1", "1", "1") == tuple(
        row[head] for head in ("times capacity", "in time/s", "late", "not answered")
    )


def test_a_step_says_what_became_of_clients() -> None:
    """How often they tried, and when all were in."""
    lines = describe(REPORT).lines
    (row,) = read_table(lines[lines.index(END_TO_END) :], "times capacity")
    assert ("3", "2", "3", "1") == tuple(
        row[head] for head in ("times capacity", "in", "tries", "seconds until all are in")
    )


def test_end_to_end_may_be_left_out() -> None:
    """Then there is one table, and one line in the plot."""
    section, both = describe(ONLY_STRAIGHT), describe(REPORT)
    assert not any(line.startswith("End to end") for line in section.lines)
    assert [1, 2] == [one.plots[0].svg.count("<polyline") for one in (section, both)]


def test_who_runs_it_sees_the_cpu_of_each() -> None:
    """As far as it is known: of a deployed set-up the generator's alone."""
    report = make_overload(DEPLOYED_CPU)
    for columns, part in ((STRAIGHT, "straight"), (CONNECTED, "end_to_end")):
        heads, cells = tabulate(columns, report[part]["steps"])
        assert "server s  workers s  generator s" in heads
        assert ["-", "-", "0.25"] == cells.split()[-5:-2]
