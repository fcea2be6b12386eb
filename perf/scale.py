"""As many ServiceAccounts as a cluster may have: time to be ready, memory, time from a change to a decision with it.

For each number: the pretend API server (`perf.cluster`) holds them, the service lists them and is ready. Then one is
changed again and again, while a client of it is asked about without a pause: the time is from the change being
committed to the first answer with the new permissions. Then decisions are measured at rest, and while ServiceAccounts
change all the time.

On a deployed cluster the same requests can be sent by `perf.load`; memory and changes are only to be had here.
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
from perf.asking import Asker
from perf.cases import REMEMBERED
from perf.cluster import granted
from perf.command import Progress, Report, add_attempts, execute, find_least_disturbed, find_shares, make_parser, table
from perf.load import FEW_TOKENS, STEADY_WINDOW, Bench
from perf.local import Local, Population, read_metric, run_local
from perf.processes import Meter, read_memory
from perf.requests import LONG_S
from perf.summary import percentile, ratio, summarize
from perf.target import SUPERVISOR, WORKERS, bounded, parse_numbers
from workers.jose import decode_segment, split

CHANGE_S: Final = 10.0  # a change that no decision knows by then is lost
MIB: Final = 1 << 20


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parse(arguments)
    return execute(options, lambda progress: measure(Population(), options, progress), render)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = make_parser("scale", __doc__)
    parser.add_argument(
        "--serviceaccounts",
        type=parse_numbers,
        default=[1000, 10_000, 100_000, 1_000_000],
        metavar="N,…",
        help="how many there are (1000,10000,100000,1000000)",
    )
    parser.add_argument("--changes", type=bounded(1, 10_000), default=200, help="that are waited for (200)")
    parser.add_argument("--churn", type=bounded(1, 100_000), default=1000, help="changes a second meanwhile (1000)")
    parser.add_argument("--seconds", type=bounded(0.1, 50, float), default=3.0, help="for each load (3)")
    parser.add_argument("--workers", type=bounded(1, 256), default=2, help="of the service (2)")
    add_attempts(parser)
    options = parser.parse_args(arguments)
    if max(options.serviceaccounts) > 1_000_000:
        parser.error("--serviceaccounts is 1000000 at most")
    return options


async def measure(population: Population, options: argparse.Namespace, progress: Progress) -> Report:
    """Measure set-ups that are started here; the report is what `--json` prints."""
    rows = []
    for number in options.serviceaccounts:
        progress.say(f"scale: {number:,} ServiceAccounts")
        tokens = min(FEW_TOKENS, number)
        async with run_local(
            population,
            workers=options.workers,
            serviceaccounts=number,
            tokens=tokens,
        ) as local:
            rows.append({"serviceaccounts": number, **await _measure_one(local, options)})
    return {"workers": options.workers, "churn": options.churn, "rows": rows}


async def _measure_one(local: Local, options: argparse.Namespace) -> Report:
    (service,) = local.services
    row = await _weigh(local, service)
    row["change_ms"] = await find_least_disturbed(lambda: _follow_changes(local, options.changes), options.attempts)
    bench = await Bench.open(local.target, {}, options.attempts)
    await bench.warm_up(options.workers)
    row["at_rest"] = await bench.run_window(REMEMBERED, STEADY_WINDOW, options.seconds, series="at rest")
    half = row["at_rest"]["rate"] / 2
    row["at_rest_half_load"] = await bench.run_at(REMEMBERED, half, options.seconds)
    await local.tell_cluster("churn", rate=options.churn)
    row["while_changing"] = await bench.run_window(REMEMBERED, STEADY_WINDOW, options.seconds, series="changing")
    row["while_changing_half_load"] = await bench.run_at(REMEMBERED, half, options.seconds)
    await local.tell_cluster("churn", rate=0)
    await bench.close()
    return row


async def _weigh(local: Local, service: Service) -> Report:
    """Return the time to be ready, and what memory is taken now that nothing has been asked yet."""
    groups = local.target.find_processes()
    supervisors = [read_memory(pid).own for pid in groups[SUPERVISOR]]
    workers = [read_memory(pid).private for pid in groups[WORKERS]]
    listed_at = (await local.tell_cluster("state"))["listed_at"]
    return {
        "seconds_to_ready": round(service.seconds, 2),
        "seconds_from_list_to_ready": round(max(_find_ready(service) - listed_at, 0), 2),
        "supervisor_mib": round(sum(supervisors) / MIB, 1),
        "worker_mib": round(max(workers, default=0) / MIB, 1),
        "snapshot_mib": round(await read_metric(service, "nats_auth_snapshot_bytes") / MIB, 2),
    }


def _find_ready(service: Service) -> float:
    """Return when the service said that it is ready, by the clock that all processes share (CLOCK_MONOTONIC)."""
    (said_at,) = (str(line["ts"]) for line in service.said if line["event"] == "ready")
    return datetime.fromisoformat(said_at).timestamp() - time.time() + time.monotonic()


async def _follow_changes(local: Local, changes: int) -> Report:
    """Change one ServiceAccount again and again; return percentiles of milliseconds until a decision knows."""
    target = local.target
    assert target.login is not None
    maker = target.maker()
    asker = Asker(target.login, maker)
    await asker.connect(target.addresses["nats"])
    took = []
    meter = Meter(target.find_processes())
    for _ in range(changes):
        value = f"{time.monotonic_ns():x}"  # that no change before has had
        message = maker.message(target.tokens[0], int(time.time()) + LONG_S)
        committed = (await local.tell_cluster("change", position=0, value=value))["at"]
        wanted = granted(value)
        while wanted not in _permissions_in(await asker.ask(message)):
            if time.monotonic() - committed > CHANGE_S:
                raise CommandError("a change of a ServiceAccount does not reach the decisions")
        took.append(max(time.monotonic() - committed, 0))
    await asker.close()
    return {**msgspec.to_builtins(summarize(took)), **find_shares(meter.read())}


def _permissions_in(answer: bytes) -> bytes:
    """Return the user JWT's claims in an answer; empty if there are none."""
    compact = split(answer)
    if compact is None:
        return b""
    claims = msgspec.json.decode(decode_segment(compact.payload))
    user = split(claims["nats"].get("jwt", "").encode())
    return decode_segment(user.payload) if user else b""


