"""What `perf.soak` has measured, in a few words: a run of a minute has no curve worth a plot. Pure."""

from collections.abc import Mapping, Sequence
from typing import Final

from perf.figures.findings import Report
from perf.figures.summary import percentile
from perf.figures.tables import Column, at, markdown_table, show
from perf.sections.section import Section

MINUTES: Final = 60  # in an hour
MIN_FITTED_HOURS: Final = 0.5  # that growth by the hour is told from: of a minute it would be seventy times the noise
ROWS: Final = (
    Column("hours", lambda row: f"{row['hours']:.3f}"),
    Column("answered", at("answered")),
    Column("not let in", at("not_let_in")),
    Column("not answered", at("unanswered")),
    Column("let in: p50 ms", at("latency_ms", "p50")),
    Column("let in: p99 ms", at("latency_ms", "p99")),
    Column("from when due: p99 ms", at("latency_from_due_ms", "p99")),
    Column("supervisor MiB", at("supervisor_mib")),
    Column("workers MiB", at("workers_mib")),
    Column("warnings", at("warnings")),
    Column("reconnects", at("reconnects")),
    Column("restarts", at("restarts")),
    Column("paused before s", at("pause_s")),
)
_SLOPES: Final = {
    "workers_mib_per_hour": "memory of the workers, MiB",
    "supervisor_mib_per_hour": "memory of the supervisor, MiB",
    "p50_ms_per_hour": "median latency, ms",
}


def describe(report: Report) -> Section:
    """Return the section of the report; of what is deployed neither memory nor log is known."""
    rows = report["rows"]
    first, last = rows[0], rows[-1]
    answered = sum(row["answered"] for row in rows)
    lost = sum(row["unanswered"] + row["not_let_in"] for row in rows)
    about = (
        f"{last['hours'] * MINUTES:.1f} minutes at {report['rate']:,} requests/s: {answered:,} answered, {lost} lost or"
        f" refused{_say_log(rows)}.{_say_pauses(rows)}"
    )
    lines = [about if last["hours"] >= 1 else f"{about} What hours do, `python -m perf.soak --hours 8` tells."]
    if len(rows) == 1:
        return Section("Soak", [], lines)
    ends = {"workers_mib": "MiB of the workers", "supervisor_mib": "MiB of the supervisor"}
    weighed = [
        (f"{about}, first and last", f"{first[name]:.1f}, {last[name]:.1f}")
        for name, about in ends.items()
        if None not in (first.get(name), last.get(name))
    ]
    p50s = [row["latency_ms"]["p50"] for row in (first, last)]
    weighed.append(("median latency, first and last interval, ms", ", ".join(map(show, p50s))))
    if tells_growth(rows):
        slopes = [(name, value) for name, value in list_slopes(report["slopes"]) if value is not None]
        lines += ["", *markdown_table((say_fitted(rows), "is"), [*slopes, *weighed])]
    else:
        lines += ["", say_too_short(rows), "", *markdown_table(("at both ends", "is"), weighed)]
    return Section("Soak", [], lines)


def list_slopes(slopes: Mapping[str, float | None]) -> list[tuple[str, float | None]]:
    """Return what grew, and by how much in an hour; None for what was not measured."""
    return [(about, slopes[name]) for name, about in _SLOPES.items()]


def tells_growth(rows: Sequence[Report]) -> bool:
    """Tell whether intervals go over long enough a time for growth by the hour."""
    return _find_span(rows) >= MIN_FITTED_HOURS


def say_fitted(rows: Sequence[Report]) -> str:
    """Say what slopes are, and over how long they were fitted if that is less than what they are of."""
    span = _find_span(rows)
    over = "" if span >= 1 else f", from {span * MINUTES:.3g} minutes alone"
    return f"growth by the hour{over}"


def say_too_short(rows: Sequence[Report]) -> str:
    """Say why no growth by the hour is told."""
    minutes, least = _find_span(rows) * MINUTES, MIN_FITTED_HOURS * MINUTES
    return (
        f"Of growth by the hour {minutes:.3g} minutes tell nothing but noise; it is told from {least:.3g} minutes on."
    )


def _find_span(rows: Sequence[Report]) -> float:
    """Return the hours from the first interval to the last."""
    return float(rows[-1]["hours"] - rows[0]["hours"])


def _say_pauses(rows: Sequence[Report]) -> str:
    pauses = sorted(row["pause_s"] for row in rows if row["pause_s"] is not None)
    if not pauses:
        return ""
    return (
        f" Between two intervals nothing was sent for {show(percentile(pauses, 0.5))} s in the median: answers were"
        " looked into, and the requests of the next one signed."
    )


def _say_log(rows: Sequence[Report]) -> str:
    if "restarts" not in rows[-1]:
        return ""
    reconnects, warnings = (sum(row[name] for row in rows) for name in ("reconnects", "warnings"))
    return f", {reconnects} reconnects, {warnings} warnings, {rows[-1]['restarts']} workers started anew"
