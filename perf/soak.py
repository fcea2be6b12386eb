"""Hours at a chosen load: does memory grow, do decisions get slower, do connections break?

A steady stream of requests, each at its own time. At each interval one line: how many were answered, how long it took,
memory of supervisor and workers, what was logged as a warning, workers that were started anew. In the end the slope of
memory (MiB an hour) and the drift of the latency, from the straight line that fits best, if the run has taken more than
half an hour; a signal (Ctrl-C) brings the end forward, and so does a connection that breaks.

The load pauses between intervals while answers are missing (for two seconds at most), while those that have come are
looked into, and while the requests of the next interval are signed: each line says for how long nothing was sent before
it.

Where core files are forbidden to a user (ulimit -Hc is 0), the service hides its memory from him: run as root, or raise
that limit.

Of a deployed set-up (--nats-url) memory and log are not to be had. One request is asked before: if that is not
answered, or its client not let in, nothing is measured. Tokens have to last as long as the run.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import msgspec

from perf.bench import FEW_TOKENS, Bench
from perf.cases import REMEMBERED
from perf.commandline.arguments import bounded
from perf.commandline.command import Progress, make_parser
from perf.figures.findings import BEGAN, Report
from perf.figures.pages import read_metric
from perf.figures.processes import SUPERVISOR, WORKERS, maybe_read_memories
from perf.figures.summary import MIB, slope
from perf.figures.tables import show, table, tabulate
from perf.generator.answers import Answers
from perf.generator.target import MAX_PROCESSES, Target, add_arguments
from perf.generator.tokens import check_lifetime
from perf.here.local import Local, Population, run_local
from perf.script import execute_on, parse_target
from perf.sections.soak import MINUTES, ROWS, list_slopes, say_fitted, say_too_short, tells_growth

HOUR_S: Final = 3600
MAX_INTERVAL_S: Final = 50.0  # for which requests are signed before
SERVICEACCOUNTS: Final = 1000
RECONNECTED: Final = "reconnected to NATS"
RESTARTS: Final = "nats_auth_worker_restarts_total"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options, target = parse(arguments)
    return execute_on(target, options, measure_target, measure, render)


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Target | None]:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = make_parser("soak", __doc__)
    parser.add_argument("--hours", type=bounded(0, 24 * 31, float), default=2.0, help="how long (2)")
    parser.add_argument("--rate", type=bounded(1, 20_000), default=500, help="requests a second (500)")
    parser.add_argument("--interval", type=bounded(0.2, MAX_INTERVAL_S, float), default=30.0, help="seconds (30)")
    parser.add_argument("--workers", type=bounded(1, MAX_PROCESSES), help="of the service, if it is started here (2)")
    add_arguments(parser, direct=True, connecting=False)
    return parse_target(parser, arguments, direct=True, here={"workers": 2})


async def measure(population: Population, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure a set-up that is started here; the report is what `--json` prints."""
    async with run_local(
        population, workers=options.workers, serviceaccounts=SERVICEACCOUNTS, tokens=FEW_TOKENS
    ) as local:
        return await measure_target(local.target, options, progress, local)


