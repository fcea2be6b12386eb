"""The product itself as a process: `callout serve`, started, watched through its log, and ended.

Rules kept here:
- The process gets the variables that the test gives it and none of the test's own, so that a developer's NATS_URL or
  KUBECONFIG cannot change what is tested.
- Everything it prints is kept. A line that is no JSON object is kept apart: a traceback would be one.
- Whatever happens, neither it nor its workers outlive the `with` block: all are known by the pipe that they write to.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.waiting import PATIENCE_SECONDS, until

SERVE = (str(Path(sys.prefix) / "bin/callout"), "serve")


class Service:
    """Runs `callout serve` within a `with` block.

    Args:
        variables: its environment, such as `Environment.service_env()` makes it.
        serviceaccounts: file or folder of manifests, for SERVICEACCOUNTS_PATH.
        jwks: file with the key set, for JWKS_PATH.
        issuer: the tokens' issuer, for JWT_ISSUER.
        command: what to run instead, for tests of this class.
        folder: its current folder; None for the test's own.
        more: further variables; they win over those above.

    Attributes:
        lines: the log so far, one decoded object a line.
        plain_lines: what it printed besides, which should be nothing.
    """

    def __init__(
        self,
        variables: Mapping[str, str],
        *,
        serviceaccounts: Path | None = None,
        jwks: Path | None = None,
        issuer: str | None = None,
        command: Sequence[str] = SERVE,
        folder: Path | None = None,
        **more: str,
    ) -> None:
        given = {"SERVICEACCOUNTS_PATH": serviceaccounts, "JWKS_PATH": jwks, "JWT_ISSUER": issuer}
        chosen = {name: str(value) for name, value in given.items() if value is not None}
        self.variables = {"PATH": os.defpath, "PORT": "0", **variables, **chosen, **more}
        self.lines: list[dict[str, Any]] = []
        self.plain_lines: list[str] = []
        self._command = command
        self._folder = folder
        self._reader = threading.Thread(target=self._read, name="service log", daemon=True)
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            env=self.variables,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        process = self._running
        # Whoever of them lives holds the pipe that is read here; when it is closed, the number may be someone else's.
        if process.poll() is None or self._reader.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        if self._reader.is_alive():  # workers have sessions of their own
            assert process.stdout is not None
            for pid in _find_writers(process.stdout.fileno()):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
        self._reader.join(PATIENCE_SECONDS)
        assert process.stdout is not None
        process.stdout.close()

    @property
    def pid(self) -> int:
        """The supervisor's process."""
        return self._running.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative if a signal ended it."""
        return self._running.poll()

    @property
    def port(self) -> int:
        """Where its HTTP pages are; known once it listens."""
        port: int = self.log_lines("http listening")[-1]["port"]
        return port

    def log_lines(self, event: str | None = None, **fields: object) -> list[dict[str, Any]]:
        """The lines of the log with that event and those fields; all of them without arguments."""
        wanted = fields if event is None else {"event": event, **fields}
        return [line for line in list(self.lines) if wanted.items() <= line.items()]

    async def logged(self, event: str, deadline_s: float = PATIENCE_SECONDS, **fields: object) -> dict[str, Any]:
        """Wait for such a line and return the first; it fails at once when the service ends without it."""

        def look() -> list[dict[str, Any]]:
            ended = self.exit_code is not None and not self._reader.is_alive()
            found = self.log_lines(event, **fields)
            assert found or not ended, f"the service ended with {self.exit_code}: {self.output()}"
            return found

        return (await until(look, deadline_s, f"log line {event!r} {fields or ''}"))[0]

    async def ready(self) -> None:
        """Wait until it says that it can decide logins."""
        await self.logged("ready")

    async def stop(self, limit_s: float = PATIENCE_SECONDS) -> int:
        """Send SIGTERM, wait, return the exit code; `AssertionError` if it does not end within `limit_s`."""
        self._running.send_signal(signal.SIGTERM)
        return await self.ended(limit_s)

    async def ended(self, limit_s: float = PATIENCE_SECONDS) -> int:
        """Wait until it ends by itself and return the exit code; its log is complete then."""
        await until(lambda: self.exit_code is not None, limit_s, f"the service ends; so far {self.output()}")
        await until(lambda: not self._reader.is_alive(), limit_s, "the service's workers end too")
        code = self.exit_code
        assert code is not None
        return code

    def kill(self) -> None:
        """Kill the supervisor alone, without warning; its workers have to notice by themselves."""
        self._running.kill()
        self._running.wait()

    def worker_pids(self) -> list[int]:
        """The worker processes that it has now (from Linux's /proc)."""
        children = Path(f"/proc/{self.pid}/task/{self.pid}/children")
        pids = [int(pid) for pid in children.read_text().split()] if children.exists() else []
        return [pid for pid in pids if b"\0workers\0" in _command_line(pid)]

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body of one of its HTTP pages."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=PATIENCE_SECONDS) as response:
                return response.status, response.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()

    def metrics(self) -> list[Sample]:
        """All samples of /metrics."""
        status, body = self.get("/metrics")
        assert status == 200
        return [sample for family in text_string_to_metric_families(body.decode()) for sample in family.samples]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of the samples of that name that have those labels; 0.0 if there are none."""
        return sum(
            sample.value for sample in self.metrics() if sample.name == name and labels.items() <= sample.labels.items()
        )

    def output(self) -> str:
        """All that it printed, for the message of a failing test."""
        return "\n".join([*self.plain_lines, *(json.dumps(line) for line in self.lines)])

    @property
    def _running(self) -> "subprocess.Popen[str]":
        assert self._process is not None, "not started"
        return self._process

    def _read(self) -> None:
        stream = self._running.stdout
        assert stream is not None
        for line in stream:
            try:
                decoded = json.loads(line)
            except ValueError:
                decoded = None
            if isinstance(decoded, dict):
                self.lines.append(decoded)
            else:
                self.plain_lines.append(line.rstrip("\n"))


def _command_line(pid: int) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except (FileNotFoundError, ProcessLookupError):  # it ended while we looked
        return b""


def _find_writers(pipe: int) -> list[int]:
    """The processes whose standard error is this pipe (from Linux's /proc)."""
    name, writers = Path(f"/proc/self/fd/{pipe}").readlink(), []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it ended while we looked, or is not ours to look into
            if (process / "fd/2").readlink() == name:
                writers.append(int(process.name))
    return writers
