"""As many ServiceAccounts as a cluster may have: time to be ready, memory, time from a change to a decision with it.

For each number: the pretend API server (`perf.here.cluster`) holds them, the service lists them and is ready. Then one
is changed again and again, while a client of it is asked about without a pause: the time is from the change being
committed to the first answer with the new permissions. Then decisions are measured at rest, and while ServiceAccounts
change all the time: at full load, and at one rate that is the same for all numbers, half of what was decided with the
fewest of them. That one has several rounds with --repeat, of which the middle one counts by its p99.

Memory is weighed before the first request and after the last. Where core files are forbidden to a user (ulimit -Hc is
0), the service hides it from him: run as root, or raise that limit.

On a deployed cluster (--nats-url) they are made in a namespace that exists (--namespace), beside those that the cluster
has: time until the service knows the last one is measured in place of the time to be ready, which only a start of it
tells; memory of its processes is not to be had, the size of the snapshot only with --metrics-url. Changes count from
the API server's answer to a PATCH, and from its sending. Of several replicas each answer is of any of them.

The namespace has to be empty, but for the ServiceAccount default: who may create serviceaccounts/token in it can have a
token of each that is there. It takes that, and the verbs list, create, patch and delete on serviceaccounts.

What was made is deleted at the end, after an error or a signal too (--keep leaves it). Should the script be killed, the
first line lists what it has left; with the second it is deleted, by its names, since a label is easily set:
  kubectl get serviceaccounts --namespace NAME --selector nats-k8s-oidc-callout/made-by=perf.scale --output name |
    grep -xE 'serviceaccount/perf-scale-(run|[0-9]+)' | xargs -r kubectl delete --namespace NAME
Its marker, perf-scale-run, keeps a second run from beginning in the same namespace.
"""

import argparse
import sys
import time
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import msgspec

from callout.demo.service import Service
from callout.errors import CommandError
from perf.bench import FEW_TOKENS, STEADY_WINDOW, Bench
from perf.cases import REMEMBERED
from perf.commandline.arguments import bounded, parse_numbers
from perf.commandline.command import Progress, add_attempts, make_parser
from perf.figures.findings import Report
from perf.figures.pages import read_metric, read_metric_of
from perf.figures.processes import SUPERVISOR, WORKERS, maybe_read_memories
from perf.figures.rounds import find_least_disturbed
from perf.figures.summary import MIB, percentile, ratio
from perf.figures.tables import table, tabulate
from perf.generator.answers import is_allowed
from perf.generator.target import MAX_PROCESSES, Target, add_arguments
from perf.here.local import Local, Population, run_local
from perf.kube import place
from perf.kube.changing import Changer, Inquirer, follow_changes
from perf.kube.churning import RealChanger
from perf.kube.marks import MAX_NUMBER
from perf.kube.serviceaccounts import OwnServiceAccounts, own_serviceaccounts
from perf.script import execute_on, parse_target
from perf.sections.scale import DECISIONS, READINESS, list_decisions

KNOWN_S: Final = 50.0  # a ServiceAccount that is not let in by then never is; within what a request is good for
LOCAL_NUMBERS: Final = (1000, 10_000, 100_000, 1_000_000)
DEPLOYED_NUMBERS: Final = (100, 1000)  # others need the API server too
LOCAL_CHURN: Final = 1000
DEPLOYED_CHURN: Final = 100  # for the same reason
SNAPSHOT: Final = "nats_auth_snapshot_bytes"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options, target = parse(arguments)
    return execute_on(target, options, measure_target, measure, render)


