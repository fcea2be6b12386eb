"""What `perf.overload` has measured: what gets through of more than can be done. Pure."""

from collections.abc import Sequence
from typing import Final

from perf.answers import IN_TIME_S
from perf.plots import Axis, Point, draw_lines
from perf.processes import OURSELVES
from perf.reports import Report
from perf.sections.section import Plot, Section
from perf.tables import Column, at, show, tabulate_markdown
from perf.target import SERVER, WORKERS

_FACTOR: Final = Column("times capacity", lambda step: f"{step['factor']:g}")
_OFFERED: Final = (
    Column("wanted/s", at("offered")),
    Column("sent/s", at("sent")),
    Column("generator late: p99 ms", at("generator_behind_ms", "p99")),
)
_CPU: Final = (
    Column("server s", at("cpu_s", SERVER), detail=True),
    Column("workers s", at("cpu_s", WORKERS), detail=True),
    Column("generator s", at("cpu_s", OURSELVES), detail=True),
    Column("generator's share of the CPU", at("generator_share")),
    Column("others' share", at("others_share")),
)
STRAIGHT: Final = (
    _FACTOR,
    *_OFFERED,
    Column("in time/s", at("goodput")),
    Column("late", at("late")),
    Column("not let in", at("not_let_in")),
    Column("not answered", at("unanswered")),
    Column("let in: p50 ms", at("latency_ms", "p50")),
    Column("let in: p99 ms", at("latency_ms", "p99")),
    *_CPU,
)
CONNECTED: Final = (
    _FACTOR,
    *_OFFERED,
    Column("in/s", at("rate")),
    Column("in", at("admitted")),
    Column("refused", at("refused")),
    Column("tries", at("tries")),
    Column("seconds until all are in", at("seconds_until_all_in")),
    Column("until in: p50 ms", at("time_to_admitted_ms", "p50"), detail=True),
    Column("until in: p99 ms", at("time_to_admitted_ms", "p99"), detail=True),
    *_CPU,
)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    straight, connected = report["straight"], report["end_to_end"]
    lines = [*say_capacity_straight(straight), "", *tabulate_markdown(STRAIGHT, straight["steps"])]
    if connected:
        lines += ["", say_capacity_connected(connected), "", *tabulate_markdown(CONNECTED, connected["steps"])]
    return Section("Overload", [Plot("overload", "what gets through", _draw(straight, connected))], lines)


def say_capacity_straight(straight: Report) -> list[str]:
    """Say what the factors of requests are of, and which of them were left out."""
    about = (
        f"Straight at the subject; capacity was {straight['capacity']:,.0f} requests/s {_say_shares(straight)}. In"
        f" time/s: answers within {IN_TIME_S:g} s, over all of the time until the last answer, in which what has piled"
        " up is worked off too:"
    )
    left_out = straight["left_out"]
    return [f"{say_left_out(left_out).capitalize()}.", "", about] if left_out else [about]


def say_left_out(factors: Sequence[float]) -> str:
    """Say why some factors are not measured."""
    named = ", ".join(f"{factor:g}" for factor in factors)
    return f"left out: {named} times capacity takes more requests than are signed before; fewer --seconds take fewer"


def say_capacity_connected(connected: Report) -> str:
    """Say what the factors of clients are of."""
    return (
        f"End to end, {connected['clients']:,} clients with retry, whose tokens are remembered; capacity was"
        f" {connected['capacity']:,.0f} connections/s {_say_shares(connected)}:"
    )


def _say_shares(part: Report) -> str:
    """Say who took the CPU while capacity was measured."""
    point = part["at_capacity"]
    others = point["others_share"]
    return f"(generator's share of the CPU {show(point['generator_share'])}, others' {show(others)})"


def _draw(straight: Report, connected: Report) -> str:
    lines: dict[str, list[Point]] = {
        f"at the subject: answers within {IN_TIME_S:g} s": [
            (step["factor"], step["goodput"] / straight["capacity"]) for step in straight["steps"]
        ]
    }
    if connected:
        lines["end to end, with retry: connections"] = [
            (step["factor"], step["rate"] / connected["capacity"]) for step in connected["steps"]
        ]
    title = "What gets through, in terms of capacity"
    return draw_lines(title, Axis("offered ÷ capacity"), Axis("got through ÷ capacity"), lines)
