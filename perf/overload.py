"""More than can be answered: what still gets through, and how long it takes until all are in.

Open loop: each request, or client, comes at its own time, whatever becomes of those before. Straight at the subject the
requests have the `exp` that a nats-server gives them, two seconds from when they are due and cut to whole seconds, and
an answer counts if it comes within 1.5 s of the request. End to end clients come at so many times the rate that gets
in and wait for 2 s, as nats.go and nats-py do unless they are told otherwise; with several --timeouts there are as many
crowds. Who is refused or has given up comes back after 2 s, as nats.go does that is told to (`IgnoreAuthErrorAbort`):
by itself it gives up for good after two refusals alike. Started here, so many come that not all get in while they wait.

Straight at the subject what nats-server takes no more of leaves later than it was due, with less of its two seconds.
End to end clients come later where the generator is late: it shares its cores with what it measures. Where less than
95 of 100 were sent that is said, the goal of goodput has no figure, and the plot is by what was sent.

Capacity is measured first, on the same set-up and with the same tokens, which the service remembers by then: the rate
with a window of requests, or of clients, on their way. A factor that takes more requests than can be signed before is
left out, which is said. With --repeat capacity straight at the subject, and the steps at 1 and 3 times that have a
goal, have several rounds. The middle one counts: by what came in time.

Warning: of a deployed cluster (--nats-url) real clients are refused or slowed meanwhile; begin small. Unless it is said
no more than twice the capacity is asked for there, and 500 clients come. One request is asked before, and one client
comes: where these are not let in, nothing is measured.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from functools import partial
from itertools import product
from math import ceil
from typing import Final

import msgspec

from callout.errors import CommandError
from perf.bench import FEW_TOKENS, STEADY_WINDOW, Bench, list_due
from perf.cases import REMEMBERED
from perf.commandline.arguments import bounded, read_list
from perf.commandline.command import Progress, add_attempts, make_parser
from perf.figures.findings import Report
from perf.figures.processes import Meter, find_shares
from perf.figures.rounds import Tell, find_least_disturbed, pick_middle
from perf.figures.summary import pace, ratio, summarize
from perf.figures.tables import table, tabulate
from perf.generator.answers import IN_TIME_S, Answers
from perf.generator.asking import Asker
from perf.generator.crowd import RETRY_S, TIMEOUT_S, Arrival
from perf.generator.making import make_each
from perf.generator.requests import SERVER_WAITS_S, RequestMaker
from perf.generator.target import MAX_PROCESSES, Target, add_arguments
from perf.generator.tokens import check_lifetime
from perf.here.local import Population, run_local
from perf.script import execute_on, parse_target
from perf.sections.overload import is_held_up, say_left_out, tell
from perf.sections.storm import is_protected
from perf.storm import SERVICEACCOUNTS, TIMEOUT, add_protection, find_protection, run_storm, try_out

CAPACITY_SECONDS: Final = 2.0
CAPACITY_CLIENTS: Final = 1500
CAPACITY_AT_ONCE: Final = 200
ROOM: Final = 15_000  # clients that may be on their way in an open loop: all of them
LEAD_S: Final = 0.2  # between the last signature and the first request
FIRST_SIGNING_S: Final = 60e-6  # of a request, to begin with; measured from then on
SIGNING_MARGIN: Final = 1.5  # times that, since something else may run at the same time
SIGNING_TRIES: Final = 5
MAX_REQUESTS: Final = 400_000  # that are signed before and kept in memory
SETTLE_S: Final = 2.5  # after an overload: what waits has been dropped by then
FACTORS: Final = "0.5,1,2,3,4,8"
CLIENTS: Final = 10_000  # at least
OVERFULL: Final = 1.1  # times what gets in while they wait: of fewer nobody would have to come back
DEPLOYED_FACTORS: Final = "0.5,1,2"  # others need a deployed cluster too
STEP_S: Final = 10.0  # that a step end to end takes, about, besides what clients wait that come back
GOAL_FACTORS: Final = (1.0, 3.0)  # that have a goal straight at the subject, so they are measured in rounds
GOAL_TIMEOUTS: Final = (TIMEOUT_S, 5.0)  # the default of clients, and what docs/clients.md asks of them
_TELL: Final[Tell] = {"goodputs": lambda step: step["goodput"]}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options, target = parse(arguments)
    return execute_on(target, options, measure_target, measure, render)


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Target | None]:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = make_parser("overload", __doc__)
    parser.add_argument(
        "--factors", type=parse_factors, metavar="F,…", help=f"of capacity ({FACTORS}; deployed {DEPLOYED_FACTORS})"
    )
    parser.add_argument("--seconds", type=bounded(0.5, 60, float), default=4.0, help="for each, straight (4)")
    parser.add_argument(
        "--clients", type=bounded(0, ROOM), help="for each, end to end, more if need be; 0: none (10000; deployed 500)"
    )
    parser.add_argument("--tries", type=bounded(1, 1000), default=30, help="of each client (30)")
    parser.add_argument(
        "--timeouts",
        type=parse_timeouts,
        default=[TIMEOUT_S],
        metavar="S,…",
        help="seconds that clients wait (2); of further ones factors above 1",
    )
    add_protection(parser)
    parser.add_argument("--workers", type=bounded(1, MAX_PROCESSES), help="of the service, if it is started here (2)")
    parser.add_argument(
        "--repeat", type=bounded(1, 100), default=1, help="rounds of what has a goal; the middle counts (1)"
    )
    add_attempts(parser)
    add_arguments(parser, direct=True, connecting=True, others=())
    here = {"factors": parse_factors(FACTORS), "clients": CLIENTS, "workers": 2, "tls": False, "sealed": False}
    deployed = {"factors": parse_factors(DEPLOYED_FACTORS), "clients": 500}
    return parse_target(parser, arguments, direct=True, here=here, deployed=deployed)


def parse_factors(text: str) -> list[float]:
    """Read factors from 0.1 to 20, separated by commas, none of them twice.

    Raises:
        argparse.ArgumentTypeError: they are none.
    """
    return read_list(text, _read_factor, "factors from 0.1 to 20")


def parse_timeouts(text: str) -> list[float]:
    """Read how long clients wait, separated by commas, no time twice.

    Raises:
        argparse.ArgumentTypeError: one is none.
    """
    return read_list(text, TIMEOUT, f"seconds {TIMEOUT.bounds}")


async def measure(population: Population, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure a set-up that is started here; the report is what `--json` prints."""
    async with run_local(
        population,
        workers=options.workers,
        serviceaccounts=SERVICEACCOUNTS,
        tokens=FEW_TOKENS,
        **find_protection(options),
    ) as local:
        return await _measure(local.target, options, progress, {"workers": options.workers, **find_protection(options)})


