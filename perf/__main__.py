"""All measurements for this machine, one after the other: `make perf`.

Writes the results as JSON and the report as Markdown with plots, named after the day and the machine. What each script
does, its own `--help` says; here each has bounds that keep the whole under a quarter of an hour.

Rules kept here:
- What was measured before on the same day, and not again now, stays in the files; each part says when it began.
- That they can be written is tried before anything is measured, and so is that there is a report of what stays of the
  day. Each part is kept as soon as it is there, in a temporary file if need be.
- A part that fails takes none of the others with it, and the report is of what is there, whatever ends the run.
- The report is written before anything is said of it. What has stayed of another version is left out, and said.
- What `--tiny` gives goes to files of its own, and says what it is.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import msgspec

from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.files import reason_of
from perf import ladder, load, overload, report, scale, simulate, soak, storm
from perf.commandline.arguments import read_list
from perf.commandline.command import Progress, add_attempts, collect
from perf.commandline.drafts import cannot_write, save_elsewhere, write_whole
from perf.commandline.ending import disregarding_signals, end_in_order
from perf.commandline.failures import Failures
from perf.commandline.printing import print_out, say
from perf.figures.disturbance import say_attempts, say_disturbed
from perf.figures.findings import BEGAN, COMMANDS, Report
from perf.figures.machine import describe_machine
from perf.figures.processes import raise_file_limit
from perf.here.local import Population

RESULTS: Final = Path("perf/results")
STORMS: Final = (
    # Fewer would all be in within a second, of which the CPU is counted in hundredths.
    "--at-once=100 --clients=10000 --workers=1,2 --retry=no --repeat=3",
    # As many for both: they are compared, and the first of them meet a cold set-up.
    "--at-once=400,4000 --clients=4000 --repeat=3",
    "--protocol=ws,mqtt --at-once=100 --clients=4000 --retry=no --repeat=3",
    # As the examples have it, and what of that the xkey takes.
    "--sealed --at-once=100 --clients=4000 --retry=no --repeat=3",
    "--tls --sealed --at-once=100,400,4000 --clients=4000 --retry=no --repeat=3",
    # As docs/clients.md asks clients to wait.
    "--tls --sealed --at-once=4000 --clients=4000 --timeout=5 --retry=no --repeat=3",
)
TINY_STORMS: Final = ("--clients=10 --at-once=5 --workers=1",)

Clock = Callable[[], datetime]
"""Says what time it is, in UTC."""


def read_clock() -> datetime:
    """Do as a `Clock` does."""
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None, clock: Clock = read_clock) -> int:
    """Measure all, or what is asked for, and write."""
    options = _parse(arguments)
    raise_file_limit()
    machine, date = describe_machine(), clock().date().isoformat()
    path = options.out / f"{date}-{name_machine(machine)}{'-tiny' if options.tiny else ''}.json"
    kept = Kept(path, {"date": date, "machine": machine, **({"tiny": True} if options.tiny else {})})

    def work() -> int:
        measure(options, clock, kept)
        with disregarding_signals():  # it is as good as done
            kept.tell()
        return 0

    return end_in_order(work, kept.tell)


class Kept:
    """What this run has measured so far, and where it stands with the day's other results.

    Args:
        path: of the day's results.
        about: what they begin with: the day, the machine.
    """

    def __init__(self, path: Path, about: Report) -> None:
        """Begin with nothing."""
        self._path = path
        self._about = about
        self._measured: Report = {}
        self._results: Report = {}

    def try_out(self, names: Sequence[str]) -> None:
        """See that what is measured under these names can be kept, and that a report can be made of it and the rest.

        Raises:
            CommandError: it could not.
        """
        rest = {name: part for name, part in try_to_keep(self._path).items() if name not in names}
        try:
            report.describe(rest | self._about, "")
        except report.OtherVersionError as error:
            raise CommandError(
                f"{self._path} holds results of another version, move it away: {error}", exit_code=EXIT_WRONG_USAGE
            ) from None

    def add(self, name: str, found: Report) -> None:
        """Keep a part.

        Raises:
            CommandError: it cannot be written; it stands in a file that the line names.
        """
        measured = self._measured | {name: found}
        try:
            self._results = keep(self._path, self._about | measured)
        except CommandError as error:
            instead = save_elsewhere(name, _format(self._about | {name: found}), ".json")
            raise CommandError(f"{error}; {instead}") from None
        self._measured = measured

    def tell(self) -> None:
        """Write the report of it, and print where both are: once, and if there is anything.

        Signals are to be disregarded meanwhile: what they break off is not told again.

        Raises:
            CommandError: the report cannot be written, or nothing can be printed.
            OtherVersionError: what was measured now cannot be told, which is a mistake of ours.
        """
        results, self._results = self._results, {}
        if not results:
            return
        warnings = self._leave_out(results)
        if disturbed := say_disturbed(self._measured):
            warnings.append(disturbed)
        there = [str(self._path)]
        try:
            there.append(str(report.write(results, self._path)))
        finally:
            for warning in warnings:
                say(f"warning: {warning}")
            _print_places(there)

    def _leave_out(self, results: Report) -> list[str]:
        """Take out of results what has stayed in them and cannot be told; return a line for each part of it."""
        said = []
        for name in results.keys() - self._measured.keys() - self._about.keys():
            try:
                report.describe(self._about | {name: results[name]}, "")
            except report.OtherVersionError as error:
                del results[name]
                said.append(
                    f"the report is without {name}, of which {self._path} holds results of another version: {error}"
                )
        return sorted(said)


def _print_places(places: Sequence[str]) -> None:
    try:
        print_out("\n".join(places))
    except OSError as error:
        where = " and ".join(places)
        raise CommandError(f"standard output cannot be written: {reason_of(error)}; see {where}") from None


class PartlyMeasuredError(CommandError):
    """Something did not start, or broke; `found` is what was measured besides, and empty if nothing was."""

    def __init__(self, *lines: str, found: Report) -> None:
        super().__init__(*lines)
        self.found = found


def measure(options: argparse.Namespace, clock: Clock, kept: Kept) -> None:
    """Measure one after the other, and keep what each comes to; one that fails leaves the others alone.

    Raises:
        CommandError: something did not start, or broke, or cannot be kept.
        SignalledError: it was told to stop, and has cleaned up.
    """
    progress = Progress()
    population = Population()
    failures: list[str] = []
    kept.try_out(options.only)
    for name in options.only:
        started, began = time.monotonic(), clock().isoformat(timespec="seconds")
        try:
            found = _SCRIPTS[name](population, progress, tiny=options.tiny, attempts=options.attempts)
        except CommandError as error:
            found = error.found if isinstance(error, PartlyMeasuredError) else {}
            progress.say(f"{name} cannot be measured{' as a whole' if found else ''}: {'; '.join(error.lines)}")
            failures += [f"{name}: {line}" for line in error.lines]
            if not found:
                continue
        kept.add(name, {BEGAN: began, **found})
        done, attempts = f"{name}: done in {time.monotonic() - started:.0f} s", say_attempts(found)
        progress.say(f"{done}; {attempts}" if attempts else done)
    if failures:
        raise CommandError(*failures)


def try_to_keep(path: Path) -> dict[str, Any]:
    """Make the folder, write something into it, and return what is there of the same day.

    Raises:
        CommandError: what is measured could not be kept.
    """
    folder = path.parent
    try:
        if not folder.parent.is_dir():
            raise CommandError(f"--out {folder}: there is no folder {folder.parent}", exit_code=EXIT_WRONG_USAGE)
        if not folder.exists():
            folder.mkdir()
        with tempfile.TemporaryFile(dir=folder):
            return _read(path)
    except OSError as error:
        raise CommandError(
            f"--out {folder} cannot be written: {reason_of(error)}", exit_code=EXIT_WRONG_USAGE
        ) from None
    except msgspec.DecodeError as error:
        raise CommandError(f"{path} holds no results, move it away: {error}", exit_code=EXIT_WRONG_USAGE) from None


def keep(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Add to the day's results, so that what has been measured is kept whatever comes next; return them all.

    Raises:
        CommandError: they cannot be written.
    """
    try:
        results = _read(path) | found
    except OSError as error:
        raise cannot_write(path, error) from None
    write_whole(path, f"{_format(results)}\n".encode())
    return results


