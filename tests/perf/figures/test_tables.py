"""Tables: columns that line up, values for a reader, and one definition for terminal and report."""

import pytest

from perf.figures.tables import Column, at, markdown_table, show, table, tabulate, tabulate_markdown

COLUMNS = (
    Column("name", at("name")),
    Column("ms", at("latency", "p50")),
    Column("worker s", at("cpu", "workers"), detail=True),
)
ROW = {"name": "a", "latency": {"p50": 1.5}, "cpu": {"workers": 2.0}}


def test_columns_line_up() -> None:
    """Names to the left, numbers to the right."""
    assert ["name    s", "a       1", "longer  -"] == table(("name", "s"), [("a", 1), ("longer", None)])


def test_a_report_leaves_details_to_the_terminal() -> None:
    """The same columns, in the same order."""
    assert ["name   ms  worker s", "a     1.5         2"] == tabulate(COLUMNS, [ROW])
    assert ["| name | ms |", "|---|---|", "| a | 1.5 |"] == tabulate_markdown(COLUMNS, [ROW])


def test_what_is_not_known_is_a_dash() -> None:
    """In both."""
    assert "a     1.5         -" == tabulate(COLUMNS, [{**ROW, "cpu": {}}])[1]
    assert ["| s |", "|---|", "| - |"] == markdown_table(("s",), [[None]])


def test_what_a_value_stands_in_has_to_be_there() -> None:
    """A column that looks in the wrong place does not pass for one without values."""
    with pytest.raises(KeyError):
        at("latencies", "p50")(ROW)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(None, "-"), (1234, "1,234"), (0.123456, "0.123"), (12345.6, "12,346"), (2, "2"), ("text", "text")],
)
def test_values_are_written_for_a_reader(value: object, expected: str) -> None:
    """As many digits as tell something."""
    assert expected == show(value)
