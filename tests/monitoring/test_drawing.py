"""The picture: what is in the answers is in it, and the one in the documentation is of the dashboard as it is."""

import math
from xml.etree import ElementTree as ET

import pytest

from tests.monitoring.dashboard import Defaults, FieldConfig, Panel, Place, Query, read_dashboard
from tests.monitoring.drawing import Event, Shown, Span, draw
from tests.monitoring.picture import PICTURE
from tests.monitoring.prometheus import Series

MAX_BYTES = 200_000
SPAN = Span(1000.0, 1020.0, 5.0)
MOMENTS = [1000.0, 1005.0, 1010.0, 1015.0, 1020.0]


def make_panel(kind: str = "timeseries", *, stacked: bool = False) -> Panel:
    """A panel with one query."""
    custom = {"stacking": {"mode": "normal"}} if stacked else {}
    config = FieldConfig(Defaults("none", custom), [])
    return Panel(1, kind, "Logins & more", Place(0, 0, 12, 8), config, [])  # type: ignore[arg-type]  # a row's text


def show(panel: Panel, *series: Series, legend: str = "{{name}}") -> list[str]:
    """Draw a panel with these answers; return its lines."""
    svg = draw("Title", [Shown(panel, [(Query("x", legend), list(series))])], SPAN, [Event(1010.0, "it < happened")])
    ET.fromstring(svg)
    return svg.splitlines()


def series(*values: float, **labels: str) -> Series:
    """A series with these values from the start on."""
    return Series(labels, list(zip(MOMENTS, values, strict=False)))


def paths(lines: list[str], mark: str) -> list[str]:
    """The lines of a kind that were drawn."""
    return [line for line in lines if line.startswith(f"<path {mark}")]


def test_a_line_has_gaps_where_there_is_no_number() -> None:
    """As where a quantile of nothing was asked for."""
    [line] = paths(show(make_panel(), series(1, 2, math.nan, 3, 4, name="a")), 'class="l"')
    assert 2 == line.count("M")
    assert 2 == line.count("L")


@pytest.mark.parametrize("stacked", [False, True])
def test_every_series_is_drawn_and_named(stacked: bool) -> None:
    """In another colour each."""
    lines = show(make_panel(stacked=stacked), series(1, 2, name="a"), series(3, 4, name="b"))
    drawn = paths(lines, "fill=" if stacked else 'class="l"')
    assert 2 == len(drawn)
    assert {"a", "b"} <= set(ET.fromstring("\n".join(lines)).itertext())


def test_what_is_stacked_stands_upon_what_is_below() -> None:
    """Two series of one each reach as high as one of two."""
    one = paths(show(make_panel(stacked=True), series(2, 2, 2, 2, 2, name="a")), "fill=")
    two = paths(show(make_panel(stacked=True), *(series(1, 1, 1, 1, 1, name=name) for name in "ab")), "fill=")
    outline = one[0].partition(" d=")[2]
    assert outline == two[0].partition(" d=")[2]
    assert outline != two[1].partition(" d=")[2]


def test_a_heat_map_shows_what_fell_into_a_bucket_alone() -> None:
    """Prometheus' buckets count all that is below them, too."""
    lines = show(make_panel("heatmap"), series(5, 5, le="0.1"), series(5, 6, le="+Inf"))
    assert 3 == sum("fill-opacity" in line for line in lines)


def test_a_panel_without_answers_says_so() -> None:
    """So nobody takes it for one that was forgotten."""
    assert any("No data" in line for line in show(make_panel("stat")))


def test_a_number_is_the_last_one() -> None:
    """With the name of its series."""
    assert any(">a: 7<" in line for line in show(make_panel("stat"), series(3, 7, name="a")))


def test_what_happened_is_marked_and_told() -> None:
    """By a number in each panel, and in words below."""
    lines = show(make_panel(), series(1, 2, name="a"))
    assert 1 == len(paths(lines, 'class="m"'))
    assert any(">1  after 0:10: it &lt; happened<" in line for line in lines)


def test_the_documentation_shows_the_dashboard_as_it_is() -> None:
    """`python -m tests.monitoring.picture` has been run since a panel was added, or was given another name."""
    dashboard = read_dashboard()
    texts = set(ET.fromstring(PICTURE.read_text()).itertext())
    assert [] == [
        title for title in (dashboard.title, *(panel.title for panel in dashboard.panels)) if title not in texts
    ]
    assert MAX_BYTES > PICTURE.stat().st_size