def _format(results: Report) -> str:
    return msgspec.json.format(msgspec.json.encode(results)).decode()


def _read(path: Path) -> dict[str, Any]:
    return msgspec.json.decode(path.read_bytes(), type=dict[str, Any]) if path.exists() else {}


def name_machine(machine: Report) -> str:
    """Return what a machine is called in a file's name: its processor and how many cores it has."""
    processor = re.sub(r"[^a-z0-9]+", "-", str(machine["processor"]).lower()).strip("-")
    return f"{processor or 'unknown'}-{machine['cores']}"


def _parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m perf", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", type=_parse_names, default=list(_SCRIPTS), metavar="NAME,…", help=", ".join(_SCRIPTS))
    parser.add_argument("--out", type=Path, default=RESULTS, help=f"folder ({RESULTS})")
    parser.add_argument("--tiny", action="store_true", help="with bounds so small that the figures say nothing")
    add_attempts(parser)
    return parser.parse_args(arguments)


def _parse_names(text: str) -> list[str]:
    return read_list(text, _read_name, f"measurements ({', '.join(_SCRIPTS)})")


def _read_name(word: str) -> str:
    if word not in _SCRIPTS:
        raise ValueError
    return word


def _climb(_: Population, progress: Progress, *, tiny: bool, **__: int) -> Report:
    progress.say("ladder: what a decision costs in process")
    words = "--rounds=1 --batch=2 --serviceaccounts=10" if tiny else ""
    return _name("ladder", words) | ladder.climb_in_memory(ladder.parse(words.split()), progress)