async def measure_target(target: Target, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure what is deployed."""
    rounds = sum(count_rounds(factor, options.repeat) for factor in options.factors)
    straight = rounds * (options.seconds + SETTLE_S)
    tries = sum(options.tries * (RETRY_S + timeout) for timeout in options.timeouts)
    connected = len(options.factors) * (len(options.timeouts) * STEP_S + tries) if options.clients else 0
    progress.maybe_say(check_lifetime(target.tokens, straight + connected))
    bench = await Bench.open(target, {})
    await bench.try_out()
    await bench.close()
    if options.clients:
        await try_out(target, "nats")
    return await _measure(target, options, progress, {})


async def _measure(target: Target, options: argparse.Namespace, progress: Progress, about: Report) -> Report:
    """Measure with few tokens, which the service remembers from the first capacity on."""
    few = msgspec.structs.replace(target, tokens=target.tokens[:FEW_TOKENS])
    report: Report = {**about, "straight": {}, "end_to_end": {}}
    progress.keep(lambda: report if report["straight"] else None)
    await _overload_subject(few, options, progress, report)
    if options.clients:
        progress.say(f"overload: clients show the first {len(few.tokens)} tokens, which the service remembers")
        await _overload_server(few, options, progress, report)
    return report


async def _overload_subject(target: Target, options: argparse.Namespace, progress: Progress, report: Report) -> None:
    progress.say("overload: capacity, straight at the subject")
    bench = await Bench.open(target, {}, options.attempts)
    await bench.warm_up(options.workers)
    point = await bench.run_window(REMEMBERED, STEADY_WINDOW, CAPACITY_SECONDS, "capacity", options.repeat)
    await bench.close()
    capacity = point["rate"]
    if not capacity or target.login is None:
        raise CommandError("nobody is let in any more, so there is nothing to be overloaded")
    factors, left_out = split_factors(options.factors, capacity, options.seconds)
    steps: list[Report] = []
    report["straight"] = {"capacity": capacity, "at_capacity": point, "left_out": left_out, "steps": steps}
    if left_out:
        progress.say(f"overload: {say_left_out(left_out)}")
    maker = target.maker()
    asker = Asker(target.login, maker)
    await asker.connect(target.addresses["nats"])
    signing = FIRST_SIGNING_S
    for factor in factors:
        rate = factor * capacity
        rounds = count_rounds(factor, options.repeat)
        progress.say(
            f"overload: {factor:g} times {capacity:.0f} requests/s{f', {rounds} rounds' if rounds > 1 else ''}"
        )
        due = list_due(rate, options.seconds)

        async def ask(rate: float = rate, due: Sequence[float] = due) -> Report:
            nonlocal signing
            messages, began, signing = await _sign_ahead(maker, target.tokens, due, signing)
            answers = await asker.ask_on_time(messages, due, SETTLE_S, began, lambda: Meter(target.find_processes()))
            return describe(answers, rate, options.seconds)

        asking = partial(find_least_disturbed, ask, options.attempts)
        steps.append({"factor": factor, **await pick_middle(asking, rounds, by_goodput, _TELL)})
    await asker.close()


def count_rounds(factor: float, repeat: int) -> int:
    """Return how many rounds the step at that factor has: several if it has a goal."""
    return repeat if factor in GOAL_FACTORS else 1


def by_goodput(step: Report) -> tuple[float, ...]:
    """Order rounds by what came in time, behind those in which the generator was held up."""
    return is_held_up(step), -step["goodput"]


def split_factors(factors: Sequence[float], capacity: float, seconds: float) -> tuple[list[float], list[float]]:
    """Return the factors that take no more requests than can be signed before, and those that would."""
    kept = [factor for factor in factors if factor * capacity * seconds <= MAX_REQUESTS]
    return kept, [factor for factor in factors if factor not in kept]


async def _overload_server(target: Target, options: argparse.Namespace, progress: Progress, report: Report) -> None:
    progress.say("overload: capacity, end to end")

    async def come(number: int, arrival: Arrival) -> Report:
        return await find_least_disturbed(lambda: run_storm(target, "nats", number, arrival), options.attempts)

    crowd = CAPACITY_CLIENTS if target.find_processes() else min(CAPACITY_CLIENTS, options.clients)
    await run_storm(target, "nats", crowd, Arrival(CAPACITY_AT_ONCE))  # the first crowd meets cold servers: uncounted
    point = await come(crowd, Arrival(CAPACITY_AT_ONCE))
    capacity = point["rate"]
    if not capacity:
        raise CommandError("nobody gets in at all, so there is nothing to be overloaded")
    steps: list[Report] = []
    report["end_to_end"] = {
        "tries": options.tries,
        "capacity": capacity,
        "at_capacity": point,
        "steps": steps,
    }
    usual, *others = options.timeouts
    # Up to capacity nobody waits long, however long he would.
    busy = [factor for factor in options.factors if factor > 1]
    for timeout, factor in [*((usual, factor) for factor in options.factors), *product(others, busy)]:
        clients = options.clients
        if target.find_processes():  # started here
            clients = count_clients(options.clients, capacity, timeout)
        crowd_of = f"{clients} clients that wait {timeout:g} s"
        progress.say(f"overload: {crowd_of} at {factor:g} times {capacity:.0f} connections/s")
        arrival = Arrival(ROOM, rate=factor * capacity, tries=options.tries, timeout_s=timeout)
        found = await come(clients, arrival)
        steps.append({"factor": factor, "offered": round(arrival.rate, 1), **found})


def count_clients(wanted: int, capacity: float, timeout_s: float) -> int:
    """Return how many come: more than get in while they wait, as far as there is room, and as many as are wanted."""
    return max(wanted, min(ROOM, ceil(capacity * timeout_s * OVERFULL)))


async def _sign_ahead(
    maker: RequestMaker, tokens: Sequence[str], due: Sequence[float], signing: float
) -> tuple[list[bytes], float, float]:
    """Sign all before the first is due; return them, when that is, and the seconds that each of them took."""
    for _ in range(SIGNING_TRIES):
        began = time.time() + len(due) * signing * SIGNING_MARGIN + LEAD_S
        messages, took = await sign_on_time(maker, tokens, due, began)
        signing = took / len(due)
        if time.time() <= began:
            return messages, began, signing
    raise CommandError("signing the requests takes longer each time: this machine is too busy to measure anything")


async def sign_on_time(
    maker: RequestMaker, tokens: Sequence[str], due: Sequence[float], began: float
) -> tuple[list[bytes], float]:
    """Sign requests that are due at `began` (Unix seconds) and so much later; return them and the seconds it took."""

    def sign(position: int) -> bytes:
        return maker.message(tokens[position % len(tokens)], int(began + due[position] + SERVER_WAITS_S))

    started = time.perf_counter()
    messages = await make_each(sign, range(len(due)))
    return messages, time.perf_counter() - started


def describe(answers: Answers, offered: float, seconds: float) -> Report:
    """Sum up what became of requests; those that let nobody in count as neither in time nor late.

    Goodput is answers in time, for each second from the first request to the last answer: what has piled up while
    requests were sent, and is worked off afterwards, took time as well.
    """
    in_time = sum(took <= IN_TIME_S for took in answers.seconds)
    return {
        "offered": round(offered, 1),
        "sent": pace(answers.sent),
        "goodput": round(in_time / max(answers.wall, seconds), 1),
        "in_time": in_time,
        "late": answers.allowed - in_time,
        "unanswered": answers.unanswered,
        "allowed": answers.allowed,
        "not_let_in": len(answers.refusals),
        "latency_ms": msgspec.to_builtins(summarize(answers.seconds)),
        "latency_from_due_ms": msgspec.to_builtins(summarize(answers.from_due)),
        "held_up_s": round(answers.held_s, 3),
        "generator_behind_ms": msgspec.to_builtins(summarize(answers.behind)),
        "cpu_s": answers.cpu,
        **find_shares(answers.cpu),
    }


def find_goals(report: Report) -> dict[str, float | None]:
    """Return the figures that have a goal, as far as the report holds them.

    Goodput is not told of what was not really sent. Who is not in at the end is, at whichever factor they are most, of
    crowds of more than get in while they wait: of fewer nobody would have to come back.
    """
    steps = [step for step in report["straight"]["steps"] if not is_held_up(step)]
    goodput = {step["factor"]: step["goodput"] for step in steps}
    once, thrice = GOAL_FACTORS
    connected = [
        step
        for step in report["end_to_end"].get("steps", [])
        if step["tries_at_most"] > 1 and step["clients"] > report["end_to_end"]["capacity"] * step["timeout_s"]
    ]
    return {
        "goodput at 3 times ÷ at 1 times capacity": ratio(goodput.get(thrice), goodput.get(once)),
        **{
            f"not in at the end, end to end with retry, clients that wait {timeout:g} s": max(
                (step["refused"] for step in connected if step["timeout_s"] == timeout), default=None
            )
            for timeout in GOAL_TIMEOUTS
        },
    }


def render(report: Report) -> list[str]:
    """Return the report as lines of tables."""
    lines = tell(report["straight"], report["end_to_end"], tabulate)
    if "workers" in report and not is_protected(report):  # goals are of what is started here, in the clear
        lines += ["", *table(("in terms of goals", "is"), list(find_goals(report).items()))]
    return lines


def _read_factor(word: str) -> float:
    factor = float(word)
    if not 0.1 <= factor <= 20:
        raise ValueError
    return factor


if __name__ == "__main__":
    sys.exit(main())
