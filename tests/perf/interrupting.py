"""A soak that is told to stop, as somebody does who has seen enough."""

import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
INTERVALS = 2
"""That it is left alone: a slope needs two points."""


def interrupt_soak(
    words: Sequence[str], number: signal.Signals, patience: float = PATIENCE_SECONDS
) -> tuple[list[str], str, int]:
    """Run one of hours, and send it a signal; return its progress until then, what it printed, and its exit code.

    It is ended where it says nothing for so long, or does not end itself: nobody waits for its hours.
    """
    command = [sys.executable, "-m", "perf.soak", "--hours=96", "--rate=20", "--interval=0.2", *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        alarm = threading.Timer(patience, end, [process])  # ends the reading, which has no limit of its own
        alarm.start()
        try:
            assert process.stderr is not None
            said: list[str] = []
            while sum(" of 96 hours, " in line for line in said) < INTERVALS:
                line = process.stderr.readline()
                assert line, f"it ended, or said too little for {patience:g} s: {''.join(said)}"
                said.append(line)
            alarm.cancel()
            process.send_signal(number)
            printed, rest = process.communicate(timeout=patience)
        finally:
            alarm.cancel()
            end(process)
        assert "Traceback" not in rest, rest
    return said, printed, process.returncode


def end(process: "subprocess.Popen[str]") -> None:
    """Let it clean up, and kill it if it does not."""
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
