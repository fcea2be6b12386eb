"""Requests straight to the subject, through a real nats-server: how many a second, and how long an answer takes.

So many requests are kept in flight (the window); when one is answered the next one leaves. Requests are signed before
the clock runs. Tokens are first seen (each asked about once) or remembered (few, asked about before). One point is at
half of the capacity, each request at its own time, as if nothing depended on the answers. Latencies are of clients that
are let in.

With --repeat a point has several rounds. The middle one counts: by its rate, and at half of the capacity by its p99.

Beside it stands what the same decision costs in process, and its bare cryptography, measured in the same run.

Of a deployed set-up (--nats-url) the windows are all there is to vary, and real clients wait behind these requests
meanwhile: unless it is said there are 8 in flight and then 32, for a second each. One request is asked before: if that
is not answered, or its client not let in, nothing is measured. A rate is of clients that are let in.
"""

import argparse
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

from perf.bench import FEW_TOKENS, STEADY_WINDOW, Bench, by_rate, find_middle
from perf.cases import FIRST_SEEN, REMEMBERED, Batch, list_cases
from perf.commandline.arguments import bounded, numbers_to
from perf.commandline.command import Progress, add_attempts, make_parser
from perf.commandline.shared_memory import make_folder
from perf.figures.findings import Report
from perf.figures.processes import WORKERS
from perf.figures.rounds import find_least_disturbed
from perf.figures.summary import MICROSECONDS, ratio
from perf.figures.tables import table, tabulate
from perf.generator.target import MAX_PROCESSES, MAX_WINDOW, Target, add_arguments
from perf.generator.tokens import check_lifetime
from perf.here.inputs import Accounts, Issuer, ServiceAccounts
from perf.here.local import Population, run_local
from perf.script import execute_on, parse_target
from perf.sections.load import FIRST_SEEN_ROUNDS, POINTS
from perf.timing import measure as time_steps
from workers.user_jwt import Mode

ALGORITHM: Final = "RS256"  # what most clusters sign with
IN_PROCESS_BATCH: Final = 200
MAX_SECONDS: Final = 50.0  # for which requests are signed before
GIVEN: Final = "as given"
HERE: Final = {
    "windows": [1, 8, 32, 128, 512],
    "seconds": 3.0,
    "workers": [1, 2],
    "replicas": [1, 2, 3],
    "serviceaccounts": 1000,
    "first_seen": 12_000,
    "rounds": 9,
}
DEPLOYED: Final = {"windows": [8, 32], "seconds": 1.0}
"""Defaults: others need a deployed cluster too. What is not named here only a set-up that is started here has."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options, target = parse(arguments)
    return execute_on(target, options, measure_deployed, measure, render)


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Target | None]:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = make_parser("load", __doc__)
    parser.add_argument("--workers", type=numbers_to(MAX_PROCESSES), metavar="N,…", help="workers (1,2)")
    parser.add_argument("--replicas", type=numbers_to(MAX_PROCESSES), metavar="N,…", help="replicas (1,2,3)")
    parser.add_argument(
        "--windows",
        type=numbers_to(MAX_WINDOW),
        metavar="N,…",
        help="in flight (1,8,32,128,512; deployed 8,32)",
    )
    parser.add_argument("--seconds", type=bounded(0.1, MAX_SECONDS, float), help="for a point (3; deployed 1)")
    parser.add_argument("--serviceaccounts", type=bounded(1, 1_000_000), help="how many there are (1000)")
    parser.add_argument("--first-seen", type=bounded(1, 100_000), help="tokens asked about once (12000)")
    parser.add_argument("--rounds", type=bounded(1, 1000), help="of the measurement in process (9)")
    parser.add_argument("--repeat", type=bounded(1, 100), default=1, help="rounds of each point; the middle counts (1)")
    add_attempts(parser)
    add_arguments(parser, direct=True, connecting=False)
    return parse_target(parser, arguments, direct=True, here=HERE, deployed=DEPLOYED)


async def measure(population: Population, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure set-ups that are started here; the report is what `--json` prints."""
    progress.say("load: the decision in process, and its bare cryptography")
    in_process = measure_in_process(options.rounds)
    points: list[Report] = []
    report = {"in_process": in_process, "seconds": options.seconds, "first_seen": options.first_seen, "points": points}
    progress.keep(lambda: report if points else None)
    for workers in options.workers:
        progress.say(f"load: --workers {workers}, {options.first_seen} tokens first seen")

        async def meet_tokens(workers: int = workers) -> Report:
            tokens = FEW_TOKENS + options.first_seen
            async with run_local(
                population, workers=workers, serviceaccounts=options.serviceaccounts, tokens=tokens
            ) as local:
                bench = await Bench.open(local.target, {"replicas": 1, "workers": workers})
                await bench.warm_up(workers)
                point = await bench.run_others(STEADY_WINDOW, options.seconds * FIRST_SEEN_ROUNDS)
                await bench.close()
                return point

        meet = partial(find_least_disturbed, meet_tokens, options.attempts)
        points.append(await find_middle(meet, options.repeat, by_rate))
        progress.say(f"load: --workers {workers}, {FEW_TOKENS} tokens remembered")
        async with run_local(
            population, workers=workers, serviceaccounts=options.serviceaccounts, tokens=FEW_TOKENS
        ) as local:
            bench = await Bench.open(local.target, {"replicas": 1, "workers": workers}, options.attempts)
            await bench.warm_up(workers)
            await _vary_window(bench, REMEMBERED, options, progress, points)
            await bench.close()
    for replicas in options.replicas:
        progress.say(f"load: --replicas {replicas}, of one worker each")
        async with run_local(
            population, workers=1, replicas=replicas, serviceaccounts=options.serviceaccounts, tokens=FEW_TOKENS
        ) as local:
            bench = await Bench.open(local.target, {"replicas": replicas, "workers": 1}, options.attempts)
            await bench.warm_up(replicas)
            points.append(
                await bench.run_window(REMEMBERED, STEADY_WINDOW, options.seconds, "replicas", options.repeat)
            )
            await bench.close()
    return report


