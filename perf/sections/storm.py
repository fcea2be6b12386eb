"""What `perf.storm` has measured: who got in, how long that took, and who spent the CPU. Pure."""

from collections.abc import Mapping
from typing import Any, Final

from perf.processes import OURSELVES
from perf.reports import Report
from perf.sections.section import Section
from perf.tables import Column, at, tabulate_markdown
from perf.target import SERVER, SUPERVISOR, WORKERS


def _find_service_cpu(row: Mapping[str, Any]) -> float | None:
    """Return the seconds of CPU that workers and supervisor took; None if they do not run here."""
    cpu = row["cpu_s"]
    return round(cpu[WORKERS] + cpu[SUPERVISOR], 3) if WORKERS in cpu else None


ROWS: Final = (
    Column("protocol", at("protocol")),
    Column("workers", lambda row: row.get("workers")),  # of what is deployed it is not known
    Column("clients", at("clients")),
    Column("at once", at("at_once")),
    Column("retry", lambda row: "no" if row["tries_at_most"] == 1 else "yes"),
    Column("connections/s", at("rate")),
    Column("in", at("admitted")),
    Column("refused", at("refused")),
    Column("tries", at("tries"), detail=True),
    Column("until in: p50 ms", at("time_to_admitted_ms", "p50")),
    Column("until in: p99 ms", at("time_to_admitted_ms", "p99")),
    Column("all in s", at("seconds_until_all_in"), detail=True),
    Column("server s", at("cpu_s", SERVER)),
    Column("service s", _find_service_cpu),
    Column("generator s", at("cpu_s", OURSELVES)),
    Column("its share of the CPU", at("generator_share")),
    Column("others' share", at("others_share")),
)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    return Section("Storms: real connections, tokens first seen", [], tabulate_markdown(ROWS, report["rows"]))
