"""What `perf.simulate` has reckoned: peaks of logins in each course, and the whole hour as a plot. Pure."""

from typing import Final

from perf.figures.findings import Report
from perf.figures.tables import Column, at, tabulate_markdown
from perf.plots import Axis, draw_lines
from perf.sections.section import Plot, Section

MINUTE_S: Final = 60
WITH_JITTER: Final = "with jitter"
LAME_DUCK: Final = "with jitter and lame duck mode"
COURSES: Final = (
    Column("course", at("course")),
    Column("peak logins/s: in the beginning", at("peak_beginning")),
    Column("then until the restarts", at("peak_before_restarts")),
    Column("then in all", at("peak_asking")),
    Column("refusals", at("refusals")),
    Column("seconds above capacity", at("seconds_above_capacity")),
    Column("least connected", at("least_connected")),
)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    first, *rest = say_fleet(report)
    return Section(
        "A million clients over an hour",
        [Plot("simulation", "logins a second", _draw(report))],
        [f"Reckoned, not measured: {first}", *rest, "", *tabulate_markdown(COURSES, list_courses(report))],
    )


def say_fleet(report: Report) -> list[str]:
    """Say what was reckoned with, and where the beginning is to be found."""
    clients, ttl, capacity, spread = (report[name] for name in ("clients", "ttl", "capacity", "spread"))
    return [
        f"{clients:,} clients, logins of {ttl:,} s, {capacity:,.0f} logins/s decided, {_say_restarts(report)}.",
        f"In the beginning all come in, within {spread:,} s. The first column of figures is of the first",
        f"{spread * 2:,} s alone, and all others are of what comes after.",
    ]


def list_courses(report: Report) -> list[Report]:
    """Return a row for each course: what was found of it, and its name."""
    return [{"course": name, **found} for name, found in report["courses"].items()]


def _say_restarts(report: Report) -> str:
    servers, begin, seconds = report["servers"], report["restarts_at"], _count_seconds(report)
    if not 0 <= begin < seconds:
        return f"none of the {servers:,} nats-servers restarted in {seconds:,} s"
    when = f"second {begin:,} (minute {begin / MINUTE_S:.3g})"
    return f"{servers:,} nats-servers restarted one by one from {when} on, every {report['restart_every']:,} s"


def _count_seconds(report: Report) -> int:
    return max((len(found["asking"]) for found in report["courses"].values()), default=0)


def _draw(report: Report) -> str:
    lines = {
        name: [(second / MINUTE_S, max(value, 1.0)) for second, value in enumerate(found["asking"])]
        for name, found in report["courses"].items()
    }
    end, capacity = max(_count_seconds(report) - 1, 1) / MINUTE_S, float(report["capacity"])
    lines["what is decided a second"] = [(0.0, capacity), (end, capacity)]
    dashed = [WITH_JITTER, LAME_DUCK]  # until the first restart they are the same, and all three in the beginning
    title = f"Logins asked for a second, {report['clients']:,} clients"
    up = Axis("logins/s", logarithmic=True)
    return draw_lines(title, Axis("minutes"), up, lines, marks=False, dashed=dashed)
