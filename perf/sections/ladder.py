"""What the ladder has measured: decisions beside their bare cryptography, stages, xkey, and the libraries. Pure.

A ratio is of what was measured, and in one place: the goals judge what the tables show.
"""

from collections.abc import Mapping
from typing import Any, Final

from perf.cases import FIRST_SEEN
from perf.figures.findings import Report
from perf.figures.tables import Column, at, show, tabulate_markdown
from perf.libraries import USED
from perf.plots import draw_bars
from perf.sections.section import Plot, Section
from workers.user_jwt import Mode


def find_ratio(decision: Mapping[str, Any]) -> float:
    """Return a whole decision in terms of its bare cryptography."""
    return float(decision["whole"] / decision["bare"])


def show_ratio(decision: Mapping[str, Any]) -> str:
    """Write that for a reader: with three decimals, since bounds have two."""
    return f"{find_ratio(decision):.3f}"


DECISIONS: Final = (
    Column("decision, µs of CPU", lambda row: f"{row['algorithm']}, {row['token']}, {row['mode']} mode"),
    Column("whole", at("whole")),
    Column("bare cryptography", at("bare")),
    Column("ratio", show_ratio),
)
LIBRARIES: Final = (
    Column("operation", at("operation")),
    Column("library", at("library")),
    Column("µs of CPU", at("cost")),
    Column("used", lambda row: "yes" if USED.get(row["operation"]) == row["library"] else "no"),
)
_TAKE_APART: Final = "take the token apart"
_COMMON_STAGES: Final = (
    "take the request apart",
    "verify the request's signature",
    _TAKE_APART,
    "look the ServiceAccount up",
    "make and sign the user JWT",
    "make and sign the response",
)
_RECALL: Final = "recall a remembered token"
_REST: Final = "what joins them"
_CHECK: Final = "verify the token's signature"
_OPEN: Final = "open a sealed request"
_SEAL: Final = "seal an answer"


def describe(report: Report) -> Section:
    """Return the section of the report."""
    bars = {
        f"{row['algorithm']}, {row['token']}": find_bar(row, report["stages"])
        for row in report["decisions"]
        if row["mode"] == Mode.SERVER
    }
    drawn = draw_bars("CPU of the stages of a decision, in process, server mode", "µs", bars)
    return Section(
        "What a decision costs in process",
        [Plot("stages", "CPU of the stages of a decision", drawn)],
        [
            *tabulate_markdown(DECISIONS, report["decisions"]),
            "",
            say_xkey(report["stages"]),
            "",
            "The libraries that could do it, each on data like that of the hot path:",
            "",
            *tabulate_markdown(LIBRARIES, list_libraries(report["libraries"])),
        ],
    )


def say_xkey(stages: Mapping[str, float]) -> str:
    """Say what a decision takes on top where requests and answers are sealed."""
    opening, sealing = stages[_OPEN], stages[_SEAL]
    return (
        f"With an xkey a decision takes {show(opening + sealing)} µs more: {show(opening)} to open the request, and"
        f" {show(sealing)} to seal the answer."
    )


def list_libraries(libraries: Mapping[str, Mapping[str, float]]) -> list[Report]:
    """Return the rows for `LIBRARIES`: of each operation one for each library."""
    return [
        {"operation": operation, "library": library, "cost": cost}
        for operation, costs in libraries.items()
        for library, cost in costs.items()
    ]


def find_bar(decision: Report, stages: dict[str, float]) -> dict[str, float]:
    """Return microseconds of CPU for each part of a decision, which together come to the whole at least."""
    bar = {stage: stages[stage] for stage in _COMMON_STAGES}
    if decision["token"] == FIRST_SEEN:
        bar[_CHECK] = stages[f"{_CHECK}, {decision['algorithm']}"]
    else:  # it is recalled by its text, and not even taken apart
        del bar[_TAKE_APART]
        bar[_RECALL] = stages[_RECALL]
    bar[_REST] = max(decision["whole"] - sum(bar.values()), 0)
    return bar