def find_goals(report: Report) -> dict[str, float | None]:
    """Return the figures that have a goal, as far as the report holds them."""
    rows = {row["serviceaccounts"]: row for row in report["rows"]}
    found: dict[str, float | None] = {}
    large = rows.get(100_000)
    if large:
        found["100,000: ready after the list, s"] = large["seconds_from_list_to_ready"]
        found["100,000: supervisor, MiB"] = large["supervisor_mib"]
        found["100,000: snapshot, MiB"] = large["snapshot_mib"]
        found["100,000: worker, MiB"] = large["worker_mib"]
    smallest, largest = rows[min(rows)], rows[max(rows)]
    found["growth of the worker with ServiceAccounts, MiB"] = round(largest["worker_mib"] - smallest["worker_mib"], 1)
    huge = rows.get(1_000_000)
    if huge and large:
        found["1,000,000: snapshot ÷ that of 100,000"] = ratio(huge["snapshot_mib"], large["snapshot_mib"])
        found["1,000,000: p50 at half load ÷ that of 100,000"] = ratio(
            huge["at_rest_half_load"]["latency_ms"]["p50"], large["at_rest_half_load"]["latency_ms"]["p50"]
        )
    found["change to decision, p99, ms"] = percentile(sorted(row["change_ms"]["p99"] for row in rows.values()), 1)
    return found


def render(report: Report) -> list[str]:
    """Return the report as lines of tables."""
    columns = (
        "ServiceAccounts",
        "ready s",
        "after the list s",
        "supervisor MiB",
        "snapshot MiB",
        "worker MiB",
        "change p50 ms",
        "change p99 ms",
    )
    rows = [
        [
            f"{row['serviceaccounts']:,}",
            row["seconds_to_ready"],
            row["seconds_from_list_to_ready"],
            row["supervisor_mib"],
            row["snapshot_mib"],
            row["worker_mib"],
            row["change_ms"]["p50"],
            row["change_ms"]["p99"],
        ]
        for row in report["rows"]
    ]
    lines = [*table(columns, rows), ""]
    heads = ("decisions", "requests/s", "worker µs", "p50 ms", "p99 ms", "half load: p50 ms", "p99 ms")
    for name, title in (("at_rest", "at rest"), ("while_changing", f"{report['churn']:,} changes/s")):
        lines += table(
            heads,
            [
                [
                    f"{row['serviceaccounts']:,}, {title}",
                    row[name]["rate"],
                    row[name]["cpu_us_per_request"][WORKERS],
                    row[name]["latency_ms"]["p50"],
                    row[name]["latency_ms"]["p99"],
                    row[f"{name}_half_load"]["latency_ms"]["p50"],
                    row[f"{name}_half_load"]["latency_ms"]["p99"],
                ]
                for row in report["rows"]
            ],
        )
        lines.append("")
    return [*lines, *table(("in terms of goals", "is"), list(find_goals(report).items()))]


if __name__ == "__main__":
    sys.exit(main())
