"""callout.daemon: what blocks does not hold up the end of the process."""

import asyncio
import subprocess
import sys

import pytest

from callout.daemon import call_in_daemon

HANGING = """
import asyncio, threading
from callout.daemon import call_in_daemon

async def main():
    started = threading.Event()
    task = asyncio.create_task(call_in_daemon(lambda: started.set() or threading.Event().wait(), "hangs"))
    while not started.is_set():
        await asyncio.sleep(0.01)
    task.cancel()

asyncio.run(main())
"""


def test_the_result_comes_back() -> None:
    """As if it had been called here."""
    assert asyncio.run(call_in_daemon(lambda: 7, "seven")) == 7


def test_an_error_comes_back() -> None:
    """Whatever was raised is raised here."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(call_in_daemon(lambda: 1 // 0, "fails"))


def test_a_process_ends_while_a_call_hangs() -> None:
    """The thread is left behind, and nothing is printed about it."""
    ended = subprocess.run([sys.executable, "-c", HANGING], capture_output=True, timeout=30, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
