"""What `perf.storm` has measured: who got in, how long that took, and who spent the CPU. Pure."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from perf.figures.findings import Report
from perf.figures.processes import OURSELVES, SERVER, SUPERVISOR, WORKERS
from perf.figures.tables import Column, at, tabulate_markdown
from perf.sections.repeats import find_slowest
from perf.sections.section import Section

STEADY_AT_ONCE: Final = 100  # whose goal is who takes the CPU: a rate is a matter of how much there is of it


def is_protected(row: Mapping[str, Any]) -> bool:
    """Tell whether anything was encrypted, by TLS or by an xkey."""
    return bool(row.get("tls") or row.get("sealed"))


def name_protocol(row: Mapping[str, Any]) -> str:
    """Name how clients came, and what was encrypted; of what is deployed nothing is known of that."""
    return ", ".join([row["protocol"], *(["TLS"] if row.get("tls") else []), *(["xkey"] if row.get("sealed") else [])])


def _find_service_cpu(row: Mapping[str, Any]) -> float | None:
    """Return the seconds of CPU that workers and supervisor took; None if they do not run here."""
    cpu = row["cpu_s"]
    return round(cpu[WORKERS] + cpu[SUPERVISOR], 3) if WORKERS in cpu else None


def _find_cpu_ratio(row: Mapping[str, Any]) -> object:
    """Return the service's CPU in terms of the server's, where rounds are ordered by it."""
    return row["service_cpu_by_server"] if row["at_once"] == STEADY_AT_ONCE else ""


def _find_worst_cpu_ratio(row: Mapping[str, Any]) -> object:
    """Return the same of the worst round."""
    known = [ratio for ratio in row["cpu_ratios"] if ratio is not None]
    return max(known, default=None) if row["at_once"] == STEADY_AT_ONCE else ""


ROWS: Final = (
    Column("protocol", name_protocol),
    Column("workers", lambda row: row.get("workers")),  # of what is deployed it is not known
    Column("clients", at("clients")),
    Column("tokens", lambda row: row.get("tokens"), detail=True),  # fewer than clients are shown again
    Column("at once", at("at_once")),
    Column("clients wait s", at("timeout_s")),
    Column("retry", lambda row: "no" if row["tries_at_most"] == 1 else "yes"),
    Column("rounds", lambda row: len(row["rates"])),
    Column("connections/s", at("rate")),
    Column("slowest round", find_slowest),
    Column("in", at("admitted")),
    Column("not in", at("refused")),
    Column("gave up", at("given_up"), detail=True),
    Column("tries", at("tries"), detail=True),
    Column("until in: p50 ms", at("time_to_admitted_ms", "p50")),
    Column("until in: p99 ms", at("time_to_admitted_ms", "p99")),
    Column("all in s", at("seconds_until_all_in"), detail=True),
    Column("server s", at("cpu_s", SERVER)),
    Column("service s", _find_service_cpu),
    Column("service ÷ server", _find_cpu_ratio),
    Column("worst round", _find_worst_cpu_ratio),
    Column("generator s", at("cpu_s", OURSELVES)),
    Column("generator's share of the CPU", at("generator_share")),
    Column("others' share", at("others_share")),
)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    return Section("Storms: real connections, tokens first seen", [], tell(report["rows"], tabulate_markdown))


def tell(rows: Sequence[Report], tabulate: Callable[..., list[str]]) -> list[str]:
    """Return the table, with what is to be said below it."""
    said = _say_rounds(rows)
    return [*tabulate(ROWS, rows), *(["", said] if said else [])]


def _say_rounds(rows: Sequence[Report]) -> str:
    """Say which round of a storm counts, and how many were left out in those that do not; empty if there are none."""
    if not any(len(row["rates"]) > 1 for row in rows):
        return ""
    uncounted = sum(sum(row["refusals"]) - row["refused"] for row in rows)
    return (
        f"Of several rounds the middle one counts, with {STEADY_AT_ONCE} at once by service ÷ server, else by"
        " connections/s; one in which somebody was left out is worse than any other. Not in, in the rounds that do not"
        f" count: {uncounted:,}."
    )
