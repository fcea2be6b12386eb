"""How measuring ends before its time: cleaned up, with the exit code of a shell, and a line that says why."""

import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path

import pytest

from callout.demo.processes import SIGNALS, SignalledError
from callout.errors import EXIT_WRONG_USAGE, CommandError
from perf.commandline.ending import end_in_order, heeding_signals, keeping_handlers
from perf.commandline.shared_memory import PREFIX
from tests.commands import Running, attempt, start
from tests.waiting import PATIENCE_SECONDS, until_sync

LONG = {
    "ladder": ["perf.ladder", "--rounds=1000", "--batch=2", "--serviceaccounts=10"],
    "simulate": ["perf.simulate", "--seconds=86400", "--ttl=86400", "--jitter=0.9"],
    "all": ["perf", "--only=ladder"],
}
"""What takes minutes, and longer: as a user begins it."""


BEGINNING = """
import asyncio, os, signal, sys
import uvloop
from perf.commandline.command import Progress, collect
from perf.commandline.ending import end_in_order
make = uvloop.new_event_loop

def make_and_signal():
    loop = make()
    loop.call_soon(lambda: os.kill(os.getpid(), signal.SIG%s))
    return loop

async def measure(progress):
    await asyncio.sleep(600)

uvloop.run.__kwdefaults__["loop_factory"] = make_and_signal
sys.exit(end_in_order(lambda: len(collect(measure, Progress(silent=True)))))
"""
"""A measurement whose loop gets a signal as it begins, before it can take any into its hands."""


@contextmanager
def begun(words: list[str], number: signal.Signals) -> Iterator[Running]:
    """Begin it, and wait until it has taken a signal into its hands; it does not outlive the block."""
    with start([sys.executable, "-m", *words]) as process:
        try:
            # The interpreter heeds SIGINT itself from the beginning; SIGTERM's turn comes after that.
            for awaited in (signal.SIGTERM, number):
                until_sync(partial(heeds, process, awaited), PATIENCE_SECONDS, f"it heeds {awaited.name}")
            yield process
        finally:
            process.kill()


def heeds(process: Running, number: signal.Signals) -> bool:
    """Whether a process has a handler of its own for a signal (proc(5), SigCgt)."""
    assert process.poll() is None
    found = re.search(r"^SigCgt:\t([0-9a-f]+)$", Path(f"/proc/{process.pid}/status").read_text(), re.MULTILINE)
    assert found is not None
    return bool(int(found[1], 16) >> (number - 1) & 1)


def find_folders(process: Running) -> set[Path]:
    """The folders of ours in which a process has files open."""
    paths = []
    for name in os.listdir(f"/proc/{process.pid}/fd"):  # noqa: PTH208  # names alone are wanted
        with suppress(FileNotFoundError):  # it has been closed meanwhile
            paths.append(Path(f"/proc/{process.pid}/fd/{name}").readlink())
    return {parent for path in paths for parent in path.parents if parent.name.startswith(PREFIX)}


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_ends_the_work_where_it_stands(number: signal.Signals, capfd: pytest.CaptureFixture[str]) -> None:
    """It cleans up, and another signal does not disturb that; what was kept is printed before the line."""
    cleaned = []

    def work() -> int:
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            cleaned.append(True)
        return 0

    assert 128 + number == end_in_order(work, lambda: sys.stderr.write("kept\n"))
    assert ([True], f"kept\nended by {number.name} before its time\n") == (cleaned, capfd.readouterr().err)


@pytest.mark.parametrize("number", SIGNALS)
@pytest.mark.parametrize("error", [SignalledError(signal.SIGTERM), CommandError("it is gone"), KeyError("late")])
def test_no_signal_disturbs_the_printing_of_what_was_kept(
    error: Exception, number: signal.Signals, capfd: pytest.CaptureFixture[str]
) -> None:
    """A second Ctrl-C, when an event loop has heeded the first; a first one, when something went wrong."""

    def work() -> int:
        raise error

    def print_kept() -> None:
        os.kill(os.getpid(), number)
        sys.stderr.write("kept\n")

    with suppress(KeyError):
        end_in_order(work, print_kept)
    said = {SignalledError: "ended by SIGTERM before its time\n", CommandError: "error: it is gone\n"}
    assert f"kept\n{said.get(type(error), '')}" == capfd.readouterr().err


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_as_a_loop_begins_ends_it_too(number: signal.Signals) -> None:
    """It waits until the loop can heed it: raised in the midst of its beginning it would leave a half-made one."""
    done = attempt([sys.executable, "-c", BEGINNING % number.name.removeprefix("SIG")])
    said = f"ended by {number.name} before its time\n"
    assert (128 + number, "", said) == (done.returncode, done.stdout, done.stderr)


