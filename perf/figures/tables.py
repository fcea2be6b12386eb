"""Tables, for a terminal and for Markdown, from one definition of their columns. Pure: values in, lines out.

Rules kept here:
- A column is defined once: its head, and where its value stands in what was measured.
- What is not known, as the processes of a deployed set-up are not, is a dash and never 0.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec


class Column(msgspec.Struct, frozen=True):
    """A column of a table.

    Attributes:
        head: what stands above it.
        find: returns its value in a row; None if it is not known.
        detail: whether only a terminal shows it: who runs a script looks closer than who reads a report.
    """

    head: str
    find: Callable[[Mapping[str, Any]], object]
    detail: bool = False


def at(*names: str) -> Callable[[Mapping[str, Any]], object]:
    """Return what finds the value that names lead to, one inside the other; the last one may be missing."""
    *way, last = names

    def find(row: Mapping[str, Any]) -> object:
        for name in way:
            row = row[name]
        return row.get(last)

    return find


def tabulate(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write what was measured for a terminal."""
    return table([column.head for column in columns], [[column.find(row) for column in columns] for row in rows])


def tabulate_markdown(columns: Sequence[Column], rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Write what was measured for a report, without details."""
    shown = [column for column in columns if not column.detail]
    return markdown_table([column.head for column in shown], [[column.find(row) for column in shown] for row in rows])


def table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Write rows below the heads of their columns: the first to the left, the others to the right."""
    cells = [list(heads), *([show(value) for value in row] for row in rows)]
    widths = [max(len(row[place]) for row in cells) for place in range(len(heads))]
    return [
        "  ".join(
            f"{cell:<{width}}" if place == 0 else f"{cell:>{width}}"
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in cells
    ]


def markdown_table(heads: Sequence[str], rows: Sequence[Sequence[object]]) -> list[str]:
    """Write rows below the heads of their columns, as Markdown."""
    lines = [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}"]
    return lines + [f"| {' | '.join(show(value) for value in row)} |" for row in rows]


def show(value: object) -> str:
    """Write a value for a reader: digits as many as tell something, a dash for what is not known."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"
    return f"{value:,}" if isinstance(value, int) else str(value)
