"""Signals for children."""

import asyncio
import signal
import sys
from pathlib import Path

from callout.children import send_signal
from tests.waiting import PATIENCE_SECONDS, until_sync

CODE = 3


async def test_a_child_that_has_just_ended_keeps_its_exit_code() -> None:
    """Nobody has heard of its end yet, for the loop stands still meanwhile."""
    policy = asyncio.get_event_loop_policy()
    before, watcher = policy.get_child_watcher(), asyncio.PidfdChildWatcher()  # it takes exit codes in the loop
    watcher.attach_loop(asyncio.get_running_loop())
    policy.set_child_watcher(watcher)
    try:
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", f"import sys; sys.exit({CODE})")
        status = Path(f"/proc/{child.pid}/stat")
        until_sync(lambda: status.read_text().rpartition(")")[2].split()[0] == "Z", PATIENCE_SECONDS, "it has ended")
        send_signal(child, signal.SIGKILL)
        assert CODE == await child.wait()
        send_signal(child, signal.SIGKILL)
    finally:
        watcher.close()
        policy.set_child_watcher(before)
