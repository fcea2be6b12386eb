"""What `perf.load` has measured: rate and latency by requests in flight, workers and replicas. Pure."""

from typing import Final

from perf.command import Report
from perf.plots import Axis, Point, draw_lines
from perf.processes import OURSELVES
from perf.sections.section import Plot, Section
from perf.tables import Column, at, tabulate_markdown
from perf.target import SERVER, WORKERS

POINTS: Final = (
    Column("replicas", lambda point: point.get("replicas")),  # of what is deployed neither is known
    Column("workers of each", lambda point: point.get("workers")),
    Column("tokens", at("tokens")),
    Column("in flight", lambda point: point["window"] or f"{point['offered']}/s offered"),
    Column("decisions/s", at("rate")),
    Column("slowest round", lambda point: min(point.get("rates", [point["rate"]]))),
    Column("p50 ms", at("latency_ms", "p50")),
    Column("p99 ms", at("latency_ms", "p99")),
    Column("p99.9 ms", at("latency_ms", "p999")),
    Column("not let in", lambda point: point["answered"] - point["allowed"], detail=True),
    Column("not answered", at("unanswered"), detail=True),
    Column("worker µs", at("cpu_us_per_request", WORKERS)),
    Column("server µs", at("cpu_us_per_request", SERVER)),
    Column("generator µs", at("cpu_us_per_request", OURSELVES)),
    Column("its share of the CPU", at("generator_share")),
    Column("others' share", at("others_share")),
)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    points = report["points"]
    lost = sum(point["unanswered"] + point["answered"] - point["allowed"] for point in points)
    about = (
        f"Requests that were refused or not answered, of all of these: {lost}. Of several rounds the one counts"
        " in which requests cost the workers least, and where a rate was offered the one with the lowest p99."
    )
    return Section(
        "Requests straight to the subject",
        [*_draw_windows(points), _draw_replicas(points)],
        [*tabulate_markdown(POINTS, points), "", about],
    )


def _draw_windows(points: list[Report]) -> list[Plot]:
    rates: dict[str, list[Point]] = {}
    latencies: dict[str, list[Point]] = {}
    for point in points:
        if point["series"] == "windows":
            who = f"{point['workers']} workers" if point["workers"] > 1 else "1 worker"
            rates.setdefault(who, []).append((point["window"], point["rate"]))
            for share in ("p50", "p99"):
                latencies.setdefault(f"{who}, {share}", []).append((point["window"], point["latency_ms"][share]))
    across = Axis("requests in flight", logarithmic=True)
    rate = draw_lines("Decisions a second, by requests in flight", across, Axis("decisions/s"), rates)
    latency = draw_lines("Time to the answer, by requests in flight", across, Axis("ms", logarithmic=True), latencies)
    return [Plot("load-rate", "load-rate", rate), Plot("load-latency", "load-latency", latency)]


def _draw_replicas(points: list[Report]) -> Plot:
    line = [(point["replicas"], point["rate"]) for point in points if point["series"] == "replicas"]
    drawn = draw_lines(
        "Decisions a second, by replicas of one worker",
        Axis("replicas"),
        Axis("decisions/s"),
        {"two cores for all of it": line},
    )
    return Plot("load-replicas", "load-replicas", drawn)