def parse(arguments: Sequence[str] | None) -> tuple[argparse.Namespace, Target | None]:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = make_parser("scale", __doc__)
    parser.add_argument(
        "--serviceaccounts",
        type=parse_numbers,
        metavar="N,…",
        help="how many there are (1000,10000,100000,1000000; deployed 100,1000)",
    )
    parser.add_argument("--changes", type=bounded(1, 10_000), default=200, help="that are waited for (200)")
    parser.add_argument(
        "--churn", type=bounded(1, 100_000), help="changes a second meanwhile, as far as it goes (1000; deployed 100)"
    )
    parser.add_argument("--seconds", type=bounded(0.1, 50, float), default=3.0, help="for each load (3)")
    parser.add_argument("--repeat", type=bounded(1, 100), default=1, help="rounds at one rate; the middle counts (1)")
    parser.add_argument("--workers", type=bounded(1, MAX_PROCESSES), help="of the service, if it is started here (2)")
    add_attempts(parser)
    add_arguments(parser, direct=True, connecting=False, tokens=False)
    place.add_arguments(parser)
    options, target = parse_target(
        parser,
        arguments,
        direct=True,
        here={"serviceaccounts": list(LOCAL_NUMBERS), "churn": LOCAL_CHURN, "workers": 2},
        deployed={"serviceaccounts": list(DEPLOYED_NUMBERS), "churn": DEPLOYED_CHURN},
    )
    try:
        options.place = place.find_place(options)
    except ValueError as error:
        parser.error(str(error))
    if max(options.serviceaccounts) > MAX_NUMBER:
        parser.error(f"--serviceaccounts is {MAX_NUMBER} at most")
    return options, target