def _load(population: Population, progress: Progress, *, tiny: bool, attempts: int) -> Report:
    bounds = "--workers=1 --replicas=1 --windows=4 --seconds=0.2 --serviceaccounts=20 --first-seen=20 --rounds=1"
    words = bounds if tiny else f"--repeat=3 --attempts={attempts}"
    options, _ = load.parse(words.split())
    return _name("load", words) | collect(lambda on: load.measure(population, options, on), progress)


def _storm(population: Population, progress: Progress, *, tiny: bool, attempts: int) -> Report:
    found: Report = {COMMANDS: [], "rows": []}
    failures = Failures(progress)
    for bounds in TINY_STORMS if tiny else STORMS:
        words = f"{bounds} --attempts={attempts}"
        found[COMMANDS] += _name("storm", words)[COMMANDS]
        options, _ = storm.parse(words.split())
        with failures.going_on(f"storm: {words}"):
            part = collect(lambda on, options=options: storm.measure(population, options, on), progress)  # type: ignore[misc]  # the default binds it
            found |= {**part, "rows": [*found["rows"], *part["rows"]]}
    if failures.lines:
        raise PartlyMeasuredError(*dict.fromkeys(failures.lines), found=found if found["rows"] else {})
    return found


def _overload(population: Population, progress: Progress, *, tiny: bool, attempts: int) -> Report:
    timeouts = ",".join(f"{seconds:g}" for seconds in overload.GOAL_TIMEOUTS)
    bounds = f"--factors=1,3 --seconds=0.5 --clients=10 --workers=1 --timeouts={timeouts} --tries=20"
    # Five tries of clients that all give up at the same time take twenty seconds, at each factor.
    words = bounds if tiny else f"--repeat=3 --timeouts={timeouts} --tries=5 --attempts={attempts}"
    options, _ = overload.parse(words.split())
    return _name("overload", words) | collect(lambda on: overload.measure(population, options, on), progress)


def _scale(population: Population, progress: Progress, *, tiny: bool, attempts: int) -> Report:
    bounds = "--serviceaccounts=10,20 --changes=2 --churn=10 --seconds=0.2 --workers=1"
    words = bounds if tiny else f"--seconds=2 --repeat=3 --attempts={attempts}"
    options, _ = scale.parse(words.split())
    return _name("scale", words) | collect(lambda on: scale.measure(population, options, on), progress)


def _soak(population: Population, progress: Progress, *, tiny: bool, **__: int) -> Report:
    words = "--hours=0 --rate=10 --interval=0.2 --workers=1" if tiny else "--hours=0.0112 --interval=10"
    options, _ = soak.parse(words.split())
    return _name("soak", words) | collect(lambda on: soak.measure(population, options, on), progress)


def _simulate(_: Population, progress: Progress, *, tiny: bool, **__: int) -> Report:
    progress.say("simulate: a million clients over an hour")
    words = "--seconds=100" if tiny else ""
    return _name("simulate", words) | simulate.reckon(simulate.parse(words.split()))


def _name(script: str, words: str) -> Report:
    """Name the command that measures the same by itself."""
    return {COMMANDS: [f"python -m perf.{script} {words}".rstrip()]}


_SCRIPTS: Final[dict[str, Callable[..., Report]]] = {
    "ladder": _climb,
    "load": _load,
    "storm": _storm,
    "overload": _overload,
    "scale": _scale,
    "soak": _soak,
    "simulate": _simulate,
}

if __name__ == "__main__":
    sys.exit(main())
