"""A server of the end-to-end tests as a process: started, waited for, stopped by its pid, started again on its port.

Rules kept here:
- It ends with the test process, however that ends: the kernel kills it when the thread that started it is gone
  (`setpriv --pdeathsig`, of util-linux). So servers are started from the main thread.
- A port stays reserved for its server while that is down. A socket that is bound and does not listen does that, and
  with SO_REUSEADDR, which Go sets too, the server can bind beside it.
- It gets the variables given to it and none of the tests' own, save PATH.
- All that it prints is in one file, over all its starts.
"""

import contextlib
import os
import shutil
import socket
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.waiting import until_sync

START_SECONDS = 60
"""etcd is up in half a second, the API server in some four; two busy cores need much longer."""
GRACE_SECONDS = 5
"""Both end within two seconds, but the API server waits a minute for open watches. The kubelet would kill it too."""
TAIL_LENGTH = 2000
"""Characters of the log in the message about a server that did not start."""


class HeldPort:
    """A free port of 127.0.0.1 that nobody else is given until `close`."""

    def __init__(self) -> None:
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self._socket.bind(("127.0.0.1", 0))
        self.number: int = self._socket.getsockname()[1]

    def close(self) -> None:
        """Let others have it."""
        self._socket.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class ServerProcess:
    """At most one process at a time, whose output goes to `log_path`.

    Args:
        name: what the messages call it.
        log_path: the file for its output; made when it starts.
        variables: its environment besides PATH.
    """

    def __init__(self, name: str, log_path: Path, variables: Mapping[str, str] | None = None) -> None:
        self.log_path = log_path
        self._variables = {"PATH": os.environ.get("PATH", os.defpath), **(variables or {})}
        self._name = name
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self._process is not None, f"{self._name} is not started"
        return self._process.pid

    def start(self, command: Sequence[str | Path], is_ready: Callable[[], bool]) -> None:
        """Start it and wait until `is_ready`; `AssertionError` with its own last words if that does not come."""
        assert self._process is None, f"{self._name} runs already"
        assert shutil.which("setpriv") is not None, "setpriv is needed to tie servers to the tests: install util-linux"
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                env=self._variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        try:
            until_sync(lambda: self._check_alive() and is_ready(), START_SECONDS, f"{self._name} is ready")
        except BaseException:  # an interrupt too must not leave it running
            self.kill()
            raise

    def stop(self) -> None:
        """Ask it to end, and kill it if it has not after `GRACE_SECONDS`; nothing if it does not run."""
        if self._process is not None:
            self._process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE_SECONDS)
        self.kill()

    def kill(self) -> None:
        """End it without warning, as a machine's failure would; nothing if it does not run."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.wait()

    def _check_alive(self) -> bool:
        assert self._process is not None
        code = self._process.poll()
        assert code is None, f"{self._name} ended with {code}: {self.log_path.read_text()[-TAIL_LENGTH:]}"
        return True
