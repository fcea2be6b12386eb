"""The demo's child processes: none is left, and signals are heeded."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from callout.demo.processes import SIGNALS, SignalledError, run_until_signal, running
from callout.errors import CommandError
from tests.waiting import until, until_sync

DEADLINE_S = 20
SLEEP = [sys.executable, "-c", "import time; time.sleep(600)"]
STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def test_a_child_is_asked_to_end(tmp_path: Path) -> None:
    """When the block ends, however it does."""
    started: list[asyncio.subprocess.Process] = []

    async def run() -> None:
        async with running(SLEEP, tmp_path / "out") as process:
            started.append(process)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        asyncio.run(run())
    assert [-signal.SIGTERM] == [process.returncode for process in started]


def test_a_child_that_does_not_end_is_killed(tmp_path: Path) -> None:
    """After the time that it was given."""

    async def run() -> int | None:
        output = tmp_path / "out"
        async with running([sys.executable, "-c", STUBBORN], output, leave_seconds=0.1) as process:
            await until(lambda: output.read_text() == "up\n", DEADLINE_S, "the child has started")
        return process.returncode

    assert -signal.SIGKILL == asyncio.run(run())


def test_a_child_that_has_ended_is_left_alone(tmp_path: Path) -> None:
    """What it said is in the file."""

    async def run() -> int | None:
        async with running([sys.executable, "-c", "print('said')"], tmp_path / "out") as process:
            await process.wait()
        return process.returncode

    assert (0, "said\n") == (asyncio.run(run()), (tmp_path / "out").read_text())


def test_a_child_does_not_outlive_a_parent_that_is_killed(tmp_path: Path) -> None:
    """It is asked to end by the kernel, in the parent's place."""
    code = (
        "import asyncio, sys\n"
        "from pathlib import Path\n"
        "from callout.demo.processes import running\n"
        "async def main():\n"
        f"    async with running({SLEEP!r}, Path({str(tmp_path / 'out')!r})) as process:\n"
        "        print(process.pid, flush=True)\n"
        "        await process.wait()\n"
        "asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert is_running(child)
        parent.kill()
    until_sync(lambda: not is_running(child), DEADLINE_S, "the child has ended")


def is_running(pid: int) -> bool:
    """Tell whether a process is there and no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_program_that_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    """With its name and the reason."""

    async def run() -> None:
        async with running([tmp_path / "nothing"], tmp_path / "out"):
            raise AssertionError("it was started")

    with pytest.raises(CommandError, match=r"nothing cannot be started: no such file or directory$"):
        asyncio.run(run())


@pytest.mark.parametrize("number", SIGNALS)
def test_a_signal_cancels_the_work_and_a_second_one_does_not_disturb_it(number: signal.Signals) -> None:
    """What has to be put away is put away."""
    done = []

    async def work() -> int:
        heard = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGUSR1, heard.set)
        try:
            os.kill(os.getpid(), number)
            await asyncio.sleep(DEADLINE_S)
        finally:
            os.kill(os.getpid(), number)
            os.kill(os.getpid(), signal.SIGUSR1)
            await until(heard.is_set, DEADLINE_S, "the signal after the second one")  # they are heard in their order
            done.append("put away")
        return 0

    with pytest.raises(SignalledError) as raised:
        asyncio.run(run_until_signal(work()))
    assert (number, ["put away"]) == (raised.value.number, done)


def test_work_that_ends_gives_its_result() -> None:
    """Without a signal nothing is different."""

    async def work() -> int:
        return 3

    assert 3 == asyncio.run(run_until_signal(work()))