async def measure(population: Population, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure set-ups that are started here; the report is what `--json` prints."""
    rows: list[Report] = []
    report = {"workers": options.workers, "churn": options.churn, "rows": rows}
    progress.keep(lambda: report if rows else None)
    for number in sorted(options.serviceaccounts):
        progress.say(f"scale: {number:,} ServiceAccounts")
        tokens = min(FEW_TOKENS, number)
        async with run_local(population, workers=options.workers, serviceaccounts=number, tokens=tokens) as local:
            (service,) = local.services
            row = {"serviceaccounts": number, **await _find_readiness(local, service), **_weigh(local)}
            row |= await _measure_one(local.target, local, options, rows)
            rows.append(row | {f"{name}_after": value for name, value in _weigh(local).items()})
    return report


async def measure_target(target: Target, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure what is deployed, with ServiceAccounts that are made there."""
    where = options.place
    rows: list[Report] = []
    report = {"churn": options.churn, "rows": rows}
    progress.keep(lambda: report if rows else None)
    for url in where.metrics_urls:  # before anything is made
        await _read_snapshot(url)
    async with own_serviceaccounts(where, progress) as own:
        for number in sorted(options.serviceaccounts):
            progress.say(f"scale: {number:,} ServiceAccounts in namespace {where.namespace}")
            known_after = await _make_known(target, own, number)
            snapshots = [await _read_snapshot(url) for url in where.metrics_urls]
            progress.say("scale: changes, and decisions meanwhile")
            changer = RealChanger(own, where)
            tokens = await own.mint_all(min(FEW_TOKENS, number))
            mine = msgspec.structs.replace(target, tokens=tokens, find_processes=changer.find_processes)
            row = {
                "serviceaccounts": number,
                "seconds_to_know": known_after,
                "snapshot_mib": max(snapshots, default=None),
            }
            rows.append(row | await _measure_one(mine, changer, options, rows))
    return report


async def _measure_one(
    target: Target, changer: Changer, options: argparse.Namespace, before: Sequence[Report]
) -> Report:
    """Measure changes and decisions with one number of ServiceAccounts; `before` has the rows of the fewer ones."""
    row: Report = {
        "change_ms": await find_least_disturbed(
            lambda: follow_changes(target, changer, options.changes), options.attempts
        )
    }
    bench = await Bench.open(target, {}, options.attempts)
    await bench.warm_up(options.workers)
    row["at_rest"] = await bench.run_window(REMEMBERED, STEADY_WINDOW, options.seconds, series="at rest")
    if not row["at_rest"]["rate"]:
        raise CommandError("nobody is let in any more")
    half = find_half([*before, row])
    row["at_rest_half_load"] = await bench.run_at(REMEMBERED, half, options.seconds, options.repeat)

    async def ask_meanwhile() -> Report:
        return {
            "while_changing": await bench.run_window(REMEMBERED, STEADY_WINDOW, options.seconds, series="changing"),
            "while_changing_half_load": await bench.run_at(REMEMBERED, half, options.seconds, options.repeat),
        }

    found, rate = await changer.churn_while(options.churn, ask_meanwhile)
    await bench.close()
    return {**row, **found, "changes_a_second": round(rate, 1)}


def find_half(rows: Sequence[Report]) -> float:
    """Return what all numbers of ServiceAccounts are offered: half of the rate with the fewest, the first."""
    return float(rows[0]["at_rest"]["rate"]) / 2


async def _make_known(target: Target, own: OwnServiceAccounts, number: int) -> float | None:
    """Let there be so many; return the seconds from the API server's answer for the last one until it is let in."""
    made_at = await own.settle(number)
    token = await own.mint(number - 1)
    async with Inquirer(target) as inquirer:
        known_at = await inquirer.until(token, is_allowed, KNOWN_S)
    if known_at is None:
        raise CommandError(
            "the service does not let in what was made: its log says why (login denied); see that it serves that"
            " namespace, and that --callout-account, --xkey and --audience are its own"
        )
    return None if made_at is None else known_at - made_at


async def _read_snapshot(url: str) -> float:
    return await read_metric_of(url, SNAPSHOT) / MIB


def _weigh(local: Local) -> Report:
    """Return the memory of the supervisor, and of the largest worker; None for what has ended."""
    groups = local.target.find_processes()
    supervisors, workers = (maybe_read_memories(groups[name]) for name in (SUPERVISOR, WORKERS))
    return {
        "supervisor_mib": sum(memory.own for memory in supervisors) / MIB if supervisors else None,
        "worker_mib": max(memory.private for memory in workers) / MIB if workers else None,
    }


async def _find_readiness(local: Local, service: Service) -> Report:
    """Return the time to be ready, and the size of the snapshot."""
    listed_at = (await local.tell_cluster("state"))["listed_at"]
    return {
        "seconds_to_ready": service.seconds,
        "seconds_from_list_to_ready": max(_find_ready(service) - listed_at, 0),
        "snapshot_mib": await read_metric(service, SNAPSHOT) / MIB,
    }


def _find_ready(service: Service) -> float:
    """Return when the service said that it is ready, by the clock that all processes share (CLOCK_MONOTONIC)."""
    (said_at,) = (str(line["ts"]) for line in service.said if line["event"] == "ready")
    return datetime.fromisoformat(said_at).timestamp() - time.time() + time.monotonic()


def find_goals(report: Report) -> dict[str, float | None]:
    """Return the figures that have a goal, as far as the report holds them."""
    rows = {row["serviceaccounts"]: row for row in report["rows"]}
    found: dict[str, float | None] = {}
    large = rows.get(100_000)
    if large:
        found["100,000: ready after the list, s"] = large["seconds_from_list_to_ready"]
        found["100,000: supervisor, MiB"] = _find_larger(large, "supervisor_mib")
        found["100,000: snapshot, MiB"] = large["snapshot_mib"]
        found["100,000: worker, MiB"] = _find_larger(large, "worker_mib")
    fewest, most = min(rows), max(rows)
    light, heavy = (_find_larger(rows[number], "worker_mib") for number in (fewest, most))
    growth = None if light is None or heavy is None else heavy - light
    found["growth of the worker with ServiceAccounts, MiB"] = growth if most > fewest else None
    huge = rows.get(1_000_000)
    if huge and large:
        found["1,000,000: snapshot ÷ that of 100,000"] = ratio(huge["snapshot_mib"], large["snapshot_mib"])
        most_ms, fewer_ms = (row["at_rest_half_load"]["latency_ms"] for row in (huge, large))
        for share in ("p50", "p99"):
            found[f"1,000,000: {share} at one rate ÷ that of 100,000"] = ratio(most_ms[share], fewer_ms[share])
    found["change to decision, p99, ms"] = percentile(sorted(row["change_ms"]["p99"] for row in rows.values()), 1)
    return found


def _find_larger(row: Report, name: str) -> float | None:
    """Return the larger of what was weighed before the first request and after the last; None if one is not known."""
    weighed = (row[name], row[f"{name}_after"])
    return None if None in weighed else float(max(weighed))


def render(report: Report) -> list[str]:
    """Return the report as lines of tables."""
    rows = report["rows"]
    lines = [*tabulate(READINESS, rows), "", *tabulate(DECISIONS, list_decisions(rows))]
    if "workers" in report:
        lines += ["", *table(("in terms of goals", "is"), list(find_goals(report).items()))]
    return lines


if __name__ == "__main__":
    sys.exit(main())
