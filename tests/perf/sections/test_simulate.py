"""The section of `perf.simulate`: a row and a line for each course."""

from perf.sections.simulate import describe, list_courses
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
