"""What `perf.simulate` has reckoned: peaks of logins in each course, and the whole hour as a plot. Pure."""

from typing import Final

from perf.command import Report
from perf.plots import Axis, draw_lines
from perf.sections.section import Plot, Section
from perf.tables import Column, at, tabulate_markdown

COURSES: Final = (
    Column("course", at("course")),
    Column("peak logins/s before the restarts", at("peak_before_restarts")),
    Column("peak logins/s", at("peak_asking")),
    Column("refusals", at("refusals")),
    Column("seconds above capacity", at("seconds_above_capacity")),
    Column("least connected", at("least_connected")),
)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    about = (
        f"Reckoned, not measured: {report['clients']:,} clients, logins of {report['ttl']} s, {report['capacity']:,.0f}"
        f" logins/s decided, {report['servers']} nats-servers restarted one by one from second"
        f" {report['restarts_at']} on."
    )
    return Section(
        "A million clients over an hour",
        [Plot("simulation", "logins a second", _draw(report))],
        [about, "", *tabulate_markdown(COURSES, list_courses(report))],
    )


def list_courses(report: Report) -> list[Report]:
    """Return a row for each course: what was found of it, and its name."""
    return [{"course": name, **found} for name, found in report["courses"].items()]


def _draw(report: Report) -> str:
    lines = {
        name: [(float(second), max(value, 1.0)) for second, value in enumerate(found["asking"])]
        for name, found in report["courses"].items()
    }
    seconds = max((len(line) for line in lines.values()), default=0)
    capacity = float(report["capacity"])
    lines["what is decided a second"] = [(0.0, capacity), (float(max(seconds - 1, 1)), capacity)]
    title = f"Logins asked for a second, {report['clients']:,} clients"
    return draw_lines(title, Axis("seconds"), Axis("logins/s", logarithmic=True), lines, marks=False)
