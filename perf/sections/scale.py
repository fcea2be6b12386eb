"""What `perf.scale` has measured: memory, rate and latency by the number of ServiceAccounts. Pure.

Two tables, the same in the report and on a terminal: what there is and how soon a change is known; and the decisions,
at rest and while ServiceAccounts change, each at full load and at one rate that is the same for all: half of the full
load at rest with the fewest ServiceAccounts.
"""

from collections.abc import Sequence
from typing import Final

from perf.figures.findings import Report
from perf.figures.processes import WORKERS
from perf.figures.summary import ratio
from perf.figures.tables import Column, at, tabulate_markdown
from perf.plots import Axis, Point, draw_lines
from perf.sections.repeats import find_worst_p99, say_rounds
from perf.sections.section import Plot, Section

_LOADS: Final = ("full", "one_rate")
READINESS: Final = (
    Column("ServiceAccounts", at("serviceaccounts")),
    Column("ready s", at("seconds_to_ready")),
    Column("after the list s", at("seconds_from_list_to_ready")),
    Column("known after s", at("seconds_to_know"), detail=True),  # in place of these two, where nothing is started
    Column("snapshot MiB", at("snapshot_mib")),
    Column("supervisor MiB, before any request", at("supervisor_mib")),
    Column("supervisor MiB, after the load", at("supervisor_mib_after")),
    Column("worker MiB, before any request", at("worker_mib")),
    Column("worker MiB, after the load", at("worker_mib_after")),
    Column("change p50 ms", at("change_ms", "p50")),
    Column("change p99 ms", at("change_ms", "p99")),
    Column("from sending: p50 ms", at("change_ms", "from_sending", "p50"), detail=True),
    Column("from sending: p99 ms", at("change_ms", "from_sending", "p99"), detail=True),
)
DECISIONS: Final = (
    Column("decisions", at("what")),
    Column("changes/s", at("changes_a_second")),
    Column("full load: decisions/s", at("full", "rate")),
    Column("full load: let in, p50 ms", at("full", "latency_ms", "p50")),
    Column("full load: let in, p99 ms", at("full", "latency_ms", "p99")),
    Column("at one rate: wanted/s", at("one_rate", "offered")),
    Column("at one rate: share of full load", lambda row: ratio(row["one_rate"]["offered"], row["full"]["rate"])),
    Column("at one rate: sent/s", at("one_rate", "sent"), detail=True),
    Column("at one rate: generator late, p99 ms", at("one_rate", "generator_behind_ms", "p99"), detail=True),
    Column("at one rate: let in, p50 ms", at("one_rate", "latency_ms", "p50")),
    Column("at one rate: let in, p99 ms", at("one_rate", "latency_ms", "p99")),
    Column("at one rate: from when due, p99 ms", at("one_rate", "latency_from_due_ms", "p99")),
    Column("at one rate: worst round, p99 ms", lambda row: find_worst_p99(row["one_rate"])),
    Column("not let in", lambda row: sum(row[load]["answered"] - row[load]["allowed"] for load in _LOADS)),
    Column("not answered", lambda row: sum(row[load]["unanswered"] for load in _LOADS)),
    Column("worker µs", at("full", "cpu_us_per_request", WORKERS)),
    Column("generator's share", at("full", "generator_share")),
    Column("others' share", at("full", "others_share")),
)
_MEMORY: Final = {
    "supervisor, after the load": "supervisor_mib_after",
    "snapshot": "snapshot_mib",
    "one worker, after the load": "worker_mib_after",
}
_STATES: Final = {"at rest": "at_rest", "while changing": "while_changing"}
_ACROSS: Final = Axis("ServiceAccounts", logarithmic=True)


def list_decisions(rows: Sequence[Report]) -> list[Report]:
    """Return the rows for `DECISIONS`: of each number of ServiceAccounts one at rest, and one while some change."""
    return [
        {
            "what": f"{row['serviceaccounts']:,}, {state}",
            "changes_a_second": 0 if key == "at_rest" else row.get("changes_a_second"),
            "full": row[key],
            "one_rate": row[f"{key}_half_load"],
        }
        for row in rows
        for state, key in _STATES.items()
    ]


def describe(report: Report) -> Section:
    """Return the section of the report."""
    rows = report["rows"]
    half = [row[f"{key}_half_load"] for row in rows for key in _STATES.values()]
    about = (
        f"While changing: {report['churn']:,} changes of ServiceAccounts a second were wanted. The one rate is half of"
        f" what was decided at rest with the fewest of them. {say_rounds(half, 'It has')}"
    )
    return Section(
        "ServiceAccounts",
        [
            Plot("scale-memory", "scale-memory", _draw_memory(rows)),
            Plot("scale-rate", "scale-rate", _draw_rate(rows)),
            Plot("scale-latency", "scale-latency", _draw_latency(rows)),
        ],
        [*tabulate_markdown(READINESS, rows), "", *tabulate_markdown(DECISIONS, list_decisions(rows)), "", about],
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
    title = "Time to the answer at one rate, by ServiceAccounts"
    return draw_lines(title, _ACROSS, Axis("ms", logarithmic=True), lines)
