"""What `perf.overload` has measured: what gets through of more than can be done. Pure."""

from typing import Final

from perf.command import Report
from perf.plots import Axis, Point, draw_lines
from perf.processes import OURSELVES
from perf.sections.section import Plot, Section
from perf.tables import Column, at, tabulate_markdown
from perf.target import SERVER, WORKERS

_FACTOR: Final = Column("times capacity", lambda step: f"{step['factor']:g}")
_OFFERED: Final = Column("offered/s", at("offered"))
_CPU: Final = (
    Column("server s", at("cpu_s", SERVER), detail=True),
    Column("workers s", at("cpu_s", WORKERS), detail=True),
    Column("generator s", at("cpu_s", OURSELVES), detail=True),
    Column("generator's share of the CPU", at("generator_share")),
    Column("others' share", at("others_share")),
)
STRAIGHT: Final = (
    _FACTOR,
    _OFFERED,
    Column("in time/s", at("goodput")),
    Column("late", at("late")),
    Column("not let in", at("not_let_in")),
    Column("not answered", at("unanswered")),
    Column("p50 ms", at("latency_ms", "p50")),
    Column("p99 ms", at("latency_ms", "p99")),
    *_CPU,
)
CONNECTED: Final = (
    _FACTOR,
    _OFFERED,
    Column("in/s", at("rate")),
    Column("in", at("admitted")),
    Column("refused", at("refused")),
    Column("tries", at("tries")),
    Column("seconds until all are in", at("seconds_until_all_in")),
    Column("p50 ms", at("time_to_admitted_ms", "p50"), detail=True),
    Column("p99 ms", at("time_to_admitted_ms", "p99"), detail=True),
    *_CPU,
)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    straight, connected = report["straight"], report["end_to_end"]
    lines = [say_capacity_straight(straight), "", *tabulate_markdown(STRAIGHT, straight["steps"])]
    if connected:
        lines += ["", say_capacity_connected(connected), "", *tabulate_markdown(CONNECTED, connected["steps"])]
    return Section("Overload", [Plot("overload", "what gets through", _draw(straight, connected))], lines)


def say_capacity_straight(straight: Report) -> str:
    """Say what the factors of requests are of."""
    return (
        f"Straight at the subject; capacity was {straight['capacity']:,.0f} requests/s. In time/s: answers within"
        " 1.5 s, over all of the time until the last answer, in which what has piled up is worked off too:"
    )


def say_capacity_connected(connected: Report) -> str:
    """Say what the factors of clients are of."""
    return (
        f"End to end, {connected['steps'][0]['clients']:,} clients with retry; capacity was"
        f" {connected['capacity']:,.0f} connections/s:"
    )


def _draw(straight: Report, connected: Report) -> str:
    lines: dict[str, list[Point]] = {
        "at the subject: answers within 1.5 s": [
            (step["factor"], step["goodput"] / straight["capacity"]) for step in straight["steps"]
        ]
    }
    if connected:
        lines["end to end, with retry: connections"] = [
            (step["factor"], step["rate"] / connected["capacity"]) for step in connected["steps"]
        ]
    title = "What gets through, in terms of capacity"
    return draw_lines(title, Axis("offered ÷ capacity"), Axis("got through ÷ capacity"), lines)
