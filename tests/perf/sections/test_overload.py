"""The section of `perf.overload`: what got through, straight at the subject and end to end."""

from perf.sections.overload import CONNECTED, STRAIGHT, describe
from perf.tables import tabulate
from tests.perf.sections.samples import DEPLOYED_CPU, LOCAL_CPU, make_overload, read_table

REPORT = make_overload(LOCAL_CPU)
SHARES = "(generator's share of the CPU 0.1, others' 0.05)"
END_TO_END = (
    f"End to end, 2 clients with retry, whose tokens are remembered; capacity was 1,000 connections/s {SHARES}:"
)
ONLY_STRAIGHT = {**REPORT, "end_to_end": {}}


def test_both_ways_have_their_capacity() -> None:
    """It is what the factors are of, and how far it can be believed stands beside it."""
    lines = describe(REPORT).lines
    assert any(
        line.startswith(f"Straight at the subject; capacity was 4 requests/s {SHARES}. In time") for line in lines
    )
    assert END_TO_END in lines


def test_what_was_left_out_is_said() -> None:
    """In a line before the table; nothing else is called by its name."""
    straight = {**REPORT["straight"], "left_out": [6.0, 8.0]}
    first = describe({"straight": straight, "end_to_end": {}}).lines[0]
    assert first.startswith("Left out: 6, 8 times capacity takes more requests than are signed before")
    assert not any(line.startswith("Left out") for line in describe(REPORT).lines)


def test_what_was_sent_stands_beside_what_was_wanted() -> None:
    """Of requests and of clients, with how late the generator was."""
    lines = describe(REPORT).lines
    for row in (
        read_table(lines, "times capacity")[0],
        read_table(lines[lines.index(END_TO_END) :], "times capacity")[0],
    ):
        assert ("2", "0") == (row["sent/s"], row["generator late: p99 ms"])


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
