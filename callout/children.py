"""Signals for child processes of asyncio's."""

import asyncio
import os
import signal
from contextlib import suppress


def send_signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    """Send a signal to a child, unless it has ended.

    Not by `Process.send_signal`, which in Python 3.11 looks whether the child has ended, and takes the exit code away
    from asyncio if it just has: that then reports 255, and says "Unknown child process" on standard error.
    """
    if process.returncode is None:
        with suppress(ProcessLookupError):  # it has just ended, and whoever waits is about to hear of it
            os.kill(process.pid, number)
