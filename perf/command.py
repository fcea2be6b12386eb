"""What the measuring commands have in common: arguments, progress, a clean end, one line for what went wrong."""

import argparse
import os
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import msgspec
import uvloop

from callout.demo.processes import SignalledError, run_until_signal
from callout.errors import CommandError
from perf.machine import describe_machine
from perf.processes import OTHERS, OURSELVES, WALL, raise_file_limit

QUIET_SHARE: Final = 0.1  # of the CPU: so much others may take without a measurement being worth another attempt
Report = dict[str, Any]
"""What a measurement says: JSON."""


class Progress:
    """Says on standard error what is being done, with the seconds since the beginning."""

    def __init__(self, *, silent: bool = False) -> None:
        """Begin."""
        self._silent = silent
        self._began_at = time.monotonic()

    def say(self, text: str) -> None:
        """Say it."""
        if not self._silent:
            sys.stderr.write(f"[{time.monotonic() - self._began_at:5.0f} s] {text}\n")
            sys.stderr.flush()


Measure = Callable[[Progress], Coroutine[None, None, Report]]
Render = Callable[[Report], Sequence[str]]
"""Writes a report for a reader, as lines."""


def make_parser(name: str, document: str | None) -> argparse.ArgumentParser:
    """Make the parser of `python -m perf.<name>`, with the arguments that all have."""
    about, _, rest = (document or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog=f"python -m perf.{name}",
        description=about,
        epilog=rest.strip(),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    parser.add_argument("--quiet", action="store_true", help="say nothing of progress")
    return parser


def add_attempts(parser: argparse.ArgumentParser) -> None:
    """Add the argument for `find_least_disturbed`."""
    parser.add_argument(
        "--attempts",
        type=int,
        choices=range(1, 101),
        default=1,
        metavar="N",
        help="while others take more than a tenth of the CPU; the least disturbed one counts (1)",
    )


async def find_least_disturbed(measure: Callable[[], Awaitable[Report]], attempts: int) -> Report:
    """Measure until others leave the machine alone, so often at most; return what they have disturbed least.

    What was measured says so itself: `others_share`.
    """
    found = [await measure()]
    while len(found) < attempts and found[-1]["others_share"] > QUIET_SHARE:
        found.append(await measure())
    return min(found, key=lambda report: float(report["others_share"]))


def execute(options: argparse.Namespace, measure: Measure, render: Render) -> int:
    """Measure, print, and return the exit code; whatever was started has ended then."""
    raise_file_limit()
    try:
        report = collect(measure, Progress(silent=options.quiet))
    except CommandError as error:
        sys.stderr.write("".join(f"error: {line}\n" for line in error.lines))
        return error.exit_code
    except SignalledError as stopped:
        return 128 + stopped.number
    print_report(report, options, render)
    return 0


def print_report(report: Report, options: argparse.Namespace, render: Render) -> None:
    """Print it for machines or for a reader."""
    print(msgspec.json.format(msgspec.json.encode(report)).decode() if options.json else "\n".join(render(report)))


def collect(measure: Measure, progress: Progress) -> Report:
    """Run a measurement to its end and return its report, with what it was made on.

    Raises:
        CommandError: something did not start, or broke.
        SignalledError: it was told to stop, and has cleaned up.
    """
    found: Report = {}

    async def work() -> int:
        found.update(await measure(progress))
        return 0

    uvloop.run(run_until_signal(work()))
    return {"machine": describe_machine(), **found}


def find_shares(cpu: Mapping[str, float]) -> dict[str, float]:
    """Return what share of the machine's CPU the generator took while something was measured, and all others."""
    whole = cpu[WALL] * (os.cpu_count() or 1)
    return {f"{name}_share": round(cpu[name] / whole, 3) if whole else 0.0 for name in (OURSELVES, OTHERS)}
