"""The ladder: what each stage of a decision costs, what the whole costs, and what cryptography alone would cost.

One process, one thread, no network: the calls that a worker makes for each request, on tokens and requests made before.
Times are microseconds of CPU for one request, the least of all rounds. In each round everything is run once, the whole
directly beside its own bare cryptography, so that what else a shared machine does hits both.

Bare cryptography is: verify the request's signature, verify the token's (unless the token is remembered), sign twice;
called as directly as the libraries allow, over the very bytes of those requests and answers.
"""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import msgspec

from perf.cases import Batch, Case, list_cases, list_stages, list_token_checks
from perf.inputs import ALGORITHMS, Accounts, Issuer, ServiceAccounts
from perf.libraries import list_operations
from perf.machine import describe_machine
from perf.timing import Step, measure, repeat
from workers.jose import decode_segment
from workers.snapshot import SnapshotReader
from workers.user_jwt import Mode

DEFAULT_ROUNDS: Final = 15
DEFAULT_BATCH: Final = 200  # requests in a round, each of another client with another token
DEFAULT_SERVICE_ACCOUNTS: Final = 10_000
MAX_BATCH: Final = 10_000  # below `workers.sa_token.MAX_REMEMBERED`: a remembered token has to be one
_SHARED_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # a folder of ours is made in it


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure and print."""
    options = _parse(arguments)
    shared = _SHARED_MEMORY if _SHARED_MEMORY.is_dir() else None
    with tempfile.TemporaryDirectory(prefix="ladder-", dir=shared) as directory:
        report = climb(Path(directory), options.rounds, options.batch, options.serviceaccounts)
    if options.json:
        sys.stdout.buffer.write(msgspec.json.format(msgspec.json.encode(report)) + b"\n")
    else:
        print("\n".join(render(report)))
    return 0


def climb(directory: Path, rounds: int, batch_size: int, service_accounts: int) -> dict[str, Any]:
    """Measure everything; the report is what `--json` prints. `directory` has to be empty."""
    population = ServiceAccounts(service_accounts)
    issuers = [Issuer(algorithm) for algorithm in ALGORITHMS]
    with ExitStack() as stack:
        batches = []
        for mode in Mode:
            accounts = Accounts(mode)
            folder = directory / mode
            folder.mkdir()
            population.write(folder, accounts.target)
            reader = SnapshotReader(folder)
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
        times = iter(measure([*steps, *stages.values(), *libraries.values()], rounds))
    report: dict[str, Any] = {
        "unit": "microseconds of CPU for one request, the least of all rounds",
        "machine": describe_machine(),
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


def _compare(case: Case, whole: float, bare: float) -> dict[str, Any]:
    return {
        "algorithm": case.algorithm,
        "token": case.token,
        "mode": case.mode,
        "whole": round(whole, 2),
        "bare": round(bare, 2),
        "ratio": round(whole / bare, 3),
    }


def render(report: dict[str, Any]) -> list[str]:
    """Return the report as lines of tables."""
    machine = report["machine"]
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, {machine['python']}",
        ", ".join(f"{name} {number}" for name, number in machine["libraries"].items()),
        f"{report['unit']}",
        "whole: a decision as a worker makes it; bare: its cryptography alone: to verify the request's signature and",
        "(first seen) the token's, and to sign the user JWT and the response; ratio: whole / bare",
        f"{report['rounds']} rounds of {report['batch']} requests, {report['serviceaccounts']} ServiceAccounts",
        "",
        f"{'decision':<36}{'whole':>9}{'bare':>9}{'ratio':>8}",
    ]
    lines += [
        f"{row['algorithm'] + ', ' + row['token'] + ', ' + row['mode']:<36}"
        f"{row['whole']:>9.1f}{row['bare']:>9.1f}{row['ratio']:>8.2f}"
        for row in report["decisions"]
    ]
    lines += ["", "stage of a decision"]
    lines += [f"{name:<36}{cost:>9.1f}" for name, cost in report["stages"].items()]
    lines += ["", "the libraries that could do it"]
    for operation, costs in report["libraries"].items():
        lines += ["", operation]
        lines += [f"  {name:<34}{cost:>9.1f}" for name, cost in costs.items()]
    return lines


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m perf.ladder", description=__doc__.partition("\n")[0])
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--rounds", type=int, default=DEFAULT_ROUNDS, help="how often all is measured (%(default)s)")
    parser.add_argument("--batch", type=int, default=DEFAULT_BATCH, help="requests in a round (%(default)s)")
    parser.add_argument(
        "--serviceaccounts",
        type=int,
        default=DEFAULT_SERVICE_ACCOUNTS,
        help="how many the snapshot holds (%(default)s)",
    )
    options = parser.parse_args(arguments)
    if min(options.rounds, options.batch, options.serviceaccounts) < 1:
        parser.error("rounds, batch and serviceaccounts have to be 1 at least")
    if options.batch > MAX_BATCH:
        parser.error(f"a batch is {MAX_BATCH} at most: more tokens than that are not remembered")
    return options


if __name__ == "__main__":
    sys.exit(main())
