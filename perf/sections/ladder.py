"""What the ladder has measured: whole decisions beside their bare cryptography, and a bar of stages for each. Pure."""

from typing import Final

from perf.cases import FIRST_SEEN
from perf.figures.findings import Report
from perf.figures.tables import Column, at, tabulate_markdown
from perf.plots import draw_bars
from perf.sections.section import Plot, Section
from workers.user_jwt import Mode

DECISIONS: Final = (
    Column("decision, µs of CPU", lambda row: f"{row['algorithm']}, {row['token']}, {row['mode']} mode"),
    Column("whole", at("whole")),
    Column("bare cryptography", at("bare")),
    Column("ratio", lambda row: row["whole"] / row["bare"]),
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
        tabulate_markdown(DECISIONS, report["decisions"]),
    )


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
