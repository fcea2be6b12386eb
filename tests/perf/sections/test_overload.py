"""The section of `perf.overload`: what got through, straight at the subject and end to end."""

from perf.figures.tables import tabulate
from perf.sections.overload import CONNECTED, STRAIGHT, describe
from tests.perf.sections.samples import DEPLOYED_CPU, LOCAL_CPU, make_overload, read_table

REPORT = make_overload(LOCAL_CPU)
SHARES = "(generator's share of the CPU 0.1, others' 0.05)"
END_TO_END = (
    "End to end, clients that try 30 times at the most, and whose tokens are remembered; capacity was"
    f" 1,000 connections/s {SHARES}:"
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
        read_table(lines[lines.index(END_TO_END) :], "clients wait s")[0],
    ):
        assert (row["sent, times capacity"], "0") == (row["times capacity"], row["generator late: p99 ms"])


def test_capacity_says_of_how_many_rounds_it_is() -> None:
    """If there were several, with the lowest and the highest."""
    capacity = {**REPORT["straight"]["at_capacity"], "rates": [3.0, 5.0, 4.0]}
    (first, *_) = describe({"straight": {**REPORT["straight"], "at_capacity": capacity}, "end_to_end": {}}).lines
    assert "capacity was 4 requests/s, the middle of 3 rounds from 3 to 5 (generator's" in first


def test_every_round_of_a_step_is_told() -> None:
    """How many there were, and the lowest beside the one that counts; which that is stands below the table."""
    step = {**REPORT["straight"]["steps"][0], "goodputs": [1.0, 0.5, 2.0]}
    lines = describe({"straight": {**REPORT["straight"], "steps": [step]}, "end_to_end": {}}).lines
    (row,) = read_table(lines, "times capacity")
    assert ("3", "1", "0.5") == (row["rounds"], row["in time/s"], row["lowest round"])
    assert lines[-1].startswith("Of several rounds the middle one counts")
    assert describe(ONLY_STRAIGHT).lines[-1].startswith("| 0.5 |")


def test_where_the_generator_was_held_up_is_said() -> None:
    """Of requests with how much was sent and how late, and that an `exp` counts from when one was due.

    Of clients in how many steps; how many came, and how late, stands in the table.
    """
    behind = {**REPORT["straight"]["steps"][0]["generator_behind_ms"], "p50": 5.5, "p99": 1250.0}
    held_up = {"factor": 4.0, "offered": 20.0, "sent": 16.0, "generator_behind_ms": behind}
    parts = {}
    for name in ("straight", "end_to_end"):
        (step,) = REPORT[name]["steps"]
        held_up_s = {"held_up_s": 1.25} if name == "straight" else {}
        parts[name] = {**REPORT[name], "steps": [step, {**step, **held_up, **held_up_s}]}
    lines = describe(parts).lines
    (requests,) = (line for line in lines if line.startswith("The generator was held up"))
    begin = "The generator was held up at 4 times capacity"
    said = "(80% of what was wanted was sent, late by 5.5 ms in the median and 1,250 ms at the p99"
    assert requests.startswith(f"{begin} {said}, and for 1.25 s nats-server took no more). Each request")
    assert lines[-1].startswith("Single rounds. In 1 of 2 fewer came than were wanted: the generator, ")
    assert not any("held up" in line or "fewer came" in line for line in describe(REPORT).lines)


def test_the_plot_is_by_what_was_sent() -> None:
    """What was wanted and not sent would look as if it had been borne."""
    (step,) = REPORT["straight"]["steps"]
    svgs = [
        describe({"straight": {**REPORT["straight"], "steps": [{**step, **more}]}, "end_to_end": {}}).plots[0].svg
        for more in ({}, {"factor": 8.0, "offered": 32.0}, {"sent": 4.0})
    ]
    assert svgs[0] == svgs[1] != svgs[2]
    assert "sent ÷ capacity" in svgs[0]


def test_a_step_says_what_became_of_requests() -> None:
    """In time, late and not answered, for so many times capacity."""
    (row,) = read_table(describe(ONLY_STRAIGHT).lines, "times capacity")
    assert ("0.5", "1", "1", "1") == tuple(
        row[head] for head in ("times capacity", "in time/s", "late", "not answered")
    )


def test_a_step_says_what_became_of_clients() -> None:
    """How often they tried, and when all were in."""
    lines = describe(REPORT).lines
    (row,) = read_table(lines[lines.index(END_TO_END) :], "clients wait s")
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
