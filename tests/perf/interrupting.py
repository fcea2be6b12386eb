"""A soak that is told to stop, as somebody does who has seen enough."""

import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
INTERVALS = 2
"""That it is left alone: a slope needs two points."""


def interrupt_soak(words: Sequence[str], number: signal.Signals) -> tuple[list[str], str, int]:
    """Run one of hours, and send it a signal; return its progress until then, what it printed, and its exit code."""
    command = [sys.executable, "-m", "perf.soak", "--hours=96", "--rate=20", "--interval=0.2", *words]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said: list[str] = []
        while sum(" of 96 hours, " in line for line in said) < INTERVALS:
            line = process.stderr.readline()
            assert line, "".join(said)
            said.append(line)
        process.send_signal(number)
        printed, rest = process.communicate(timeout=PATIENCE_SECONDS)
        assert "Traceback" not in rest, rest
    return said, printed, process.returncode
