"""Letting processes stand still: within the block they really do."""

import os
import signal
import sys
import threading
from pathlib import Path

from tests.commands import start
from tests.standstill import find_pending, is_stopped, stopped
from tests.waiting import PATIENCE_SECONDS, until_sync

SUSPENDED = """
import os, sys
print("up", flush=True)
opening = (os.POSIX_SPAWN_OPEN, 0, sys.argv[1], os.O_RDONLY, 0)
os.waitpid(os.posix_spawn("/bin/true", ["true"], {}, file_actions=[opening]), 0)
sys.stdin.read()
"""
"""Nothing but its end reaches it while what it spawns opens a pipe (vfork(2)): until somebody opens the other end."""


def test_a_process_that_cannot_be_stopped_yet_is_waited_for(tmp_path: Path) -> None:
    """As one that is waiting for the CPU would be: then another signal would find it running."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with start([sys.executable, "-c", SUSPENDED, pipe]) as process:
        try:
            until_sync(lambda: _state(process.pid) == "D", PATIENCE_SECONDS, "it is suspended")
            release = threading.Thread(target=_release, args=(process.pid, pipe))
            release.start()
            with stopped(process.pid) as pids:
                assert (process.pid,) == pids
                assert "T" == _state(process.pid)
            release.join()
            until_sync(lambda: not is_stopped(process.pid), PATIENCE_SECONDS, "it goes on after the block")
        finally:
            process.send_signal(signal.SIGKILL)


def _release(pid: int, pipe: Path) -> None:
    """Let it go on as soon as the signal waits for it."""
    until_sync(lambda: signal.SIGSTOP in find_pending(pid), PATIENCE_SECONDS, "it is told to stand still")
    os.close(os.open(pipe, os.O_WRONLY))


def _state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
