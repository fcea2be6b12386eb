"""The section of `perf.simulate`: a row and a line for each course."""

import re

from perf.sections.simulate import describe, list_courses
from perf.simulate import parse, reckon
from tests.perf.sections.samples import make_results, read_table

REPORT = make_results()["simulate"]


def test_every_course_has_a_row() -> None:
    """With what was found of it."""
    rows = read_table(describe(REPORT).lines, "course")
    assert list(REPORT["courses"]) == [row["course"] for row in rows]
    assert [found["refusals"] for found in list_courses(REPORT)] == [int(row["refusals"]) for row in rows]


def test_it_does_not_pass_for_a_measurement() -> None:
    """The first words below the plot."""
    assert describe(REPORT).lines[0].startswith("Reckoned, not measured: 100 clients")


def test_courses_stand_beside_what_is_decided() -> None:
    """A line for each, and one for the capacity."""
    (plot,) = describe(REPORT).plots
    assert len(REPORT["courses"]) + 1 == plot.svg.count("<polyline")
    assert "what is decided a second" in plot.svg


def test_the_hour_is_as_wide_as_the_plot() -> None:
    """In minutes, to the last of them and no further."""
    (plot,) = describe(reckon(parse(["--clients=100"]))).plots
    assert ["0", "10", "20", "30", "40", "50", "60", "minutes"] == re.findall(r">([^<>]+)</text>", plot.svg)[-13:-5]


def test_courses_that_are_the_same_can_both_be_seen() -> None:
    """Those with jitter are, until the first restart: they are dashed, the one without and the capacity are not."""
    (plot,) = describe(REPORT).plots
    assert 2 == plot.svg.count("stroke-dasharray")
