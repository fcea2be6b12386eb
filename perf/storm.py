"""Real connections with real tokens: how many get in a second, how long each waits, and who spends the CPU.

So many clients are on their way at once; whoever is in stays. Each has a token that the service has not seen before.
A client waits for 2 s (--timeout), as nats.go and nats-py do unless they are told otherwise: that is no longer than
nats-server itself waits, and what it does for who has given up is lost. Without retry a client that is refused or gives
up is lost; with retry it comes back after 2 s, as nats.go does that is told to (`IgnoreAuthErrorAbort`): by itself it
gives up for good after two refusals alike. With retry is measured where somebody was left out without, and of what is
deployed wherever somebody gets in at all. Each round is of a set-up of its own, unless it is deployed.

With --repeat a storm has several rounds. The middle one counts: with 100 at once by the service's CPU in terms of
nats-server's, else by the connections a second; one in which somebody was left out is worse than any other. Rates are
compared of as many clients, since a set-up is slower with the first of them.

Warning: of a deployed cluster (--nats-url) real clients are refused or slowed meanwhile; begin small. Unless it is said
100 come at once there, 500 in all. One client comes before each protocol: if it is not let in, nobody follows.
Fewer tokens than clients are used again, and all of them are in each storm and round after the first: a token that the
service remembers costs it less.
"""

import argparse
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from functools import partial
from itertools import product
from typing import Final

import msgspec

from callout.errors import CommandError
from perf.commandline.arguments import bounded, numbers_to, read_list
from perf.commandline.command import Progress, add_attempts, make_parser
from perf.commandline.failures import Failures
from perf.figures.findings import Report
from perf.figures.processes import SERVER, SUPERVISOR, WORKERS, Meter, find_shares
from perf.figures.rounds import Tell, find_least_disturbed, pick_middle
from perf.figures.summary import pace, ratio, summarize
from perf.figures.tables import table, tabulate
from perf.generator.crowd import RETRY_S, TIMEOUT_S, Arrival, Crowd, Outcome, make_client
from perf.generator.target import MAX_PROCESSES, PROTOCOLS, Target, add_arguments
from perf.generator.tokens import check_lifetime
from perf.here.local import Local, Population, run_local
from perf.script import execute_on, parse_target
from perf.sections.storm import STEADY_AT_ONCE, is_protected, name_protocol, tell

MAX_CLIENTS: Final = 15_000  # open files of this process and of nats-server; ports of this machine
SERVICEACCOUNTS: Final = 1000
RETRY: Final = ("no", "yes", "both")
HERE: Final = {"at_once": [100, 400, 4000], "clients": 4000, "workers": [2], "tls": False, "sealed": False}
DEPLOYED: Final = {"at_once": [100], "clients": 500}
"""Defaults: others need a deployed cluster too. Workers are none of its."""
TIMEOUT: Final = bounded(0.5, 60, float)
"""Reads how long a client waits, in seconds."""
STORM_S: Final = 10  # that a storm takes, about, besides what clients wait that come back
NOT_LET_IN: Final = (
    "see that the tokens are for this service (its audience, this cluster's issuer, ServiceAccounts that exist), that"
    " it runs, and in operator mode that --sentinel is given or the server has a default_sentinel"
)
ONE_WORKER: Final = "one worker"
TWO_WORKERS: Final = "two workers"
_TELL: Final[Tell] = {
    "rates": lambda row: row["rate"],
    "refusals": lambda row: row["refused"],
    "cpu_ratios": lambda row: row["service_cpu_by_server"],
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options, target = parse(arguments)
    return execute_on(target, options, measure_deployed, measure, render)


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Target | None]:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = make_parser("storm", __doc__)
    parser.add_argument(
        "--at-once", type=numbers_to(MAX_CLIENTS), metavar="N,…", help="on their way (100,400,4000; deployed 100)"
    )
    parser.add_argument(
        "--clients",
        type=bounded(1, MAX_CLIENTS),
        help="in all (4000; deployed 500); where more come at once, so many as come at once",
    )
    parser.add_argument("--protocol", type=parse_protocols, default=["nats"], metavar="P,…", help="nats, ws, mqtt")
    parser.add_argument("--retry", choices=RETRY, default="both", help="whether who is refused comes back (both)")
    parser.add_argument("--tries", type=bounded(2, 1000), default=20, help="with retry, of each client (20)")
    add_timeout(parser)
    add_protection(parser)
    parser.add_argument(
        "--workers", type=numbers_to(MAX_PROCESSES), metavar="N,…", help="of the service, in a set-up started here (2)"
    )
    parser.add_argument("--repeat", type=bounded(1, 100), default=1, help="rounds of each; the middle counts (1)")
    add_attempts(parser)
    add_arguments(parser, direct=False, connecting=True)
    options, target = parse_target(parser, arguments, direct=False, here=HERE, deployed=DEPLOYED)
    if target is not None:
        missing = [protocol for protocol in options.protocol if protocol not in target.addresses]
        if missing:
            parser.error(f"--protocol {missing[0]} needs --{missing[0]}-url")
    if options.tls and options.protocol != ["nats"]:
        parser.error("--tls is for --protocol nats alone: WebSocket and MQTT are in the clear in a set-up started here")
    return options, target


