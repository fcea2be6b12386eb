"""What `perf.soak` has measured, in a few words: a run of a minute has no curve worth a plot. Pure."""

from typing import Final

from perf.command import Report
from perf.sections.section import Section
from perf.tables import Column, at

ROWS: Final = (
    Column("hours", lambda row: f"{row['hours']:.3f}"),
    Column("answered", at("answered")),
    Column("not let in", at("not_let_in")),
    Column("not answered", at("unanswered")),
    Column("p50 ms", at("latency_ms", "p50")),
    Column("p99 ms", at("latency_ms", "p99")),
    Column("supervisor MiB", at("supervisor_mib")),
    Column("workers MiB", at("workers_mib")),
    Column("warnings", at("warnings")),
    Column("reconnects", at("reconnects")),
    Column("restarts", at("restarts")),
)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    first, last = report["rows"][0], report["rows"][-1]
    answered = sum(row["answered"] for row in report["rows"])
    lost = sum(row["unanswered"] + row["not_let_in"] for row in report["rows"])
    reconnects = sum(row["reconnects"] for row in report["rows"])
    lines = [
        f"{last['hours'] * 60:.1f} minutes at {report['rate']:,} requests/s: {answered:,} answered, {lost} lost or",
        f"refused, {reconnects} reconnects, {last['restarts']} workers started anew; the workers took",
        f"{first['workers_mib']:.1f} MiB in the beginning and {last['workers_mib']:.1f} MiB in the end. What hours do,",
        "`python -m perf.soak --hours 8` tells.",
    ]
    return Section("Soak", [], lines)
