"""All measurements for this machine, one after the other: `make perf`.

Writes the results as JSON and the report as Markdown with plots, named after the day and the machine. What each script
does, its own `--help` says; here each has bounds that keep the whole under a quarter of an hour.

Rules kept here:
- What was measured before on the same day, and not again now, stays in the files; each part says when it began.
- That they can be written is tried before anything is measured, and each part is kept as soon as it is there.
- What `--tiny` gives goes to files of its own, and says what it is.
"""

import argparse
import re
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec

from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.files import reason_of
from perf import ladder, load, overload, report, scale, simulate, soak, storm
from perf.arguments import read_list
from perf.command import Progress, Report, add_attempts, collect
from perf.disturbance import say_attempts, say_disturbed
from perf.ending import end_in_order
from perf.local import Population
from perf.machine import describe_machine
from perf.processes import raise_file_limit

RESULTS: Final = Path("perf/results")
STORMS: Final = (
    # Fewer would all be in within a second, of which the CPU is counted in hundredths.
    "--at-once=100 --clients=10000 --workers=1,2 --retry=no",
    "--at-once=400,4000",
    "--protocol=ws,mqtt --at-once=100 --clients=1000 --retry=no",
)

Clock = Callable[[], datetime]
"""Says what time it is, in UTC."""


def read_clock() -> datetime:
    """Do as a `Clock` does."""
    return datetime.now(UTC)


def main(arguments: Sequence[str] | None = None, clock: Clock = read_clock) -> int:
    """Measure all, or what is asked for, and write."""
    options = _parse(arguments)
    raise_file_limit()
    return end_in_order(partial(measure, options, clock))


def measure(options: argparse.Namespace, clock: Clock) -> int:
    """Measure one after the other, and keep what each comes to.

    Raises:
        CommandError: something did not start, or broke, or cannot be kept.
        SignalledError: it was told to stop, and has cleaned up.
    """
    progress = Progress()
    machine, date = describe_machine(), clock().date().isoformat()
    path = options.out / f"{date}-{name_machine(machine)}{'-tiny' if options.tiny else ''}.json"
    about: Report = {"date": date, "machine": machine, **({"tiny": True} if options.tiny else {})}
    population = Population()
    measured: Report = {}
    try_to_keep(path)
    for name in options.only:
        started, began = time.monotonic(), clock().isoformat(timespec="seconds")
        found = _SCRIPTS[name](population, progress, tiny=options.tiny, attempts=options.attempts)
        measured[name] = {report.BEGAN: began, **found}
        results = keep(path, about | measured)
        done, attempts = f"{name}: done in {time.monotonic() - started:.0f} s", say_attempts(found)
        progress.say(f"{done}; {attempts}" if attempts else done)
    if disturbed := say_disturbed(measured):
        sys.stderr.write(f"warning: {disturbed}\n")
    print(path)
    try:
        print(report.write(results, path))
    except OSError as error:
        raise _cannot_write(path.with_suffix(".md"), error) from None
    return 0


def try_to_keep(path: Path) -> None:
    """Make the folder, write something into it, and read what is there of the same day.

    Raises:
        CommandError: what is measured could not be kept.
    """
    folder = path.parent
    if not folder.parent.is_dir():
        raise CommandError(f"--out {folder}: there is no folder {folder.parent}", exit_code=EXIT_WRONG_USAGE)
    try:
        if not folder.exists():
            folder.mkdir()
        with tempfile.TemporaryFile(dir=folder):
            _read(path)
    except OSError as error:
        raise CommandError(
            f"--out {folder} cannot be written: {reason_of(error)}", exit_code=EXIT_WRONG_USAGE
        ) from None
    except msgspec.DecodeError as error:
        raise CommandError(f"{path} holds no results, move it away: {error}", exit_code=EXIT_WRONG_USAGE) from None


def keep(path: Path, found: dict[str, Any]) -> dict[str, Any]:
    """Add to the day's results, so that what has been measured is kept whatever comes next; return them all.

    They are written beside, and put in place whole: a full disk leaves what was there.

    Raises:
        CommandError: they cannot be written.
    """
    draft = path.with_name(f".{path.name}.draft")
    try:
        results = _read(path) | found
        draft.write_bytes(msgspec.json.format(msgspec.json.encode(results)) + b"\n")
        draft.replace(path)
    except OSError as error:
        raise _cannot_write(path, error) from None
    finally:
        with suppress(OSError):
            draft.unlink()
    return results


def _cannot_write(path: Path, error: OSError) -> CommandError:
    return CommandError(f"{path} cannot be written: {reason_of(error)}")


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
    bounds = "--rounds=1 --batch=2 --serviceaccounts=10"
    return ladder.climb_in_memory(ladder.parse(bounds.split() if tiny else []), progress)


def _load(population: Population, progress: Progress, *, tiny: bool, attempts: int) -> Report:
    bounds = "--workers=1 --replicas=1 --windows=4 --seconds=0.2 --serviceaccounts=20 --first-seen=20 --rounds=1"
    options, _ = load.parse(bounds.split() if tiny else ["--repeat=3", f"--attempts={attempts}"])
    return collect(lambda on: load.measure(population, options, on), progress)


def _storm(population: Population, progress: Progress, *, tiny: bool, attempts: int) -> Report:
    found: Report = {"rows": []}
    for bounds in ["--clients=10 --at-once=5 --workers=1"] if tiny else STORMS:
        options, _ = storm.parse([*bounds.split(), f"--attempts={attempts}"])
        part = collect(lambda on, options=options: storm.measure(population, options, on), progress)  # type: ignore[misc]  # the default binds it
        found = {**part, "rows": [*found["rows"], *part["rows"]]}
    return found


def _overload(population: Population, progress: Progress, *, tiny: bool, attempts: int) -> Report:
    bounds = "--factors=1,3 --seconds=0.5 --clients=10 --workers=1"
    options, _ = overload.parse(bounds.split() if tiny else [f"--attempts={attempts}"])
    return collect(lambda on: overload.measure(population, options, on), progress)


def _scale(population: Population, progress: Progress, *, tiny: bool, attempts: int) -> Report:
    bounds = "--serviceaccounts=10,20 --changes=2 --churn=10 --seconds=0.2 --workers=1"
    options, _ = scale.parse(bounds.split() if tiny else ["--seconds=2", "--repeat=3", f"--attempts={attempts}"])
    return collect(lambda on: scale.measure(population, options, on), progress)


def _soak(population: Population, progress: Progress, *, tiny: bool, **__: int) -> Report:
    bounds = "--hours=0 --rate=10 --interval=0.2 --workers=1" if tiny else "--hours=0.0167 --interval=10"
    options, _ = soak.parse(bounds.split())
    return collect(lambda on: soak.measure(population, options, on), progress)


def _simulate(_: Population, progress: Progress, *, tiny: bool, **__: int) -> Report:
    progress.say("simulate: a million clients over an hour")
    return simulate.reckon(simulate.parse(["--seconds=100"] if tiny else []))


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
