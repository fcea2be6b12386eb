"""The README of the chart: its table is made of the comments in values.yaml. `python -m tests.chart.values_table`.

A comment directly above a value, at its indentation, says what the value is. A mapping that has a comment is one value;
a mapping that has none is a way to the values in it.
"""

import json
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import yaml

from tests.pages import ROOT

CHART: Final = ROOT / "k8s/chart"
VALUES: Final = CHART / "values.yaml"
README: Final = CHART / "README.md"
_BEGIN, _END = "<!-- table: values -->\n", "<!-- end -->"


class Value(msgspec.Struct, frozen=True):
    """A value of the chart.

    Attributes:
        path: the names that lead to it.
        default: what it is unless somebody sets it.
        about: its comment, in one line; empty if it has none.
    """

    path: tuple[str, ...]
    default: Any
    about: str

    @property
    def name(self) -> str:
        """Its name as `helm --set` takes it."""
        return ".".join(self.path)


def read_values(text: str) -> list[Value]:
    """Read the values with their comments, in their order."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    assert isinstance(node, yaml.MappingNode)
    return list(_walk(node, (), text.splitlines(), yaml.safe_load(text)))


def render_table(values: list[Value]) -> str:
    """Write them as a table."""
    rows = ["| value | default | what it is |", "|---|---|---|"]
    for value in values:
        cells = (f"`{value.name}`", f"`{json.dumps(value.default)}`", value.about)
        rows.append(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |")
    return "\n".join(rows) + "\n"


def fill(text: str) -> str:
    """Return the page with the table as values.yaml has it now."""
    head, rest = text.split(_BEGIN)
    _, tail = rest.split(_END)
    return head + _BEGIN + render_table(read_values(VALUES.read_text())) + _END + tail


def _walk(node: yaml.MappingNode, path: tuple[str, ...], lines: list[str], defaults: Any) -> Iterator[Value]:
    for key, child in node.value:
        name, about = key.value, _find_comment(lines, key.start_mark.line)
        default = defaults[name]
        if not about and isinstance(child, yaml.MappingNode) and child.value:
            yield from _walk(child, (*path, name), lines, default)
        else:
            yield Value((*path, name), default, about)


def _find_comment(lines: list[str], line: int) -> str:
    """Join the lines of a comment that ends right above a line, at that line's indentation."""
    beginning = lines[line][: len(lines[line]) - len(lines[line].lstrip())] + "# "
    first = line
    while first and lines[first - 1].startswith(beginning):
        first -= 1
    return " ".join(one.removeprefix(beginning) for one in lines[first:line])


if __name__ == "__main__":
    README.write_text(fill(README.read_text()))
