"""A script that is told to stop, as somebody does who has seen enough."""

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence

from tests.commands import Running, start
from tests.waiting import PATIENCE_SECONDS

INTERVALS = 2
"""That a soak is left alone: a slope needs two points."""


def interrupt(
    words: Sequence[str],
    is_enough: Callable[[Sequence[str]], bool],
    number: signal.Signals,
    patience: float = PATIENCE_SECONDS,
) -> tuple[list[str], str, int]:
    """Run a module until it has said enough, and send it a signal.

    It is ended where it says too little for so long, or does not end itself: nobody waits for what may take hours.

    Args:
        words: the module and its arguments.
        is_enough: looks at the lines of its progress.
        number: the signal.
        patience: seconds.

    Returns: its progress until then, what it printed, and its exit code.
    """
    with start([sys.executable, "-m", *words]) as process:
        tired = threading.Event()

        def lose_patience() -> None:
            tired.set()
            end(process)

        alarm = threading.Timer(patience, lose_patience)  # ends the reading, which has no limit of its own
        alarm.start()
        try:
            assert process.stderr is not None
            said: list[str] = []
            while not is_enough(said):
                line = process.stderr.readline()
                ended = f"it said too little for {patience:g} s" if tired.is_set() else "it ended by itself"
                assert line, f"{ended}: {''.join(said)}"
                said.append(line)
            alarm.cancel()
            process.send_signal(number)
            printed, rest = process.communicate(timeout=patience)
        finally:
            alarm.cancel()
            end(process)
        assert "Traceback" not in rest, rest
    return said, printed, process.returncode


def interrupt_soak(
    words: Sequence[str], number: signal.Signals, patience: float = PATIENCE_SECONDS
) -> tuple[list[str], str, int]:
    """Do so with a soak of hours, after some intervals."""
    soak = ["perf.soak", "--hours=96", "--rate=20", "--interval=0.2", *words]
    return interrupt(soak, lambda said: sum(" of 96 hours, " in line for line in said) >= INTERVALS, number, patience)


def end(process: Running) -> None:
    """Let it clean up, and kill it if it does not."""
    process.terminate()
    try:
        process.wait(PATIENCE_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
