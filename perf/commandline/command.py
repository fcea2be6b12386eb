"""What the measuring commands have in common: arguments, progress, a clean end, one line for what went wrong."""

import argparse
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Final

import msgspec
import uvloop

from callout.demo.processes import run_until_signal
from callout.errors import CommandError
from callout.files import reason_of
from perf.commandline.arguments import HelpFormatter, bounded
from perf.commandline.drafts import save_elsewhere
from perf.commandline.ending import end_in_order, holding_signals, keeping_handlers, letting_signals
from perf.commandline.printing import print_out, say
from perf.figures.disturbance import say_attempts
from perf.figures.findings import Report
from perf.figures.machine import describe_here
from perf.figures.processes import raise_file_limit

_READER_GONE: Final = 128 + signal.SIGPIPE  # what a shell reports for a process that died of the signal


class Progress:
    """Says on standard error what is being done, with the seconds since the beginning."""

    def __init__(self, *, silent: bool = False) -> None:
        """Begin."""
        self._silent = silent
        self._began_at = time.monotonic()
        self._kept: Callable[[], Report | None] = lambda: None

    def say(self, text: str) -> None:
        """Say it, if somebody listens; if nobody does, the measurement goes on all the same."""
        if not self._silent:
            say(f"[{time.monotonic() - self._began_at:5.0f} s] {text}")

    def maybe_say(self, text: str | None) -> None:
        """Say it, if there is anything to be said."""
        if text is not None:
            self.say(text)

    def keep(self, report: Callable[[], Report | None]) -> None:
        """Remember what is to be reported should the measurement end before its time; None if there is nothing yet."""
        self._kept = report

    @property
    def kept(self) -> Report | None:
        """What was found so far, as far as a measurement has kept it."""
        return self._kept()


Measure = Callable[[Progress], Coroutine[None, None, Report]]
Render = Callable[[Report], Sequence[str]]
"""Writes a report for a reader, as lines."""


def make_parser(name: str, document: str | None, *, says_progress: bool = True) -> argparse.ArgumentParser:
    """Make the parser of `python -m perf.<name>`, with the arguments that all have."""
    about, _, rest = (document or "").partition("\n")
    parser = argparse.ArgumentParser(
        prog=f"python -m perf.{name}",
        description=about,
        epilog=rest.strip(),
        formatter_class=HelpFormatter,
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of tables")
    if says_progress:
        parser.add_argument("--quiet", action="store_true", help="say nothing of progress")
    return parser


def add_attempts(parser: argparse.ArgumentParser) -> None:
    """Add the argument for `find_least_disturbed`."""
    parser.add_argument(
        "--attempts",
        type=bounded(1, 100),
        default=1,
        metavar="N",
        help="how often each measurement is made at most, while others take more than a tenth of the CPU; the attempt"
        " that they have disturbed least counts (1); what is deployed is measured once: who the others are there,"
        " nobody knows",
    )


def execute(options: argparse.Namespace, measure: Measure, render: Render) -> int:
    """Measure, print, and return the exit code; whatever was started has ended then.

    A measurement that ends before its time has printed what it has kept, and says besides why it ended.
    """
    raise_file_limit()
    progress = Progress(silent=options.quiet)

    def work() -> int:
        report = collect(measure, progress)
        progress.keep(lambda: None)
        progress.maybe_say(say_attempts(report))
        print_report(report, options, render)
        return 0

    return end_in_order(work, lambda: _print_kept(progress, options, render))


def execute_directly(options: argparse.Namespace, measure: Callable[[], Report], render: Render) -> int:
    """Do as `execute` with what waits for nothing: one thread, and no event loop."""

    def work() -> int:
        print_report(measure(), options, render)
        return 0

    return end_in_order(work)


def print_report(report: Report, options: argparse.Namespace, render: Render, *, early: bool = False) -> None:
    """Print it for machines or for a reader; should the reader be gone, end the process without a word.

    Of a measurement that has ended `early` a reader who is gone has not seen enough: Ctrl-C has ended the `tee` as well
    that was to write it down.

    Raises:
        CommandError: it cannot be printed, as into a file on a full disk; it stands in a file that the line names.
    """
    text = msgspec.json.format(msgspec.json.encode(report)).decode() if options.json else "\n".join(render(report))
    try:
        print_out(text)
    except OSError as error:
        if isinstance(error, BrokenPipeError) and not early:
            sys.exit(_READER_GONE)
        instead = save_elsewhere("the report", text, ".json" if options.json else ".txt")
        raise CommandError(f"standard output cannot be written: {reason_of(error)}; {instead}") from None


def _print_kept(progress: Progress, options: argparse.Namespace, render: Render) -> None:
    kept = progress.kept
    if kept is not None:
        print_report({**describe_here(), **kept}, options, render, early=True)


def collect(measure: Measure, progress: Progress) -> Report:
    """Run a measurement to its end and return its report, with what it was made on.

    Raises:
        CommandError: something did not start, or broke.
        SignalledError: it was told to stop, and has cleaned up.
    """
    found: Report = {}

    async def work() -> int:
        with letting_signals():  # the loop's handlers are there
            found.update(await measure(progress))
        return 0

    with holding_signals(), keeping_handlers():
        uvloop.run(run_until_signal(work()))
    return {**describe_here(), **found}