async def measure_deployed(target: Target, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure what is deployed."""
    seconds = (len(options.windows) + 1) * options.seconds * options.repeat
    progress.maybe_say(check_lifetime(target.tokens, seconds))
    points: list[Report] = []
    report = {"seconds": options.seconds, "points": points}
    progress.keep(lambda: report if points else None)
    bench = await Bench.open(target, {}, options.attempts)
    await bench.try_out()
    await _vary_window(bench, GIVEN, options, progress, points)
    await bench.close()
    return report


async def _vary_window(
    bench: Bench, tokens: str, options: argparse.Namespace, progress: Progress, points: list[Report]
) -> None:
    """Measure with each number in flight, and then at half of the best rate; add what was found to `points`."""
    best = 0.0
    for window in options.windows:
        progress.say(f"load: {window} in flight, {tokens}")
        points.append(await bench.run_window(tokens, window, options.seconds, "windows", options.repeat))
        best = max(best, points[-1]["rate"])
    if best:
        progress.say("load: half of that rate")
        points.append(await bench.run_at(tokens, best / 2, options.seconds, options.repeat))


def measure_in_process(rounds: int) -> dict[str, Any]:
    """Return microseconds of CPU for a whole decision and for its bare cryptography, by what is known of the token.

    Raises:
        CommandError: there is no room for a snapshot.
    """
    population, accounts = ServiceAccounts(IN_PROCESS_BATCH), Accounts(Mode.SERVER)
    with make_folder() as directory:
        reader = population.keep(Path(directory), accounts.target)
        batch = Batch(Issuer(ALGORITHM), accounts, population, reader, IN_PROCESS_BATCH)
        cases = list_cases(batch)
        times = iter(time_steps([step for case in cases for step in (case.whole, case.bare)], rounds))
        found = {case.token: {"whole": next(times), "bare": next(times)} for case in cases}
        reader.close()
    return found


def find_goals(report: Report) -> dict[str, float | None]:
    """Return the figures that have a goal, from a report of set-ups that were started here, with one replica.

    `worker ÷ in process`: CPU of one worker for a request, in terms of the decision in process. `rate ÷ bare`: the
    rate with two workers, in terms of what bare cryptography would allow one core. Both with `STEADY_WINDOW` in
    flight, with which the workers never run out of requests.
    """
    found: dict[str, float | None] = {}
    points = [point for point in report["points"] if point["series"] != "replicas"]
    steady = {(point["workers"], point["tokens"]): point for point in points if point["window"] == STEADY_WINDOW}
    half = {point["workers"]: point["latency_ms"]["p99"] for point in points if point["series"] == "half load"}
    for token in (FIRST_SEEN, REMEMBERED):
        costs = report["in_process"][token]
        one, two = (steady.get((workers, token), {}) for workers in (1, 2))
        cost = one.get("cpu_us_per_request", {}).get(WORKERS)
        found[f"worker ÷ in process, {token}"] = ratio(cost, costs["whole"])
        found[f"rate ÷ bare, two workers, {token}"] = ratio(two.get("rate"), MICROSECONDS / costs["bare"])
    for name, workers in (("one worker", 1), ("two workers", 2)):
        found[f"p99 at half load, {name}, ms"] = half.get(workers)
    return found


def render(report: Report) -> list[str]:
    """Return the report as lines of tables."""
    lines = []
    if "in_process" in report:
        lines += table(
            ("CPU of a decision in process", "whole µs", "bare cryptography µs"),
            [(f"{ALGORITHM}, {token}", costs["whole"], costs["bare"]) for token, costs in report["in_process"].items()],
        )
        lines.append("")
    lines += tabulate(POINTS, report["points"])
    if "in_process" in report:
        lines += ["", *table(("in terms of goals", "is"), list(find_goals(report).items()))]
    return lines


if __name__ == "__main__":
    sys.exit(main())
