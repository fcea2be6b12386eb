"""Log lines: one JSON object a line, written without ever making the caller wait.

Rules kept here:
- `event` is a short fixed sentence; whatever varies stands in fields. So lines can be counted and searched.
- A log that blocks would stop the process that decides logins: a full pipe holds up the writer thread alone. The queue
  between is bounded; what does not fit is counted, and the count is written as soon as there is room again.
- No token, seed or JWT is ever handed to this module.
"""

import json
import os
import queue
import select
import threading
import time
from datetime import UTC, datetime
from typing import Final

import msgspec

Field = str | int | float | bool | None

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
MAX_WAITING_LINES = 10_000  # of about 300 bytes: 3 MB at most while whoever reads the log does not
CLOSE_TIMEOUT_S = 2.0  # what a stopping process grants a reader that does not read

_encode = msgspec.json.Encoder().encode


class Log:
    """Writes JSON lines to a file descriptor (standard error by default) from a thread of its own.

    Args:
        component: who speaks: `supervisor` or `worker`.
        level: the least level that is written: debug, info, warning or error.
        fd: an open file descriptor.
        fields: what every line of this process carries, such as the worker's number.
    """

    def __init__(self, component: str, level: str = "info", fd: int = 2, **fields: Field) -> None:
        self._component = component
        self._threshold = LEVELS[level]
        self._fd = fd
        self._fields = fields
        self._lines: queue.Queue[bytes | None] = queue.Queue(MAX_WAITING_LINES)
        self._lost = 0
        self._thread = threading.Thread(target=self._write_lines, name="log", daemon=True)
        self._thread.start()

    def debug(self, event: str, /, **fields: Field) -> None:
        """Write what only a search for a fault needs."""
        self._put("debug", event, fields)

    def info(self, event: str, /, **fields: Field) -> None:
        """Write what an operator wants to know on a normal day."""
        self._put("info", event, fields)

    def warning(self, event: str, /, **fields: Field) -> None:
        """Write what an operator should look at some time."""
        self._put("warning", event, fields)

    def error(self, event: str, /, **fields: Field) -> None:
        """Write what an operator has to act on."""
        self._put("error", event, fields)

    def writes(self, level: str) -> bool:
        """Tell whether lines of that level are written, so that costly fields need not be made in vain."""
        return LEVELS[level] >= self._threshold

    def close(self) -> None:
        """Write what is waiting, for `CLOSE_TIMEOUT_S` at most, and end the thread."""
        try:
            self._lines.put(None, timeout=CLOSE_TIMEOUT_S)
        except queue.Full:
            return
        self._thread.join(CLOSE_TIMEOUT_S)

    def _put(self, level: str, event: str, fields: dict[str, Field]) -> None:
        if LEVELS[level] < self._threshold:
            return
        try:
            self._lines.put_nowait(self._render(level, event, fields))
        except queue.Full:
            self._lost += 1

    def _render(self, level: str, event: str, fields: dict[str, Field]) -> bytes:
        now = datetime.fromtimestamp(time.time(), UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        line = {"ts": now, "level": level, "component": self._component, "event": event} | self._fields | fields
        try:
            return _encode(line) + b"\n"
        except UnicodeEncodeError:  # half a surrogate, as Python puts it into the name of a file that is no UTF-8
            return json.dumps(line).encode() + b"\n"

    def _write_lines(self) -> None:
        while (line := self._lines.get()) is not None:
            lost, self._lost = self._lost, 0
            if lost:
                line = self._render("warning", "log lines lost", {"lines": lost}) + line
            try:
                _write_all(self._fd, line)
            except OSError:
                return  # nobody will ever read again: the queue fills, and lines are dropped


def _write_all(fd: int, data: bytes) -> None:
    while data:
        try:
            data = data[os.write(fd, data) :]
        except BlockingIOError:  # another process that has the same terminal or pipe open may have made it so
            select.select((), (fd,), ())
