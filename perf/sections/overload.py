"""What `perf.overload` has measured: what gets through of more than can be done. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from perf.figures.findings import Report
from perf.figures.processes import OURSELVES, SERVER, WORKERS
from perf.figures.tables import Column, at, show, tabulate_markdown
from perf.generator.answers import IN_TIME_S
from perf.plots import Axis, Point, draw_lines
from perf.sections.section import Plot, Section

ENOUGH_SENT: Final = 0.95  # of what was wanted: with less the generator was held up, and a step is not what it says


def find_sent_factor(step: Mapping[str, Any]) -> float | None:
    """Return how many times capacity was really sent."""
    sent = step["sent"]
    return None if sent is None else float(step["factor"] * sent / step["offered"])


_FACTOR: Final = Column("times capacity", lambda step: f"{step['factor']:g}")
_OFFERED: Final = (
    Column("wanted/s", at("offered"), detail=True),
    Column("sent/s", at("sent"), detail=True),
    Column("sent, times capacity", find_sent_factor),
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
    Column("rounds", lambda step: len(step["goodputs"])),
    *_OFFERED,
    Column("in time/s", at("goodput")),
    Column("lowest round", lambda step: min(step["goodputs"])),
    Column("late", at("late")),
    Column("not let in", at("not_let_in")),
    Column("not answered", at("unanswered")),
    Column("let in: p50 ms", at("latency_ms", "p50")),
    Column("let in: p99 ms", at("latency_ms", "p99")),
    Column("from when due: p99 ms", at("latency_from_due_ms", "p99")),
    *_CPU,
)
CONNECTED: Final = (
    Column("clients wait s", at("timeout_s")),
    Column("clients", at("clients")),
    _FACTOR,
    *_OFFERED,
    Column("in/s", at("rate")),
    Column("in", at("admitted")),
    Column("not in", at("refused")),
    Column("tries", at("tries")),
    Column("gave up", at("given_up")),
    Column("seconds until all are in", at("seconds_until_all_in")),
    Column("until in: p50 ms", at("time_to_admitted_ms", "p50")),
    Column("until in: p99 ms", at("time_to_admitted_ms", "p99")),
    Column("from when due: p99 ms", lambda step: step.get("time_to_admitted_from_due_ms", {}).get("p99")),
    *_CPU,
)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    straight, connected = report["straight"], report["end_to_end"]
    lines = tell(straight, connected, tabulate_markdown)
    return Section("Overload", [Plot("overload", "what gets through", _draw(straight, connected))], lines)


def tell(straight: Report, connected: Report, tabulate: Callable[..., list[str]]) -> list[str]:
    """Return both tables, each with what is to be said above and below it."""
    lines = [*_say_capacity_straight(straight), "", *tabulate(STRAIGHT, straight["steps"])]
    below = [_say_rounds(straight["steps"]), _say_held_up(straight["steps"])]
    if connected:
        lines += [*_list_below(below), "", _say_capacity_connected(connected), ""]
        lines += tabulate(CONNECTED, connected["steps"])
        below = [_say_late(connected["steps"])]
    return lines + _list_below(below)


def _list_below(said: Sequence[str]) -> list[str]:
    return [line for text in said if text for line in ("", text)]


def is_held_up(step: Report) -> bool:
    """Tell whether less was sent than was wanted, so that a step is not as many times capacity as it says."""
    sent: float | None = step["sent"]
    return sent is not None and sent < ENOUGH_SENT * float(step["offered"])


def _say_held_up(steps: Sequence[Report]) -> str:
    """Say where fewer requests were sent than were wanted, and what that means; empty if there is no such step."""
    held_up = [step for step in steps if is_held_up(step)]
    if not held_up:
        return ""
    return (
        f"The generator was held up at {', at '.join(map(_say_lateness, held_up))}. Each request has the `exp` of when"
        " it was due: what left late had less of its two seconds, or nothing."
    )


def _say_lateness(step: Report) -> str:
    late = step["generator_behind_ms"]
    return (
        f"{step['factor']:g} times capacity ({step['sent'] / step['offered']:.0%} of what was wanted was sent,"
        f" late by {show(late['p50'])} ms in the median and {show(late['p99'])} ms at the p99, and for"
        f" {show(step['held_up_s'])} s nats-server took no more)"
    )


def _say_late(steps: Sequence[Report]) -> str:
    """Say in how many steps fewer clients came than were wanted; empty if in none."""
    late = sum(map(is_held_up, steps))
    if not late:
        return ""
    return (
        f"Single rounds. In {late} of {len(steps)} fewer came than were wanted: the generator, which shares its cores"
        ' with what it measures, started them late. How many times capacity came stands under "sent".'
    )


def _say_rounds(steps: Sequence[Report]) -> str:
    if not any(len(step["goodputs"]) > 1 for step in steps):
        return ""
    return (
        "Of several rounds the middle one counts, by what came in time; one in which the generator was held up is worse"
        " than any other."
    )


def _say_capacity_straight(straight: Report) -> list[str]:
    """Say what the factors of requests are of, and which of them were left out."""
    rates = straight["at_capacity"]["rates"]
    middle = f", the middle of {len(rates)} rounds from {min(rates):,.0f} to {max(rates):,.0f}" if rates[1:] else ""
    about = (
        f"Straight at the subject; capacity was {straight['capacity']:,.0f} requests/s{middle} {_say_shares(straight)}."
        f" In time/s: answers within {IN_TIME_S:g} s, over all of the time until the last answer, in which what has"
        " piled up is worked off too:"
    )
    left_out = straight["left_out"]
    return [f"{say_left_out(left_out).capitalize()}.", "", about] if left_out else [about]


def say_left_out(factors: Sequence[float]) -> str:
    """Say why some factors are not measured."""
    named = ", ".join(f"{factor:g}" for factor in factors)
    return f"left out: {named} times capacity takes more requests than are signed before; fewer --seconds take fewer"


def _say_capacity_connected(connected: Report) -> str:
    """Say what the factors of clients are of."""
    return (
        f"End to end, clients that try {connected['tries']} times at the most, and whose tokens are remembered;"
        f" capacity was {connected['capacity']:,.0f} connections/s {_say_shares(connected)}:"
    )


def _say_shares(part: Report) -> str:
    """Say who took the CPU while capacity was measured."""
    point = part["at_capacity"]
    others = point["others_share"]
    return f"(generator's share of the CPU {show(point['generator_share'])}, others' {show(others)})"


def _draw(straight: Report, connected: Report) -> str:
    lines = {f"at the subject: answers within {IN_TIME_S:g} s": _list_points(straight, "goodput")}
    for timeout in sorted({step["timeout_s"] for step in connected.get("steps", ())}):
        steps = [step for step in connected["steps"] if step["timeout_s"] == timeout]
        lines[f"end to end, clients that wait {timeout:g} s: connections"] = _list_points(
            {**connected, "steps": steps}, "rate"
        )
    title = "What gets through, in terms of capacity"
    return draw_lines(title, Axis("sent ÷ capacity"), Axis("got through ÷ capacity"), lines)


def _list_points(part: Report, figure: str) -> list[Point]:
    """Return how much got through of what was really sent, which may be less than the factor says."""
    capacity = part["capacity"]
    return sorted((step["sent"] / capacity, step[figure] / capacity) for step in part["steps"] if step["sent"])
