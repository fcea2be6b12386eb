"""The demo's service: `callout serve`, started as in production, and its log, read as an operator would.

Rules kept here:
- Its environment is ours without any setting of the service: what the user has set for another one means nothing here.
- Its snapshot stands in the demo's own folder, so that nothing is left in shared memory, however the demo ends.
- The log is a file that is read as it grows. What is no JSON line was said before there was a log, and counts as an
  error.
"""

import asyncio
import os
import sys
import time
from asyncio.subprocess import Process
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

from callout.config.table import ALIASES, IGNORED, TABLE
from callout.demo.processes import POLL_S, running
from callout.errors import CommandError
from callout.lines import LineBuffer

START_S: Final = 30.0  # it takes a second; a busy machine may need much longer
LOG_S: Final = 5.0  # how long a line may take to appear that is bound to come
DRAIN: Final = "2s"  # less than LEAVE_S of callout.demo.processes, so that nothing has to be killed

LogLine = Mapping[str, Any]
"""A line of the service's log: `event`, `level`, `ts`, and its fields."""


class ServiceLog:
    """Reads the log as it grows; each line is given once."""

    def __init__(self, path: Path) -> None:
        """Begin at the start of the file, which need not be there yet."""
        self._path = path
        self._offset = 0
        self._buffer = LineBuffer()
        self._unread: deque[LogLine] = deque()

    def read(self) -> list[LogLine]:
        """Return the lines that are there and were not given yet."""
        self._look()
        lines = list(self._unread)
        self._unread.clear()
        return lines

    async def find(self, wanted: Callable[[LogLine], bool], seconds: float = LOG_S) -> LogLine | None:
        """Go on to the first line that is wanted, passing over others; None if it does not come in time."""
        end = time.monotonic() + seconds
        while True:
            self._look()
            while self._unread:
                line = self._unread.popleft()
                if wanted(line):
                    return line
            if time.monotonic() > end:
                return None
            await asyncio.sleep(POLL_S)

    def _look(self) -> None:
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._offset)
                data = file.read()
            self._offset += len(data)
            self._unread.extend(_parse(line) for line in self._buffer.feed(data))


class Service(msgspec.Struct, frozen=True):
    """The running service.

    Attributes:
        process: for as long as it lives.
        log: what it says from now on.
        url: where its pages are.
        said: the lines until it was ready.
        seconds: how long that took.
    """

    process: Process
    log: ServiceLog
    url: str
    said: tuple[LogLine, ...]
    seconds: float


def who_of(line: LogLine) -> str:
    """Return the ServiceAccount that a line is about, `<namespace>/<name>`; "/" if it is about none."""
    return f"{line.get('namespace', '')}/{line.get('serviceaccount', '')}"


@asynccontextmanager
async def run_service(settings: Mapping[str, str], folder: Path, start_s: float = START_S) -> AsyncIterator[Service]:
    """Run the service inside the block, which begins when it is ready.

    Args:
        settings: its environment, as far as it has to do with it.
        folder: private; takes its log and its snapshot.
        start_s: seconds that it may take to be ready.

    Raises:
        CommandError: it does not start.
    """
    path = folder / "service.log"
    log = ServiceLog(path)
    began = time.monotonic()
    own = {"SNAPSHOT_DIR": str(folder / "snapshot"), "HTTP_HOST": "127.0.0.1", "PORT": "0", "DRAIN_TIMEOUT": DRAIN}
    environment = {**_without_settings(os.environ), **own, **settings}
    # -P: no import from the current folder, whatever stands there.
    async with running([sys.executable, "-P", "-m", "callout", "serve"], path, environment) as process:
        said = await _wait_until_ready(process, log, start_s)
        port = next(line["port"] for line in said if line["event"] == "http listening")
        yield Service(process, log, f"http://127.0.0.1:{port}", tuple(said), time.monotonic() - began)


async def _wait_until_ready(process: Process, log: ServiceLog, seconds: float) -> list[LogLine]:
    said: list[LogLine] = []
    end = time.monotonic() + seconds
    while not any(line["event"] == "ready" for line in said):
        ended = process.returncode is not None or time.monotonic() > end
        said += log.read()
        if ended:
            raise CommandError(f"the service does not start; the last thing it said: {_last_complaint(said)}")
        await asyncio.sleep(POLL_S)
    return said


def _last_complaint(said: list[LogLine]) -> str:
    complaints = [line for line in said if line["level"] in ("error", "warning")] or said
    if not complaints:
        return "nothing"
    line = complaints[-1]
    details = " ".join(str(line[name]) for name in ("problem", "error", "why") if name in line)
    return f"{line['event']}: {details}" if details else str(line["event"])


def _without_settings(environ: Mapping[str, str]) -> dict[str, str]:
    names = {setting.name for setting in TABLE} | ALIASES.keys() | IGNORED.keys()
    return {name: value for name, value in environ.items() if name not in names}


def _parse(line: bytes) -> LogLine:
    try:
        found = msgspec.json.decode(line, type=dict[str, Any])
    except msgspec.MsgspecError:
        found = {"event": line.decode(errors="replace")}
    return {"event": "", "level": "error", "ts": ""} | found
