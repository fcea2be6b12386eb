"""Requests straight to the subject, through a real nats-server: how many a second, and how long an answer takes.

So many requests are kept in flight (the window); when one is answered the next one leaves. Requests are signed before
the clock runs. Tokens are first seen (each asked about once) or remembered (few, asked about before). One point is at
half of the capacity, each request at its own time, as if nothing depended on the answers.

Beside it stands what the same decision costs in process, and its bare cryptography, measured in the same run.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from callout.errors import CommandError
from perf.asking import Answers, Asker
from perf.cases import FIRST_SEEN, REMEMBERED, Batch, list_cases
from perf.command import (
    Progress,
    Report,
    add_attempts,
    execute,
    find_least_disturbed,
    find_shares,
    make_parser,
    show,
    table,
)
from perf.inputs import Accounts, Issuer, ServiceAccounts
from perf.local import Population, run_local
from perf.processes import OURSELVES, WALL, Meter
from perf.requests import LONG_S, RequestMaker
from perf.summary import ratio, summarize
from perf.target import SERVER, WORKERS, Target, add_arguments, bounded, find_deployed, parse_numbers
from perf.timing import measure as time_steps
from workers.snapshot import SnapshotReader
from workers.user_jwt import Mode

ALGORITHM: Final = "RS256"  # what most clusters sign with
FEW_TOKENS: Final = 256  # that are remembered: any number below what a worker keeps is the same to it
WARM_UP: Final = 8  # times that each of them is asked about before, for each worker
STEADY_WINDOW: Final = 128  # in flight where another thing is varied: enough to keep any number of workers busy here
MAX_RATE: Final = 12_000  # requests a second that are prepared for; a faster service ends a point early
IN_PROCESS_BATCH: Final = 200
MAX_SECONDS: Final = 50.0  # within `LONG_S`, which requests are good for
GIVEN: Final = "as given"
_MICROSECONDS: Final = 1e6


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options, deployed = parse(arguments)
    if deployed is not None:
        return execute(options, lambda progress: measure_deployed(deployed, options, progress), render)
    return execute(options, lambda progress: measure(Population(), options, progress), render)


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Target | None]:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = make_parser("load", __doc__)
    parser.add_argument("--workers", type=parse_numbers, default=[1, 2], metavar="N,…", help="workers (1,2)")
    parser.add_argument("--replicas", type=parse_numbers, default=[1, 2, 3], metavar="N,…", help="replicas (1,2,3)")
    parser.add_argument(
        "--windows", type=parse_numbers, default=[1, 8, 32, 128, 512], metavar="N,…", help="in flight (1,8,32,128,512)"
    )
    parser.add_argument("--seconds", type=bounded(0.1, MAX_SECONDS, float), default=3.0, help="for a point (3)")
    parser.add_argument("--serviceaccounts", type=bounded(1, 1_000_000), default=1000, help="how many there are (1000)")
    parser.add_argument("--first-seen", type=bounded(1, 100_000), default=8000, help="tokens asked about once (8000)")
    parser.add_argument("--rounds", type=bounded(1, 1000), default=9, help="of the measurement in process (9)")
    add_attempts(parser)
    add_arguments(parser, direct=True, connecting=False)
    options = parser.parse_args(arguments)
    try:
        return options, find_deployed(options, direct=True)
    except ValueError as error:
        parser.error(str(error))


async def measure(population: Population, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure set-ups that are started here; the report is what `--json` prints."""
    progress.say("load: the decision in process, and its bare cryptography")
    in_process = measure_in_process(options.rounds)
    points = []
    for workers in options.workers:
        progress.say(f"load: {workers} workers, {options.first_seen} tokens first seen")

        async def meet_tokens(workers: int = workers) -> Report:
            setup = run_local(
                population, workers=workers, serviceaccounts=options.serviceaccounts, tokens=options.first_seen
            )
            async with setup as local:
                bench = await Bench.open(local.target, {"replicas": 1, "workers": workers})
                point = await bench.run_all(STEADY_WINDOW, options.seconds * 2)
                await bench.close()
                return point

        points.append(await find_least_disturbed(meet_tokens, options.attempts))
        progress.say(f"load: {workers} workers, {FEW_TOKENS} tokens remembered")
        async with run_local(
            population, workers=workers, serviceaccounts=options.serviceaccounts, tokens=FEW_TOKENS
        ) as local:
            points += await _measure_remembered(local.target, workers, options)
    for replicas in options.replicas:
        progress.say(f"load: {replicas} replicas of one worker")
        async with run_local(
            population, workers=1, replicas=replicas, serviceaccounts=options.serviceaccounts, tokens=FEW_TOKENS
        ) as local:
            bench = await Bench.open(local.target, {"replicas": replicas, "workers": 1}, options.attempts)
            await bench.warm_up(replicas)
            points.append(await bench.run_window(REMEMBERED, STEADY_WINDOW, options.seconds, series="replicas"))
            await bench.close()
    return {"in_process": in_process, "points": points}


