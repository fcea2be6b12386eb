"""How the demo looks: its table, and the service's log lines in words. Text in, text out; nothing is printed here."""

import shlex
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self, TextIO

import msgspec

from callout.demo.scenarios import Row, Scenario
from callout.policy.verdict import DropReason
from callout.printable import make_printable
from workers.reasons import Reason

WIDTH: Final = 100  # columns
_INDENT: Final = "  "
_TIME_WIDTH: Final = 10
_SIDES: Final = {"pub": "publish", "sub": "subscribe"}
_ABOUT_REFUSALS: Final = "Whoever is refused sees 'Authorization Violation'; the reasons are from the service's log."
_ABOUT_MISTAKES: Final = (
    "The table goes by the ServiceAccounts of k8s/examples/serviceaccounts as they were delivered.",
    "'git checkout k8s/examples/serviceaccounts' takes back what was edited there.",
)
_CHANGES: Final = {
    "ServiceAccount added": "added; its clients can log in from now on",
    "ServiceAccount made again": "made again; tokens of the one before are refused from now on",
    "permissions changed": "permissions changed; logins from now on get the new ones",
    "ServiceAccount removed": "removed; logins are refused from now on",
}
_SENTENCES: Final = frozenset(("problem", "error", "why"))
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


def choose_paint(stream: TextIO, environ: Mapping[str, str]) -> Paint:
    """Use colours on a terminal that has them (https://no-color.org), and marks that can be encoded."""
    coloured = stream.isatty() and not environ.get("NO_COLOR") and environ.get("TERM") != "dumb"
    paint = Paint(coloured)
    try:
        (paint.ok + paint.wrong).encode(stream.encoding)
    except UnicodeEncodeError:
        return Paint(coloured, ok="ok", wrong="WRONG")
    return paint


class Table(msgspec.Struct, frozen=True):
    """The table, of which each line is known only when its row is; the widths of its columns are known before."""

    paint: Paint
    widths: tuple[int, int, int]

    @classmethod
    def of(cls, scenarios: Sequence[Scenario], account: str, paint: Paint) -> Self:
        """Make the table of scenarios that are yet to come; `account` is where clients should be."""
        cells = [(one.who, one.deed, one.expected.format(account=account)) for one in scenarios]
        who, deed, outcome = (max(map(len, column)) for column in zip(*cells, strict=True))
        return cls(paint, (who, deed, outcome))

    def head(self) -> str:
        """Write the head of the columns."""
        return self.paint.dim(self._align("who", "what they did", "what came of it") + "  expected")

    def line(self, row: Row) -> str:
        """Write a row, with what was expected below it if something else came of it."""
        if row.ok:
            return f"{self._align(row.who, row.deed, row.outcome)}  {self.paint.green(self.paint.ok)}"
        expected = self._align("", "", f"expected: {row.expected}").rstrip()
        return f"{self._align(row.who, row.deed, row.outcome)}  {self.paint.red(self.paint.wrong)}\n{expected}"

    def _align(self, *cells: str) -> str:
        return _INDENT + "  ".join(f"{cell:{width}}" for cell, width in zip(cells, self.widths, strict=True))


def summarize(rows: Sequence[Row], paint: Paint) -> list[str]:
    """Say how much came as expected, and what goes for the whole table."""
    good = sum(row.ok for row in rows)
    paint_it = paint.green if good == len(rows) else paint.red
    lines = [paint_it(f"{good} of {len(rows)} as expected."), _ABOUT_REFUSALS]
    return lines if good == len(rows) else [*lines, *_ABOUT_MISTAKES]


def invite(commands: Sequence[str], pages: Sequence[str], place: Path, folder: Path, paint: Paint) -> list[str]:
    """Say what can be tried now: commands for another terminal, pages for a browser, files to edit.

    Args:
        commands: each of one or more lines.
        pages: their addresses.
        place: the demo's own folder, which the guides call DEMO.
        folder: with the ServiceAccounts.
        paint: for headings.
    """
    return [
        paint.bold("Try it in another terminal, with the nats CLI (docs/clients.md says how to install it):"),
        *(f"{_INDENT}{line}" for command in commands for line in command.splitlines()),
        "",
        paint.bold("Look at the service:"),
        f"{_INDENT}{'  '.join(pages)}",
        "",
        paint.bold("Follow docs/server-mode.md or docs/operator-mode.md without a cluster, after this:"),
        f"{_INDENT}DEMO={shlex.quote(str(place))}",
        "",
        paint.bold(f"Edit {folder}/*.yaml and watch; Ctrl-C ends the demo."),
    ]


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
    if line["event"] in _CHANGES:
        return f"{who}: {_CHANGES[line['event']]}"
    match line["event"]:
        case "login allowed":
            return f"{who} logged in"
        case "login denied":
            reason = str(line["reason"])
            return f"{who} refused: {reason}. {_meaning(Reason, reason)}"
        case "ServiceAccount files are in order again":
            return "nothing is wrong with the ServiceAccount files any more"
        case "subject dropped from permissions":
            side = _SIDES.get(str(line["side"]), "")
            reason = str(line["reason"])
            return f"{who}: {side} {line['subject'] or 'nothing'} dropped: {reason}. {_meaning(DropReason, reason)}"
        case "unknown annotation":
            return f"{who}: annotation {line['annotation']} means nothing here; {line['remedy']}"
        case "subject granted as one":
            return f"{who}: {line['subject']} is granted as one subject; {line['remedy']}"
    if line["level"] not in ("warning", "error"):
        return None
    details = ", ".join(
        str(value) if key in _SENTENCES else f"{key} {value}"
        for key, value in line.items()
        if key not in _COMMON_FIELDS
    )
    return f"{line['event']}: {details}" if details else str(line["event"])


def _meaning(reasons: Iterable[Reason | DropReason], value: str) -> str:
    return next((reason.meaning for reason in reasons if reason == value), "")


def _local_time(text: str) -> str:
    try:
        return datetime.fromisoformat(text).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return ""