async def measure_target(
    target: Target, options: argparse.Namespace, progress: Progress, local: Local | None = None
) -> Report:
    """Measure what is there; of a deployed one (no `local`) memory and log are not to be had."""
    rows: list[Report] = []
    began_at = datetime.now(UTC).isoformat(timespec="seconds")
    progress.keep(lambda: _sum_up(began_at, options, rows) if rows else None)
    progress.maybe_say(check_lifetime(target.tokens, options.hours * HOUR_S + options.interval))
    # A worker that ends is for a soak to tell of, and would end the count of its CPU: only the generator's is counted.
    bench = await Bench.open(msgspec.structs.replace(target, find_processes=dict), {})
    await bench.try_out()
    await bench.warm_up(options.workers)
    began = time.monotonic()
    left_at: float | None = None
    while not rows or time.monotonic() - began < options.hours * HOUR_S:
        point, answers = await bench.run_once_at(REMEMBERED, options.rate, options.interval)
        row = {
            "hours": round((time.monotonic() - began) / HOUR_S, 4),
            "answered": point["answered"],
            "not_let_in": point["answered"] - point["allowed"],
            "unanswered": point["unanswered"],
            "latency_ms": point["latency_ms"],
            "latency_from_due_ms": point["latency_from_due_ms"],
            "generator_share": point["generator_share"],
            "pause_s": find_pause(left_at, answers),
            **(await _look(local) if local else {}),
        }
        left_at = answers.began + answers.sent[-1]
        rows.append(row)
        progress.say(f"soak: {say_progress(row, options.hours)}")
    await bench.close()
    return _sum_up(began_at, options, rows)


def find_pause(left_at: float | None, answers: Answers) -> float | None:
    """Return the seconds from the last request before until the first of these; None if there was none before."""
    return None if left_at is None else round(answers.began + answers.sent[0] - left_at, 3)


def say_progress(row: Report, hours: float) -> str:
    """Say how far it is, in minutes if it is short, and what the last interval was like."""
    size, unit = (1, "hours") if hours >= 1 else (MINUTES, "minutes")
    wanted = f" of {hours * size:.4g}" if row["hours"] <= hours else ""  # the last interval goes on to its end
    done = f"{row['hours'] * size:.2f}{wanted} {unit}"
    memory = f", workers {show(row['workers_mib'])} MiB" if "workers_mib" in row else ""
    return f"{done}, {row['answered']:,} answered, p99 {show(row['latency_ms']['p99'])} ms{memory}"


def _sum_up(began_at: str, options: argparse.Namespace, rows: Sequence[Report]) -> Report:
    return {BEGAN: began_at, "rate": options.rate, "rows": rows, "slopes": find_slopes(rows)}


def find_slopes(rows: Sequence[Report]) -> dict[str, float | None]:
    """Return growth by the hour of memory (MiB) and of the median latency (ms).

    None for what was not measured, and for all if the time was too short.
    """
    if not tells_growth(rows):
        return {"supervisor_mib_per_hour": None, "workers_mib_per_hour": None, "p50_ms_per_hour": None}
    found = {}
    for name in ("supervisor_mib", "workers_mib"):
        points = [(row["hours"], row[name]) for row in rows if row.get(name) is not None]
        found[f"{name}_per_hour"] = slope(points)
    medians = [(row["hours"], row["latency_ms"]["p50"]) for row in rows if row["latency_ms"]["p50"] is not None]
    return {**found, "p50_ms_per_hour": slope(medians)}


def render(report: Report) -> list[str]:
    """Return the report as lines of tables."""
    rows = report["rows"]
    if not tells_growth(rows):
        return [*tabulate(ROWS, rows), "", say_too_short(rows)]
    return [*tabulate(ROWS, rows), "", *table((say_fitted(rows), "is"), list_slopes(report["slopes"]))]


async def _look(local: Local) -> Report:
    """Return what the processes take (None if one has ended), and what has gone wrong since the last look."""
    groups = local.target.find_processes()
    supervisors, workers = (maybe_read_memories(groups[name]) for name in (SUPERVISOR, WORKERS))
    lines = [line for service in local.services for line in service.log.read()]
    return {
        "supervisor_mib": round(sum(memory.own for memory in supervisors) / MIB, 2) if supervisors else None,
        "workers_mib": round(sum(memory.private for memory in workers) / MIB, 2) if workers else None,
        "reconnects": sum(line["event"] == RECONNECTED for line in lines),
        "warnings": sum(line["level"] in {"warning", "error"} for line in lines),
        "restarts": round(sum([await read_metric(service, RESTARTS) for service in local.services])),
    }


if __name__ == "__main__":
    sys.exit(main())
