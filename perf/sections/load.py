"""What `perf.load` has measured: rate and latency by requests in flight, workers and replicas. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from perf.figures.findings import MACHINE, Report
from perf.figures.processes import OURSELVES, SERVER, WORKERS
from perf.figures.tables import Column, at, show, tabulate_markdown
from perf.plots import Axis, Point, draw_lines
from perf.sections.repeats import find_slowest, find_worst_p99, say_rounds
from perf.sections.section import Plot, Section


def _find_lateness(point: Mapping[str, Any]) -> object:
    """Return how late the generator was, if requests had a time of their own: else each leaves when it may."""
    return "" if point["window"] else point["generator_behind_ms"]["p99"]


def _find_from_due(point: Mapping[str, Any]) -> object:
    """Return the p99 from when requests were due, if they had a time of their own."""
    return "" if point["window"] else point["latency_from_due_ms"]["p99"]


POINTS: Final = (
    Column("replicas", lambda point: point.get("replicas")),  # of what is deployed neither is known
    Column("workers of each", lambda point: point.get("workers")),
    Column("tokens", at("tokens")),
    Column("in flight", lambda point: point["window"] or f"{point['offered']}/s offered"),
    Column("decisions/s", at("rate")),
    Column("slowest round", find_slowest),
    Column("sent/s", at("sent"), detail=True),
    Column("let in: p50 ms", at("latency_ms", "p50")),
    Column("let in: p99 ms", at("latency_ms", "p99")),
    Column("worst round: p99 ms", find_worst_p99),
    Column("let in: p99.9 ms", at("latency_ms", "p999")),
    Column("generator late: p99 ms", _find_lateness),
    Column("from when due: p99 ms", _find_from_due),
    Column("not let in", lambda point: point["answered"] - point["allowed"], detail=True),
    Column("not answered", at("unanswered"), detail=True),
    Column("worker µs", at("cpu_us_per_request", WORKERS)),
    Column("server µs", at("cpu_us_per_request", SERVER)),
    Column("generator µs", at("cpu_us_per_request", OURSELVES)),
    Column("generator's share of the CPU", at("generator_share")),
    Column("others' share", at("others_share")),
)
FIRST_SEEN_ROUNDS: Final = 2  # times as long as another round one may last in which each token is asked about once
_PERCENTILES: Final = ("p50", "p99")


def describe(report: Report) -> Section:
    """Return the section of the report."""
    points = report["points"]
    cores = report.get(MACHINE, {}).get("cores")
    return Section(
        "Requests straight to the subject",
        [*_draw_windows(points), *_draw_workers(points), *_draw_replicas(points, cores)],
        [
            *tabulate_markdown(POINTS, points),
            "",
            say_rounds(points, "Each point has"),
            "",
            f"{_say_duration(report)} {_say_set_ups(points)}".rstrip(),
            *_say_in_process(report),
        ],
    )


def _say_duration(report: Report) -> str:
    once = ""
    if "first_seen" in report:
        once = (
            f", and with tokens first seen as long as it takes to ask about {report['first_seen']:,} of them once, at"
            f" most {FIRST_SEEN_ROUNDS * report['seconds']:g} s"
        )
    return f"A round lasts {report['seconds']:g} s{once}."


def _say_set_ups(points: list[Report]) -> str:
    """Say why two rows of the same numbers may differ, if there are such rows."""
    if all(point["series"] != "replicas" for point in points):
        return ""
    return (
        "Replicas, each number of workers, and tokens first seen have set-ups of their own, minutes apart: rows that"
        " say the same differ by what the machine gave then."
    )


def _say_in_process(report: Report) -> list[str]:
    """Say what the goals of requests are reckoned with; nothing of what is deployed."""
    costs = report.get("in_process")
    if not costs:
        return []
    said = "; ".join(
        f"{show(cost['whole'])} µs with a token {token}, of which bare cryptography {show(cost['bare'])}"
        for token, cost in costs.items()
    )
    return [
        "",
        f"In process a decision took, measured just before: {said}. The goals of requests are in terms of these.",
    ]


def _draw_windows(points: list[Report]) -> list[Plot]:
    rates: dict[str, list[Point]] = {}
    latencies: dict[str, list[Point]] = {}
    for point in points:
        if point["series"] == "windows":
            who = f"{point['workers']} workers" if point["workers"] > 1 else "1 worker"
            rates.setdefault(who, []).append((point["window"], point["rate"]))
            for share in _PERCENTILES:
                latencies.setdefault(f"{who}, {share}", []).append((point["window"], point["latency_ms"][share]))
    across = Axis("requests in flight", logarithmic=True)
    return _draw_both(("load-rate", "load-latency"), "by requests in flight", across, rates, latencies)


def _draw_workers(points: list[Report]) -> list[Plot]:
    """Draw what tokens first seen and remembered have in common: as many in flight."""
    steady = {point["window"] for point in points if point["series"] == "tokens"}
    rates: dict[str, list[Point]] = {}
    latencies: dict[str, list[Point]] = {}
    for point in points:
        if point["series"] in {"windows", "tokens"} and point["window"] in steady:
            tokens = point["tokens"]
            rates.setdefault(tokens, []).append((point["workers"], point["rate"]))
            for share in _PERCENTILES:
                latencies.setdefault(f"{tokens}, {share}", []).append((point["workers"], point["latency_ms"][share]))
    about = f"by workers, {', '.join(map(str, steady))} in flight"
    return _draw_both(("load-workers", "load-workers-latency"), about, Axis("workers"), rates, latencies)


def _draw_replicas(points: list[Report], cores: int | None) -> list[Plot]:
    own = [point for point in points if point["series"] == "replicas"]
    machine = f"{cores} cores" if cores else "the same cores"
    rates: dict[str, list[Point]] = {f"{machine} for all of it": [(point["replicas"], point["rate"]) for point in own]}
    latencies: dict[str, list[Point]] = {
        share: [(point["replicas"], point["latency_ms"][share]) for point in own] for share in _PERCENTILES
    }
    return _draw_both(
        ("load-replicas", "load-replicas-latency"), "by replicas of one worker", Axis("replicas"), rates, latencies
    )


def _draw_both(
    names: tuple[str, str], by: str, across: Axis, rates: dict[str, list[Point]], latencies: dict[str, list[Point]]
) -> list[Plot]:
    """Draw rate and latency over the same axis."""
    rate, latency = f"Decisions a second, {by}", f"Time to the answer, {by}"
    return [
        Plot(names[0], rate, draw_lines(rate, across, Axis("decisions/s"), rates)),
        Plot(names[1], latency, draw_lines(latency, across, Axis("ms", logarithmic=True), latencies)),
    ]
