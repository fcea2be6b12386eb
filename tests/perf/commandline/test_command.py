"""What the measuring commands have in common: a clean end, one line for what went wrong, several attempts."""

import argparse
import asyncio
import errno
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import pytest

from callout.errors import EXIT_FAILED, CommandError
from perf.commandline.command import Progress, execute
from perf.figures.findings import Report
from tests.commands import PIPE, Done, attempt


def execute_quietly(measure: Any) -> int:
    """Execute a measurement as a command does."""
    return execute(argparse.Namespace(json=True, quiet=True), measure, lambda _: [])


def test_a_report_says_what_it_was_made_on(capfd: pytest.CaptureFixture[str]) -> None:
    """Beside what was measured; and standard output holds nothing else."""

    async def measure(progress: Progress) -> Report:
        progress.say("not to be heard")
        return {"rows": [1]}

    assert 0 == execute_quietly(measure)
    out, err = capfd.readouterr()
    assert {"machine", "commit", "rows"} == set(json.loads(out))
    assert "" == err


def test_what_goes_wrong_is_a_line(capfd: pytest.CaptureFixture[str]) -> None:
    """On standard error, with an exit code of its own."""

    async def measure(_: Progress) -> Report:
        raise CommandError("there is no server")

    assert EXIT_FAILED == execute_quietly(measure)
    assert ("", "error: there is no server\n") == tuple(capfd.readouterr())


def test_a_signal_ends_a_measurement_that_cleans_up(capfd: pytest.CaptureFixture[str]) -> None:
    """And the exit code says which one it was."""
    cleaned = []

    async def measure(_: Progress) -> Report:
        os.kill(os.getpid(), signal.SIGTERM)
        try:
            return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # never done
        finally:
            cleaned.append(True)

    assert 128 + signal.SIGTERM == execute_quietly(measure)
    assert ([True], "") == (cleaned, capfd.readouterr().out)


@pytest.mark.parametrize("error", [CommandError("it is gone"), None])
def test_what_was_kept_is_reported_whatever_ends_it(
    error: CommandError | None, capfd: pytest.CaptureFixture[str]
) -> None:
    """A signal, or what goes wrong after hours; the exit code tells that it is not all, and a line why."""

    async def measure(progress: Progress) -> Report:
        rows: list[int] = []
        progress.keep(lambda: {"rows": rows})
        rows.append(1)
        if error is not None:
            raise error
        os.kill(os.getpid(), signal.SIGINT)
        return await asyncio.get_running_loop().create_future()  # type: ignore[no-any-return]  # never done

    assert execute_quietly(measure) == (EXIT_FAILED if error is not None else 128 + signal.SIGINT)
    out, err = capfd.readouterr()
    assert [1] == json.loads(out)["rows"]
    assert ("error: it is gone\n" if error is not None else "ended by SIGINT before its time\n") == err


@pytest.mark.parametrize(
    "words",
    [("simulate", "--clients=100", "--seconds=30", "--spread=5"), ("ladder", "--quiet", "--rounds=1", "--batch=2")],
)
def test_a_reader_that_leaves_ends_it_quietly(words: tuple[str, ...], unread: int) -> None:
    """`python -m perf.simulate --json | head -1`: the exit code of SIGPIPE, and no word, as of other Unix tools."""
    script, *more = words
    done = attempt([sys.executable, "-m", f"perf.{script}", "--json", *more], stdout=unread)
    assert (128 + signal.SIGPIPE, "") == (done.returncode, done.stderr)


def simulate_on_a_full_disk(folder: Path, *more: str) -> Done:
    """Let a script write its report where there is no room (/dev/full); temporary files go to a folder."""
    script = [sys.executable, "-m", "perf.simulate", "--clients=100", "--seconds=30", "--spread=5"]
    with Path("/dev/full").open("w") as full:
        return attempt([*script, *more], env={**os.environ, "TMPDIR": str(folder)}, stdout=full)


@pytest.mark.parametrize(("more", "read"), [(["--json"], json.loads), ([], str)])
def test_a_report_that_cannot_be_printed_is_not_lost(more: list[str], read: Any, tmp_path: Path) -> None:
    """`python -m perf.soak --json > soak.json`, hours later: it is in a file that the one line names."""
    done = simulate_on_a_full_disk(tmp_path, *more)
    (saved,) = tmp_path.iterdir()
    reason = os.strerror(errno.ENOSPC).lower()
    expected = f"error: standard output cannot be written: {reason}; the report is in {saved}\n"
    assert (EXIT_FAILED, expected) == (done.returncode, done.stderr)
    assert read(saved.read_text())


KEPT = """
import argparse, asyncio, os, signal, sys
from perf.commandline.command import execute

async def measure(progress):
    progress.keep(lambda: {"rows": [1]})
    progress.say("one row is there")
    os.kill(os.getpid(), signal.SIGINT)
    await asyncio.sleep(600)

sys.exit(execute(argparse.Namespace(json=True, quiet=False), measure, lambda _: []))
"""
"""A measurement that Ctrl-C ends when it has kept something."""


def interrupt_into(folder: Path, stdout: int, stderr: int) -> Done:
    """Run it to its end with these for its output; temporary files go to a folder."""
    return attempt(
        [sys.executable, "-c", KEPT], env={**os.environ, "TMPDIR": str(folder)}, stdout=stdout, stderr=stderr
    )


def test_what_was_kept_outlives_its_reader(unread: int, tmp_path: Path) -> None:
    """`python -m perf.soak --json | tee soak.json`: Ctrl-C ends tee too, and before; a line says where it is."""
    done = interrupt_into(tmp_path, stdout=unread, stderr=PIPE)
    (saved,) = tmp_path.iterdir()
    assert 128 + signal.SIGINT == done.returncode
    reason = os.strerror(errno.EPIPE).lower()
    expected = f"error: standard output cannot be written: {reason}; the report is in {saved}"
    assert [expected, "ended by SIGINT before its time"] == done.stderr.splitlines()[1:]
    assert [1] == json.loads(saved.read_text())["rows"]


def test_nobody_has_to_listen_to_the_progress(unread: int, tmp_path: Path) -> None:
    """`2>&1 | tee`, or a terminal that was closed: all goes on as if somebody did, up to the exit code."""
    done = interrupt_into(tmp_path, stdout=PIPE, stderr=unread)
    assert (128 + signal.SIGINT, [1]) == (done.returncode, json.loads(done.stdout)["rows"])
    assert [] == list(tmp_path.iterdir())
    assert 128 + signal.SIGINT == interrupt_into(tmp_path, stdout=unread, stderr=unread).returncode
    (saved,) = tmp_path.iterdir()
    assert [1] == json.loads(saved.read_text())["rows"]
