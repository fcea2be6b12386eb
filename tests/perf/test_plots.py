"""Plots: well-formed, complete, and the same for the same numbers."""

import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.plots import HEIGHT, MAX_POINTS, WIDTH, Axis, Point, draw_bars, draw_lines

SVG = "{http://www.w3.org/2000/svg}"
X, Y = Axis("clients"), Axis("seconds")
NUMBERS = st.floats(0, 1e9)
LINES = st.dictionaries(st.text(max_size=9), st.lists(st.tuples(NUMBERS, st.none() | NUMBERS), max_size=9), max_size=5)


def texts(svg: str) -> list[str]:
    """All that is written in a plot."""
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


@given(LINES, st.booleans(), st.booleans())
def test_any_numbers_make_a_plot(lines: dict[str, list[Point]], x_folded: bool, y_folded: bool) -> None:
    """Well-formed XML, whatever the names are, and every point is on the paper."""
    drawable = {"".join(letter for letter in name if letter.isprintable()): line for name, line in lines.items()}
    root = ET.fromstring(draw_lines("title", Axis("x", x_folded), Axis("y", y_folded), drawable))
    for circle in root.iter(f"{SVG}circle"):
        assert 0 <= float(circle.attrib["cx"]) <= WIDTH
        assert 0 <= float(circle.attrib["cy"]) <= HEIGHT * 2


def test_lines_have_names_axes_and_points() -> None:
    """Whatever a reader needs stands in the plot; what is not known is left out."""
    svg = draw_lines("Logins", X, Y, {"a <b>": [(0, 1), (1, None), (2, 3)], "c": [(0, 2)]})
    assert {"Logins", "clients", "seconds", "a <b>", "c"} <= set(texts(svg))
    assert 3 == len(list(ET.fromstring(svg).iter(f"{SVG}circle")))


def test_higher_is_further_up() -> None:
    """SVG counts from the top, a reader does not."""
    svg = draw_lines("Logins", X, Y, {"a": [(0, 1), (1, 9)]})
    low, high = (float(circle.attrib["cy"]) for circle in ET.fromstring(svg).iter(f"{SVG}circle"))
    assert high < low


def test_a_logarithmic_axis_gives_each_power_the_same_room() -> None:
    """From 1 to 10 as far as from 10 to 100."""
    svg = draw_lines("Logins", Axis("x", logarithmic=True), Y, {"a": [(1, 1), (10, 1), (100, 1)]})
    first, second, third = (float(circle.attrib["cx"]) for circle in ET.fromstring(svg).iter(f"{SVG}circle"))
    assert pytest.approx(third - second, abs=0.2) == second - first


@pytest.mark.parametrize(
    ("values", "logarithmic", "expected"),
    [
        ([1, 2, 3], False, ["0", "1", "2", "3"]),
        ([1], False, ["0", "1"]),
        ([0.5, 1], False, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        ([0, 59.98], False, ["0", "10", "20", "30", "40", "50", "60"]),
        ([31, 389], True, ["20", "50", "100", "200", "500"]),
        ([1, 512], True, ["1", "2", "5", "10", "20", "50", "100", "200", "500", "1,000"]),
        ([0.3, 4000], True, ["0.1", "1", "10", "100", "1,000", "10k"]),
        ([100], True, ["100"]),
        ([0, 100], True, ["0", "20", "40", "60", "80", "100"]),
    ],
)
def test_an_axis_encloses_its_values(values: list[float], logarithmic: bool, expected: list[str]) -> None:
    """From a tick to a tick; of whole numbers it has no fractions, and where there is nothing powers have no place."""
    found = texts(draw_lines("Logins", Axis("x", logarithmic), Y, {"a": [(value, None) for value in values]}))
    assert "nothing was measured" in found
    found = texts(draw_lines("Logins", Axis("x", logarithmic), Y, {"a": [(value, 0.0) for value in values]}))
    assert ["Logins", "0", "1", *expected, "x", "seconds", "a"] == found


def test_lines_that_cover_others_let_them_show() -> None:
    """Three on the same way, of which two are dashed: each has a part of it to itself."""
    way: list[Point] = [(0, 1), (9, 1)]
    svg = draw_lines("Logins", X, Y, {"a": way, "b": way, "c": way}, marks=False, dashed=["b", "c"])
    dashes = [line.get("stroke-dasharray") for line in ET.fromstring(svg).iter(f"{SVG}polyline")]
    assert [None, "14 7", "7 14"] == dashes


def test_a_long_line_keeps_its_peak() -> None:
    """Of more points than there is room for, the highest of each group stays."""
    points: list[Point] = [(float(number), 1.0) for number in range(MAX_POINTS * 10)]
    points[4321] = (4321.0, 50.0)
    svg = draw_lines("Logins", X, Y, {"a": points})
    (line,) = ET.fromstring(svg).iter(f"{SVG}polyline")
    places = line.attrib["points"].split()
    assert len(places) <= MAX_POINTS
    tops = sorted({float(place.split(",")[1]) for place in places})
    assert 2 == len(tops)


def test_a_bar_is_as_long_as_its_parts() -> None:
    """One after the other; their sum stands at the end."""
    svg = draw_bars("Stages", "µs", {"RS256": {"verify": 30.0, "sign": 10.0}, "EdDSA": {"verify": 80.0}})
    parts = [rect for rect in ET.fromstring(svg).iter(f"{SVG}rect") if rect.find(f"{SVG}title") is not None]
    verify, sign, _ = parts
    assert pytest.approx(3 * float(sign.attrib["width"]), abs=0.5) == float(verify.attrib["width"])
    end = float(verify.attrib["x"]) + float(verify.attrib["width"])
    assert pytest.approx(float(sign.attrib["x"]), abs=0.2) == end
    assert {"Stages", "RS256", "EdDSA", "verify", "sign", "40 µs", "80 µs"} <= set(texts(svg))


def test_of_nothing_comes_an_empty_plot() -> None:
    """And it says so."""
    assert "nothing was measured" in texts(draw_lines("Logins", X, Y, {"a": []}))
    assert "Stages" in texts(draw_bars("Stages", "µs", {}))


def test_plots_are_for_day_and_night() -> None:
    """The reader's scheme decides, and the ground is the plot's own."""
    for svg in (draw_lines("Logins", X, Y, {"a": [(0, 1)]}), draw_bars("Stages", "µs", {"a": {"b": 1.0}})):
        assert "prefers-color-scheme:dark" in svg
        assert 'class="ground"' in svg