def test_what_goes_wrong_is_said_line_by_line(capfd: pytest.CaptureFixture[str]) -> None:
    """With the exit code that goes with it."""

    def work() -> int:
        raise CommandError("one", "two", exit_code=EXIT_WRONG_USAGE)

    assert EXIT_WRONG_USAGE == end_in_order(work)
    assert ("", "error: one\nerror: two\n") == tuple(capfd.readouterr())


@pytest.mark.parametrize("error", [KeyError("late"), OSError("full"), ExceptionGroup("two", [ValueError()])])
def test_what_was_kept_outlives_a_mistake_of_ours(error: Exception, capfd: pytest.CaptureFixture[str]) -> None:
    """It is printed, and the traceback says what has gone wrong."""

    def work() -> int:
        raise error

    with pytest.raises(type(error)) as raised:
        end_in_order(work, lambda: sys.stderr.write("kept\n"))
    assert (error, "kept\n") == (raised.value, capfd.readouterr().err)


def test_what_cannot_be_printed_does_not_hide_what_has_ended_it(capfd: pytest.CaptureFixture[str]) -> None:
    """A line for each; the exit code is that of what came first."""

    def work() -> int:
        raise CommandError("there is no server", exit_code=EXIT_WRONG_USAGE)

    def print_kept() -> None:
        raise CommandError("the disk is full")

    assert EXIT_WRONG_USAGE == end_in_order(work, print_kept)
    assert "error: the disk is full\nerror: there is no server\n" == capfd.readouterr().err


def test_what_comes_to_its_end_says_nothing_more(capfd: pytest.CaptureFixture[str]) -> None:
    """And its exit code is its own."""
    assert 7 == end_in_order(lambda: 7, lambda: sys.stderr.write("kept\n"))
    assert ("", "") == tuple(capfd.readouterr())


def test_afterwards_signals_do_what_they_did() -> None:
    """Within the block, and after an event loop that has left the defaults behind."""
    before = [signal.getsignal(number) for number in SIGNALS]
    with heeding_signals():
        within = [signal.getsignal(number) for number in SIGNALS]
        with keeping_handlers():
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        assert within == [signal.getsignal(number) for number in SIGNALS]
    assert not set(before) & set(within)
    assert before == [signal.getsignal(number) for number in SIGNALS]


def test_what_nohup_ignores_stays_ignored() -> None:
    """A terminal that is closed does not end it; the other signals do."""

    def work() -> int:
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        return 0

    with keeping_handlers():
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        assert 128 + signal.SIGTERM == end_in_order(work)


@pytest.mark.parametrize(("script", "number"), [("ladder", signal.SIGTERM), ("all", signal.SIGHUP)])
def test_shared_memory_is_given_back(script: str, number: signal.Signals, tmp_path: Path) -> None:
    """The ladder's snapshots, by itself and as a part of everything; the last line says what has ended it."""
    out = [f"--out={tmp_path}"] if script == "all" else []
    with begun([*LONG[script], *out], number) as process:
        folders = until_sync(lambda: find_folders(process), PATIENCE_SECONDS, "the snapshots are there")
        process.send_signal(number)
        printed, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert (128 + number, "") == (process.returncode, printed)
    assert "Traceback" not in said
    assert f"ended by {number.name} before its time" == said.splitlines()[-1]
    assert [] == [folder for folder in folders if folder.exists()]


@pytest.mark.parametrize("number", SIGNALS)
def test_what_is_reckoned_is_given_up(number: signal.Signals) -> None:
    """In one line."""
    with begun(LONG["simulate"], number) as process:
        process.send_signal(number)
        printed, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert (128 + number, "", f"ended by {number.name} before its time\n") == (process.returncode, printed, said)
