"""What `perf.scale` has measured: memory, rate and latency by the number of ServiceAccounts. Pure."""

from typing import Final

from perf.command import Report
from perf.plots import Axis, Point, draw_lines
from perf.sections.section import Plot, Section
from perf.tables import Column, at, tabulate_markdown
from perf.target import WORKERS

READINESS: Final = (
    Column("ServiceAccounts", at("serviceaccounts")),
    Column("ready s", at("seconds_to_ready")),
    Column("after the list s", at("seconds_from_list_to_ready")),
    Column("supervisor MiB", at("supervisor_mib")),
    Column("snapshot MiB", at("snapshot_mib")),
    Column("worker MiB", at("worker_mib")),
    Column("change p50 ms", at("change_ms", "p50")),
    Column("change p99 ms", at("change_ms", "p99")),
)
DECISIONS: Final = (
    Column("decisions/s", at("at_rest", "rate")),
    Column("p99 ms", at("at_rest", "latency_ms", "p99")),
    Column("changes/s", lambda row: row.get("changes_a_second")),
    Column("while changing: decisions/s", at("while_changing", "rate")),
    Column("worker µs: at rest", at("at_rest", "cpu_us_per_request", WORKERS)),
    Column("changing", at("while_changing", "cpu_us_per_request", WORKERS)),
)
_MEMORY: Final = {"supervisor": "supervisor_mib", "snapshot": "snapshot_mib", "one worker": "worker_mib"}
_STATES: Final = {"at rest": "at_rest", "while changing": "while_changing"}
_ACROSS: Final = Axis("ServiceAccounts", logarithmic=True)


def describe(report: Report) -> Section:
    """Return the section of the report."""
    rows = report["rows"]
    about = f"While changing: {report['churn']:,} changes of ServiceAccounts a second were wanted."
    return Section(
        "ServiceAccounts",
        [
            Plot("scale-memory", "scale-memory", _draw_memory(rows)),
            Plot("scale-rate", "scale-rate", _draw_rate(rows)),
            Plot("scale-latency", "scale-latency", _draw_latency(rows)),
        ],
        [*tabulate_markdown([*READINESS, *DECISIONS], rows), "", about],
    )


def _draw_memory(rows: list[Report]) -> str:
    lines = {name: [(row["serviceaccounts"], row[key]) for row in rows] for name, key in _MEMORY.items()}
    return draw_lines("Memory, by ServiceAccounts", _ACROSS, Axis("MiB", logarithmic=True), lines)


def _draw_rate(rows: list[Report]) -> str:
    lines = {state: [(row["serviceaccounts"], row[key]["rate"]) for row in rows] for state, key in _STATES.items()}
    return draw_lines("Decisions a second, by ServiceAccounts", _ACROSS, Axis("decisions/s"), lines)


def _draw_latency(rows: list[Report]) -> str:
    lines: dict[str, list[Point]] = {
        f"{state}, {share}": [(row["serviceaccounts"], row[f"{key}_half_load"]["latency_ms"][share]) for row in rows]
        for state, key in _STATES.items()
        for share in ("p50", "p99")
    }
    title = "Time to the answer at half load, by ServiceAccounts"
    return draw_lines(title, _ACROSS, Axis("ms", logarithmic=True), lines)