async def measure_deployed(target: Target, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure what is deployed."""
    bench = await Bench.open(target, {}, options.attempts)
    points = []
    for window in options.windows:
        progress.say(f"load: {window} in flight")
        points.append(await bench.run_window(GIVEN, window, options.seconds, series="windows"))
    progress.say("load: half of that rate")
    best = max(point["rate"] for point in points)
    if best:
        points.append(await bench.run_at(GIVEN, best / 2, options.seconds))
    await bench.close()
    return {"points": points}


def measure_in_process(rounds: int) -> dict[str, Any]:
    """Return microseconds of CPU for a whole decision and for its bare cryptography, by what is known of the token."""
    population, accounts = ServiceAccounts(IN_PROCESS_BATCH), Accounts(Mode.SERVER)
    with tempfile.TemporaryDirectory(prefix="nats-perf-") as directory:
        population.write(Path(directory), accounts.target)
        reader = SnapshotReader(Path(directory))
        batch = Batch(Issuer(ALGORITHM), accounts, population, reader, IN_PROCESS_BATCH)
        cases = list_cases(batch)
        times = iter(time_steps([step for case in cases for step in (case.whole, case.bare)], rounds))
        found = {case.token: {"whole": round(next(times), 2), "bare": round(next(times), 2)} for case in cases}
        reader.close()
    return found


class Bench:
    """Asks, and looks meanwhile at what the processes take; `open` makes it."""

    def __init__(
        self, target: Target, asker: Asker, maker: RequestMaker, labels: dict[str, object], attempts: int
    ) -> None:
        """Take the connection, what each point is to be labelled with, and how often it may be tried."""
        self._target = target
        self._asker = asker
        self._maker = maker
        self._labels = labels
        self._attempts = attempts
        self._few = target.tokens[:FEW_TOKENS]

    @classmethod
    async def open(cls, target: Target, labels: dict[str, object], attempts: int = 1) -> "Bench":
        """Connect."""
        if target.login is None:
            raise CommandError("there is nobody to ask as")
        maker = target.maker()
        asker = Asker(target.login, maker)
        await asker.connect(target.addresses["nats"])
        return cls(target, asker, maker, labels, attempts)

    async def close(self) -> None:
        """Leave."""
        await self._asker.close()

    async def warm_up(self, processes: int) -> None:
        """Let each worker see the few tokens."""
        messages = self._prepare(self._few, len(self._few) * WARM_UP * processes)
        await self._asker.ask_in_window(messages, STEADY_WINDOW, LONG_S)

    async def run_all(self, window: int, seconds: float) -> Report:
        """Ask about each token once."""
        messages = self._prepare(self._target.tokens, len(self._target.tokens))
        meter = Meter(self._target.find_processes())
        answers = await self._asker.ask_in_window(messages, window, seconds)
        return self._report(answers, meter.read(), tokens=FIRST_SEEN, window=window, series="tokens")

    async def run_window(self, tokens: str, window: int, seconds: float, series: str) -> Report:
        """Ask about the few tokens again and again, so many at a time."""
        expected = min(MAX_RATE, window * 2000)  # no answer comes sooner than in half a millisecond

        async def run() -> Report:
            messages = self._prepare(self._few, int(expected * seconds) + window)
            meter = Meter(self._target.find_processes())
            answers = await self._asker.ask_in_window(messages, window, seconds)
            return self._report(answers, meter.read(), tokens=tokens, window=window, series=series)

        return await find_least_disturbed(run, self._attempts)

    async def run_at(self, tokens: str, rate: float, seconds: float) -> Report:
        """Ask about the few tokens, so often a second."""
        number = max(int(rate * seconds), 1)
        due = [position / rate for position in range(number)]

        async def run() -> Report:
            messages = self._prepare(self._few, number)
            meter = Meter(self._target.find_processes())
            answers = await self._asker.ask_on_time(messages, due, patience_s=2)
            labels = {"tokens": tokens, "window": None, "series": "half load", "offered": round(rate)}
            return self._report(answers, meter.read(), **labels)

        return await find_least_disturbed(run, self._attempts)

    def _prepare(self, tokens: Sequence[str], number: int) -> list[bytes]:
        return self._maker.prepare(tokens, number, int(time.time()) + LONG_S)

    def _report(self, answers: Answers, cpu: dict[str, float], **labels: object) -> Report:
        answered = len(answers.seconds)
        return {
            **self._labels,
            **labels,
            "answered": answered,
            "allowed": answers.allowed,
            "unanswered": answers.unanswered,
            "rate": round(answered / answers.wall, 1),
            "latency_ms": msgspec.to_builtins(summarize(answers.seconds)),
            "generator_behind_ms": msgspec.to_builtins(summarize(answers.behind)),
            "cpu_s": cpu,
            "cpu_us_per_request": {
                name: round(seconds * _MICROSECONDS / answered, 1) if answered else None
                for name, seconds in cpu.items()
                if name != WALL
            },
            **find_shares(cpu),
        }


async def _measure_remembered(target: Target, workers: int, options: argparse.Namespace) -> list[Report]:
    bench = await Bench.open(target, {"replicas": 1, "workers": workers}, options.attempts)
    await bench.warm_up(workers)
    points = [await bench.run_window(REMEMBERED, window, options.seconds, "windows") for window in options.windows]
    best = max(point["rate"] for point in points)
    if best:
        points.append(await bench.run_at(REMEMBERED, best / 2, options.seconds))
    await bench.close()
    return points


def find_goals(report: Report) -> dict[str, float | None]:
    """Return the figures that have a goal, from a report of set-ups that were started here.

    `worker ÷ in process`: CPU of one worker for a request, in terms of the decision in process. `rate ÷ bare`: the
    best rate with two workers, in terms of what bare cryptography would allow one core.
    """
    found: dict[str, float | None] = {}
    for token in (FIRST_SEEN, REMEMBERED):
        costs = report["in_process"][token]
        mine = [point for point in report["points"] if point["tokens"] == token and point["window"] is not None]
        one = [p["cpu_us_per_request"][WORKERS] for p in mine if p["workers"] == p["replicas"] == 1 and p["answered"]]
        two = [p["rate"] for p in mine if p["workers"] * p["replicas"] == 2]
        found[f"worker ÷ in process, {token}"] = ratio(min(one, default=None), costs["whole"])
        found[f"rate ÷ bare, two workers, {token}"] = ratio(max(two, default=None), _MICROSECONDS / costs["bare"])
    half = [point["latency_ms"]["p99"] for point in report["points"] if point["series"] == "half load"]
    found["p99 at half load, ms"] = min((value for value in half if value is not None), default=None)
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
    columns = (
        "measured",
        "requests/s",
        "p50 ms",
        "p99 ms",
        "p99.9 ms",
        "not let in",
        "unanswered",
        "worker µs",
        "server µs",
        "generator µs",
        "its share",
        "others' share",
    )
    lines += table(columns, [_row(point) for point in report["points"]])
    if "in_process" in report:
        lines += ["", *table(("in terms of goals", "is"), list(find_goals(report).items()))]
    return lines


def _row(point: Report) -> list[object]:
    place = f"{show(point['replicas'])} of {show(point['workers'])} workers, " if "workers" in point else ""
    how = f"window {point['window']}" if point["window"] else f"{point['offered']}/s offered"
    cost, latency = point["cpu_us_per_request"], point["latency_ms"]
    return [
        f"{place}{point['tokens']}, {how}",
        point["rate"],
        latency["p50"],
        latency["p99"],
        latency["p999"],
        point["answered"] - point["allowed"],
        point["unanswered"],
        cost.get(WORKERS),
        cost.get(SERVER),
        cost[OURSELVES],
        point["generator_share"],
        point["others_share"],
    ]


if __name__ == "__main__":
    sys.exit(main())
