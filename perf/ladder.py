"""The ladder: what each stage of a decision costs, what the whole costs, and what cryptography alone would cost.

One process, one thread, no network: the calls that a worker makes for each request, on tokens and requests made before.
Times are microseconds of CPU for one request, the least of all rounds. In each round everything is run once, the whole
directly beside its own bare cryptography, so that what else a shared machine does hits both.

Bare cryptography is: verify the request's signature, verify the token's (unless the token is remembered), sign twice;
called as directly as the libraries allow, over the very bytes of those requests and answers.
"""

import argparse
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from perf.cases import Batch, Case, list_cases, list_stages, list_token_checks
from perf.commandline.arguments import bounded
from perf.commandline.command import Progress, execute_directly, make_parser
from perf.commandline.shared_memory import make_folder
from perf.figures.findings import Report
from perf.figures.machine import describe_here, say_python
from perf.here.inputs import ALGORITHMS, Accounts, Issuer, ServiceAccounts
from perf.libraries import list_operations
from perf.sections.ladder import find_ratio, show_ratio
from perf.timing import Step, measure, repeat
from workers.jose import decode_segment
from workers.user_jwt import Mode

SAID_OFTEN: Final = 10  # times that progress is shown while it is measured, or a few more
MAX_BATCH: Final = 10_000  # below `workers.sa_token.MAX_REMEMBERED`: a remembered token has to be one


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = parse(arguments)
    return execute_directly(options, lambda: climb_in_memory(options, Progress(silent=options.quiet)), render)


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    """Read the arguments; ends the process with one line if they are wrong."""
    parser = make_parser("ladder", __doc__)
    parser.add_argument("--rounds", type=bounded(1, 1000), default=15, help="how often all is measured (15)")
    parser.add_argument("--batch", type=bounded(1, MAX_BATCH), default=200, help="requests in a round (200)")
    parser.add_argument(
        "--serviceaccounts", type=bounded(1, 1_000_000), default=10_000, help="how many the snapshot holds (10000)"
    )
    return parser.parse_args(arguments)


def climb_in_memory(options: argparse.Namespace, progress: Progress) -> Report:
    """Measure everything, with the snapshots in shared memory as in production.

    Raises:
        CommandError: there is no room for them.
    """
    with make_folder() as directory:
        return climb(Path(directory), options.rounds, options.batch, options.serviceaccounts, progress)


def climb(directory: Path, rounds: int, batch_size: int, service_accounts: int, progress: Progress) -> Report:
    """Measure everything; the report is what `--json` prints. `directory` has to be empty."""
    population = ServiceAccounts(service_accounts)
    issuers = [Issuer(algorithm) for algorithm in ALGORITHMS]
    with ExitStack() as stack:
        batches = []
        for mode in Mode:
            progress.say(f"ladder: requests and a snapshot for {mode} mode, ServiceAccounts: {service_accounts:,}")
            accounts = Accounts(mode)
            reader = population.keep(directory / mode, accounts.target)
            stack.callback(reader.close)
            batches += [Batch(issuer, accounts, population, reader, batch_size) for issuer in issuers]
        cases = [case for batch in batches for case in list_cases(batch)]
        stages = list_stages(batches[0])
        for batch in batches[: len(ALGORITHMS)]:
            stages |= list_token_checks(batch)
        libraries = {
            (operation, library): repeat(call, batch_size)
            for operation, calls in list_operations(decode_segment(batches[0].requests[0].payload)).items()
            for library, call in calls.items()
        }
        steps: list[Step] = [step for case in cases for step in (case.whole, case.bare)]
        often = max(rounds // SAID_OFTEN, 1)

        def say_round(number: int) -> None:
            if number % often == 0:
                progress.say(f"ladder: round {number + 1} of {rounds}")

        times = iter(measure([*steps, *stages.values(), *libraries.values()], rounds, say_round))
    report: Report = {
        "unit": "microseconds of CPU for one request, the least of all rounds",
        **describe_here(),
        "rounds": rounds,
        "batch": batch_size,
        "serviceaccounts": service_accounts,
        "decisions": [_compare(case, next(times), next(times)) for case in cases],
        "stages": {name: round(next(times), 2) for name in stages},
        "libraries": {},
    }
    for operation, library in libraries:
        report["libraries"].setdefault(operation, {})[library] = round(next(times), 2)
    return report


def _compare(case: Case, whole: float, bare: float) -> Report:
    return {
        "algorithm": case.algorithm,
        "token": case.token,
        "mode": case.mode,
        "whole": whole,
        "bare": bare,
    }


def find_goals(report: Report) -> dict[str, float | None]:
    """Return the figures that have a goal."""
    return {
        f"decision ÷ bare cryptography in process, RS256, {row['mode']} mode, {row['token']}": find_ratio(row)
        for row in report["decisions"]
        if row["algorithm"] == "RS256"
    }


def render(report: Report) -> list[str]:
    """Return the report as lines of tables."""
    machine = report["machine"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, {say_python(machine)}",
        ", ".join(f"{name} {number}" for name, number in machine["libraries"].items()),
        f"{report['unit']}",
        "whole: a decision as a worker makes it; bare: its cryptography alone: to verify the request's signature and",
        "(first seen) the token's, and to sign the user JWT and the response; ratio: whole / bare",
        f"rounds: {report['rounds']}; requests in each: {report['batch']}",
        f"ServiceAccounts: {report['serviceaccounts']:,}",
        "",
        f"{'decision':<36}{'whole':>9}{'bare':>9}{'ratio':>8}",
    ]
    lines += [
        f"{row['algorithm'] + ', ' + row['token'] + ', ' + row['mode']:<36}"
        f"{row['whole']:>9.1f}{row['bare']:>9.1f}{show_ratio(row):>8}"
        for row in report["decisions"]
    ]
    lines += ["", "stage of a decision"]
    lines += [f"{name:<36}{cost:>9.1f}" for name, cost in report["stages"].items()]
    lines += ["", "the libraries that could do it"]
    for operation, costs in report["libraries"].items():
        lines += ["", operation]
        lines += [f"  {name:<34}{cost:>9.1f}" for name, cost in costs.items()]
    return lines


if __name__ == "__main__":
    sys.exit(main())