def add_timeout(parser: argparse.ArgumentParser) -> None:
    """Add the argument for how long clients wait."""
    about = f"seconds that a client waits to be connected, and then for its verdict ({TIMEOUT_S:g})"
    parser.add_argument("--timeout", type=TIMEOUT, default=TIMEOUT_S, metavar="S", help=about)


def add_protection(parser: argparse.ArgumentParser) -> None:
    """Add the arguments for what is encrypted in a set-up that is started here."""
    parser.add_argument(
        "--tls",
        action="store_true",
        default=None,
        help="NATS clients speak TLS (ECDSA P-256), in a set-up started here",
    )
    parser.add_argument(
        "--sealed",
        action="store_true",
        default=None,
        help="nats-server encrypts its requests (xkey), in a set-up started here",
    )


def find_protection(options: argparse.Namespace) -> dict[str, bool]:
    """Return what of it is asked for, as `run_local` and the report have it."""
    return {"tls": options.tls, "sealed": options.sealed}


def parse_protocols(text: str) -> list[str]:
    """Read the names of protocols, separated by commas, none of them twice.

    Raises:
        argparse.ArgumentTypeError: there is another one.
    """
    return read_list(text, _read_protocol, f"protocols ({', '.join(PROTOCOLS)})")


async def measure(population: Population, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure set-ups that are started here; the report is what `--json` prints."""
    rows: list[Report] = []
    progress.keep(lambda: {"rows": rows} if rows else None)
    for workers, protocol, at_once in product(options.workers, options.protocol, options.at_once):
        clients = count_clients(options, at_once, progress)
        setup = partial(
            run_local,
            population,
            workers=workers,
            serviceaccounts=SERVICEACCOUNTS,
            tokens=clients,
            **find_protection(options),
        )
        for tries in list_tries(options):
            if tries > 1 and options.retry == "both" and not any(rows[-1]["refusals"]):
                continue
            about = name_protocol({"protocol": protocol, **find_protection(options)})
            progress.say(f"storm: --workers {workers}, {_say(about, clients, at_once, tries)}")
            come = partial(
                _storm_here, setup, protocol, clients, Arrival(at_once, tries=tries, timeout_s=options.timeout)
            )
            storm = partial(find_least_disturbed, come, options.attempts)
            found = await _pick(storm, options.repeat, at_once)
            rows.append({"workers": workers, **find_protection(options), **found})
    return {"rows": rows}


async def measure_deployed(target: Target, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure what is deployed; a protocol by which nobody gets in leaves the others alone.

    Raises:
        CommandError: there was one; what was measured besides is kept.
    """
    progress.maybe_say(check_lifetime(target.tokens, _estimate(options)))
    rows: list[Report] = []
    failures = Failures(progress)
    progress.keep(lambda: {"rows": rows} if rows else None)
    for protocol in options.protocol:
        with failures.going_on(f"storm: {protocol}"):
            await try_out(target, protocol)
            for at_once in options.at_once:
                rows += await _measure_with_and_without(target, protocol, at_once, options, progress)
    if failures.lines:
        raise CommandError(*failures.lines)
    return {"rows": rows}


async def try_out(target: Target, protocol: str) -> None:
    """Let one client come, before thousands of refusals are taken for a storm.

    Raises:
        CommandError: it was not let in, or could not even connect.
    """
    address = target.addresses[protocol]
    client = make_client(protocol, target.tokens[0], 0, target.sentinel, address)
    async with Crowd(address, protocol) as crowd:
        reason = await crowd.knock(client)
    if reason:
        place = f"{address.host}:{address.port} ({protocol})"
        raise CommandError(f"the first client is not let in at {place}: {reason}; {NOT_LET_IN}")


async def _measure_with_and_without(
    target: Target, protocol: str, at_once: int, options: argparse.Namespace, progress: Progress
) -> list[Report]:
    clients = count_clients(options, at_once, progress)
    progress.maybe_say(say_shared(target, clients))
    rows: list[Report] = []
    for tries in list_tries(options):
        if tries > 1 and options.retry == "both" and not any(rows[-1]["rates"]):
            progress.say("storm: nobody was let in, so nobody comes back")
            continue
        progress.say(f"storm: {_say(protocol, clients, at_once, tries)}")
        come = partial(run_storm, target, protocol, clients, Arrival(at_once, tries=tries, timeout_s=options.timeout))
        rows.append(await _pick(partial(find_least_disturbed, come, options.attempts), options.repeat, at_once))
    return rows


async def _pick(storm: Callable[[], Awaitable[Report]], rounds: int, at_once: int) -> Report:
    return await pick_middle(storm, rounds, by_cpu if at_once == STEADY_AT_ONCE else by_connections, _TELL)


def by_cpu(row: Report) -> tuple[float, ...]:
    """Order rounds by the service's CPU in terms of the server's, behind who was left out; by rate if it is unknown."""
    share = row["service_cpu_by_server"]
    return row["refused"], 0 if share is None else share, -row["rate"]


def by_connections(row: Report) -> tuple[float, ...]:
    """Order rounds by how many were let in a second, behind who was left out."""
    return row["refused"], -row["rate"]


def say_shared(target: Target, clients: int) -> str | None:
    """Say that tokens are fewer than clients, if they are: what the service remembers costs it less."""
    tokens = len(target.tokens)
    if tokens >= clients:
        return None
    shared = f"{tokens} tokens" if tokens > 1 else "a token"
    return f"{clients} clients share {shared}, which the service remembers: with one for each it has more to do"


def count_clients(options: argparse.Namespace, at_once: int, progress: Progress) -> int:
    """Return how many come: at least as many as come at once, which is said if it is more than was asked for."""
    if at_once > options.clients:
        progress.say(f"storm: {at_once} clients in place of {options.clients}, since so many come at once")
    return max(int(options.clients), at_once)


def _estimate(options: argparse.Namespace) -> float:
    """Return about how many seconds all storms take."""
    waiting = options.tries * (RETRY_S + options.timeout) if options.retry != "no" else 0
    storms = int(options.repeat) * len(options.protocol) * len(options.at_once)
    return storms * (len(list_tries(options)) * STORM_S + float(waiting))


def _read_protocol(word: str) -> str:
    if word not in PROTOCOLS:
        raise ValueError
    return word


async def _storm_here(
    setup: Callable[[], AbstractAsyncContextManager[Local]], protocol: str, number: int, arrival: Arrival
) -> Report:
    async with setup() as local:
        return await run_storm(local.target, protocol, number, arrival)


def list_tries(options: argparse.Namespace) -> list[int]:
    """Return how often clients may try: in one measurement, or first in one and then in the other."""
    return {"no": [1], "yes": [options.tries], "both": [1, options.tries]}[options.retry]


async def run_storm(target: Target, protocol: str, number: int, arrival: Arrival) -> Report:
    """Let clients come, and return what became of them and who took the CPU for it."""
    address = target.addresses[protocol]
    tokens = target.tokens
    clients = [
        make_client(protocol, tokens[position % len(tokens)], position, target.sentinel, address)
        for position in range(number)
    ]
    async with Crowd(address, protocol) as crowd:
        meter = Meter(target.find_processes())
        outcomes = await crowd.arrive(clients, arrival)
        cpu = meter.read()
    shown = min(len(tokens), number)
    return {"protocol": protocol, "at_once": arrival.at_once, "tokens": shown, **describe(outcomes, arrival, cpu)}


def describe(outcomes: Sequence[Outcome], arrival: Arrival, cpu: dict[str, float]) -> Report:
    """Sum up what became of clients, which are in the order they were to come."""
    admitted = [(outcome.began_at, outcome.admitted_at) for outcome in outcomes if outcome.admitted_at is not None]
    last = max((at for _, at in admitted), default=0.0)
    return {
        "clients": len(outcomes),
        "tries_at_most": arrival.tries,
        "admitted": len(admitted),
        "refused": len(outcomes) - len(admitted),
        "tries": sum(outcome.tries for outcome in outcomes),
        "given_up": sum(outcome.given_up for outcome in outcomes),
        "timeout_s": arrival.timeout_s,
        "rate": round(len(admitted) / last, 1) if last else 0.0,
        "seconds_until_all_in": round(last, 3) if len(admitted) == len(outcomes) else None,
        "time_to_admitted_ms": msgspec.to_builtins(summarize([at - began for began, at in admitted])),
        **(_describe_sending(outcomes, arrival.rate) if arrival.rate else {}),
        "cpu_s": cpu,
        "service_cpu_by_server": ratio(cpu.get(WORKERS, 0.0) + cpu.get(SUPERVISOR, 0.0), cpu.get(SERVER)),
        **find_shares(cpu),
    }


def _describe_sending(outcomes: Sequence[Outcome], rate: float) -> Report:
    """Say how many clients a second really came, how late the generator was with each, and how long that made it."""
    began_at = [outcome.began_at for outcome in outcomes]
    behind = [max(moment - position / rate, 0) for position, moment in enumerate(began_at)]
    from_due = [
        outcome.admitted_at - position / rate
        for position, outcome in enumerate(outcomes)
        if outcome.admitted_at is not None
    ]
    return {
        "sent": pace(began_at),
        "generator_behind_ms": msgspec.to_builtins(summarize(behind)),
        "time_to_admitted_from_due_ms": msgspec.to_builtins(summarize(from_due)),
    }


def find_goals(report: Report) -> dict[str, float | None]:
    """Return the figures that have a goal, as far as the report holds them."""
    rows = [row for row in report["rows"] if row["protocol"] == "nats" and not is_protected(row)]
    once = {(row.get("workers"), row["at_once"]): row for row in rows if row["tries_at_most"] == 1}
    many, few = once.get((2, 4000), {}), once.get((2, 400), {})
    alike = many.get("clients") == few.get("clients")
    again = [row for row in rows if row["at_once"] == 4000 and row["tries_at_most"] > 1]
    counts = [row for row in again if row.get("workers") == 2] or again
    nobody = many.get("refusals") and not any(many["refusals"])  # was refused without retry: nobody had to come back
    left = max((max(row["refusals"]) for row in counts), default=0 if nobody else None)
    return {
        f"service ÷ server CPU, 100 at once, {ONE_WORKER}": once.get((1, STEADY_AT_ONCE), {}).get(
            "service_cpu_by_server"
        ),
        f"service ÷ server CPU, 100 at once, {TWO_WORKERS}": once.get((2, STEADY_AT_ONCE), {}).get(
            "service_cpu_by_server"
        ),
        "rate, 4,000 at once ÷ 400 at once": ratio(many.get("rate"), few.get("rate")) if alike else None,
        "not in at the end, 4,000 at once with retry": left,
    }


def render(report: Report) -> list[str]:
    """Return the report as lines of tables."""
    lines = tell(report["rows"], tabulate)
    if all("workers" in row for row in report["rows"]):  # goals are of what is started here
        goals = [(name, figure) for name, figure in find_goals(report).items() if figure is not None]
        lines += ["", *table(("in terms of goals", "is"), goals)] if goals else []
    return lines


def _say(protocol: str, clients: int, at_once: int, tries: int) -> str:
    return f"{protocol}, {clients} clients, {at_once} at once, {'no' if tries == 1 else 'with'} retry"


if __name__ == "__main__":
    sys.exit(main())
