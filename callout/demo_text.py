"""How the demo looks: its table, and the service's log lines in words. Text in, text out; nothing is printed here."""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import msgspec

from callout.demo_scenarios import Row
from callout.printable import make_printable
from callout.verdict import DropReason
from workers.reasons import Reason

WIDTH: Final = 100  # columns
_INDENT: Final = "  "
_TIME_WIDTH: Final = 10
_SIDES: Final = {"pub": "publish", "sub": "subscribe"}
_COMMON_FIELDS: Final = frozenset(("ts", "level", "component", "event", "worker", "namespace", "serviceaccount"))


class Paint(msgspec.Struct, frozen=True):
    """Colours, if the reader is a terminal that wants them; and marks, if its encoding has them."""

    coloured: bool
    ok: str = "✓"
    wrong: str = "✗"

    def bold(self, text: str) -> str:
        """Make a heading."""
        return self._wrap("1", text)

    def dim(self, text: str) -> str:
        """Make something that need not be read."""
        return self._wrap("2", text)

    def green(self, text: str) -> str:
        """Make something that is as it should be."""
        return self._wrap("32", text)

    def red(self, text: str) -> str:
        """Make something that is not."""
        return self._wrap("31", text)

    def _wrap(self, code: str, text: str) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.coloured else text


class Table(msgspec.Struct, frozen=True):
    """The table, of which each line is known only when its row is; the widths of its columns are known before."""

    paint: Paint
    widths: tuple[int, int, int]

    def head(self) -> str:
        """Write the head of the columns."""
        return self.paint.dim(self._align("who", "what they did", "what came of it"))

    def line(self, row: Row) -> str:
        """Write a row, with what was expected below it if something else came of it."""
        if row.ok:
            return f"{self._align(row.who, row.deed, row.outcome)}  {self.paint.green(self.paint.ok)}"
        expected = self._align("", "", f"expected: {row.expected}").rstrip()
        return f"{self._align(row.who, row.deed, row.outcome)}  {self.paint.red(self.paint.wrong)}\n{expected}"

    def _align(self, *cells: str) -> str:
        return _INDENT + "  ".join(f"{cell:{width}}" for cell, width in zip(cells, self.widths, strict=True))


def align(pairs: Sequence[tuple[str, str]]) -> list[str]:
    """Write names and what belongs to them in two columns."""
    width = max(len(name) for name, _ in pairs)
    return [f"{_INDENT}{name:{width}}  {text}" for name, text in pairs]


def describe_line(line: Mapping[str, Any]) -> str | None:
    """Say what a line of the service's log means, in one or a few lines; None if it is nothing to tell of."""
    words = _say(line)
    if words is None:
        return None
    head = f"{_INDENT}{_local_time(str(line['ts'])):{_TIME_WIDTH - 2}}  "
    return textwrap.fill(make_printable(words), WIDTH, initial_indent=head, subsequent_indent=" " * len(head))


def _say(line: Mapping[str, Any]) -> str | None:
    name = str(line.get("serviceaccount", ""))
    who = f"{line.get('namespace', '')}/{name}" if name else f"a client from {line.get('client', 'somewhere')}"
    match line["event"]:
        case "login allowed":
            return f"{who} logged in"
        case "login denied":
            reason = str(line["reason"])
            return f"{who} refused: {reason}. {_meaning(Reason, reason)}"
        case "permissions changed":
            return f"{who}: permissions changed; logins from now on get the new ones"
        case "ServiceAccount removed":
            return f"{who}: removed; logins are refused from now on"
        case "subject dropped from permissions":
            side = _SIDES.get(str(line["side"]), "")
            reason = str(line["reason"])
            return f"{who}: {side} {line['subject']} dropped: {reason}. {_meaning(DropReason, reason)}"
        case "unknown annotation":
            return f"{who}: annotation {line['annotation']} means nothing here"
    if line["level"] not in ("warning", "error"):
        return None
    details = ", ".join(f"{key}: {value}" for key, value in line.items() if key not in _COMMON_FIELDS)
    return f"{line['event']}: {details}" if details else str(line["event"])


def _meaning(reasons: Iterable[Reason | DropReason], value: str) -> str:
    return next((reason.meaning for reason in reasons if reason == value), "")


def _local_time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return ""
