"""Plots as SVG: lines over an axis, and bars of stacked parts. Pure: numbers in, text out.

Rules kept here:
- Readable by day and by night: the colours follow the reader's scheme (`prefers-color-scheme`), on a ground of their
  own, so that no page's background swallows them.
- The same numbers give the same bytes: a plot that has not changed shows no difference.
- What is not known (None) leaves a gap; of nothing at all comes an empty plot and no error.
- An axis begins and ends at a tick with its number, beyond all values; where those are whole, so are the ticks.
"""

from collections.abc import Mapping, Sequence
from html import escape
from itertools import pairwise
from math import ceil, floor, log10
from typing import Final

import msgspec

Point = tuple[float, float | None]

WIDTH: Final = 760
HEIGHT: Final = 400
_LEFT, _RIGHT, _TOP, _BOTTOM = 78, 20, 44, 52  # margins
_LEGEND_LINE: Final = 18
_BAR: Final = 26
_BAR_GAP: Final = 14
_NAMES: Final = 250  # what the names of bars take
_TICKS: Final = 6
_MOST_TICKS: Final = 10  # of a logarithmic axis, before it has those of whole powers alone
_SMALLEST: Final = 1e-9  # of a logarithmic axis; what is smaller has a linear one
_DASH: Final = 7  # the shortest
MAX_POINTS: Final = 600  # of a line: more than the plot has room for
_COLOURS: Final = ("#1f6fb4", "#d1661a", "#2a8f4a", "#b0317a", "#7a5cc0", "#8a6d1a", "#138a8a", "#b03a3a", "#5f6b7a")
_GROUND: Final = 'class="ground" fill="#ffffff"'
_TEXT: Final = 'class="text" fill="#24292f" font-family="sans-serif" font-size="12"'
_TITLE: Final = 'class="text" fill="#24292f" font-family="sans-serif" font-size="15" font-weight="600"'
_GRID: Final = 'class="grid" stroke="#d0d7de"'
_AXIS: Final = 'class="axis" stroke="#57606a"'
# By day the attributes hold, which every reader of SVG knows; a style sheet is stronger than they are.
_NIGHT: Final = (
    "@media (prefers-color-scheme:dark){.ground{fill:#0d1117}.text{fill:#e6edf3}.grid{stroke:#30363d}"
    ".axis{stroke:#8b949e}.line,.mark{filter:brightness(1.45)}}"
)


class Axis(msgspec.Struct, frozen=True):
    """An axis: what stands along it, and whether each step multiplies (`logarithmic`) instead of adding."""

    label: str
    logarithmic: bool = False


class _Scale(msgspec.Struct, frozen=True):
    """Where a value lies between two ends of the paper: the first of the ticks and the last."""

    ticks: Sequence[float]
    begin: float
    end: float
    logarithmic: bool

    def place(self, value: float) -> float:
        low, high, at = (self._fold(number) for number in (self.ticks[0], self.ticks[-1], value))
        return self.begin + (self.end - self.begin) * ((at - low) / (high - low) if high > low else 0.5)

    def _fold(self, value: float) -> float:
        return log10(value) if self.logarithmic else value


def draw_lines(
    title: str,
    x: Axis,
    y: Axis,
    lines: Mapping[str, Sequence[Point]],
    *,
    marks: bool = True,
    dashed: Sequence[str] = (),
) -> str:
    """Draw lines over a common axis; `marks` puts a dot on each point, `dashed` ones let those show that they cover."""
    known = {name: _thin([(a, b) for a, b in points if b is not None]) for name, points in lines.items()}
    points = [point for line in known.values() for point in line]
    top = _TOP + _LEGEND_LINE * ceil(len(known) / 2)
    height = HEIGHT + _LEGEND_LINE * ceil(len(known) / 2)
    body = _title(title)
    if points:
        across = _make_scale([a for a, _ in points], x, _LEFT, WIDTH - _RIGHT)
        up = _make_scale([b for _, b in points], y, height - _BOTTOM, top)
        body += _draw_grid(across, up, x, y, top, height)
        for number, (name, line) in enumerate(known.items()):
            dashes = _make_dashes(dashed.index(name), len(dashed)) if name in dashed else ""
            body += _draw_line(line, across, up, _COLOURS[number % len(_COLOURS)], dashes, marks=marks)
            body += _legend(name, number)
    else:
        body.append(_text(WIDTH / 2, height / 2, "nothing was measured", "middle"))
    return _wrap(body, height, title)


def draw_bars(title: str, unit: str, bars: Mapping[str, Mapping[str, float]]) -> str:
    """Draw a bar for each name, of parts one after the other; the sum stands at its end."""
    parts = list(dict.fromkeys(part for bar in bars.values() for part in bar))
    longest = max((sum(bar.values()) for bar in bars.values()), default=0) or 1
    top = _TOP + _LEGEND_LINE * ceil(len(parts) / 2)
    height = top + (_BAR + _BAR_GAP) * len(bars) + _BOTTOM
    scale = _Scale((0, longest), _NAMES, WIDTH - 90, logarithmic=False)
    body = _title(title)
    for number, part in enumerate(parts):
        body += _legend(part, number)
    for row, (name, bar) in enumerate(bars.items()):
        upper = top + (_BAR + _BAR_GAP) * row + _BAR_GAP
        body.append(_text(_NAMES - 8, upper + _BAR * 0.68, name, "end"))
        begin = 0.0
        for part, value in bar.items():
            left, right = scale.place(begin), scale.place(begin + value)
            colour = _COLOURS[parts.index(part) % len(_COLOURS)]
            body.append(
                f'<rect class="mark" x="{left:.1f}" y="{upper}" width="{right - left:.1f}" height="{_BAR}"'
                f' fill="{colour}"><title>{escape(part)}: {_number(value)} {escape(unit)}</title></rect>'
            )
            begin += value
        body.append(_text(scale.place(begin) + 6, upper + _BAR * 0.68, f"{_number(begin)} {unit}", "start"))
    return _wrap(body, height, title)


def _make_scale(values: Sequence[float], axis: Axis, begin: float, end: float) -> _Scale:
    if axis.logarithmic and min(values) >= _SMALLEST:
        return _Scale(_list_powers(min(values), max(values)), begin, end, logarithmic=True)
    low, high = min(0, *values, 0), max(0, *values, 0)
    step = _round_up((high - low) / _TICKS)
    if all(float(value).is_integer() for value in values):
        step = max(step, 1.0)
    last = max(ceil((high - low) / step - 1e-9), 1)
    return _Scale([low + step * number for number in range(last + 1)], begin, end, logarithmic=False)


def _list_powers(low: float, high: float) -> list[float]:
    """Return those of 1, 2, 5, 10, 20 and so on from below both to above; if those are many, of 1, 10, 100."""
    found: list[float] = []
    for digits in ((1, 2, 5), (1,)):
        powers = range(floor(log10(low)) - 1, ceil(log10(high)) + 2)
        all_ticks = [float(f"{digit}e{power}") for power in powers for digit in digits]
        first = max(tick for tick in all_ticks if tick <= low)
        last = min(tick for tick in all_ticks if tick >= high)
        found = [tick for tick in all_ticks if first <= tick <= last]
        if len(found) <= _MOST_TICKS:
            break
    return found


def _draw_grid(across: _Scale, up: _Scale, x: Axis, y: Axis, top: float, height: float) -> list[str]:
    bottom = height - _BOTTOM
    body = []
    for tick in up.ticks:
        at = up.place(tick)
        body.append(f'<line {_GRID} x1="{_LEFT}" y1="{at:.1f}" x2="{WIDTH - _RIGHT}" y2="{at:.1f}"/>')
        body.append(_text(_LEFT - 8, at + 4, _number(tick), "end"))
    for tick in across.ticks:
        at = across.place(tick)
        body.append(f'<line {_GRID} x1="{at:.1f}" y1="{top}" x2="{at:.1f}" y2="{bottom}"/>')
        body.append(_text(at, bottom + 18, _number(tick), "middle"))
    body.append(f'<line {_AXIS} x1="{_LEFT}" y1="{bottom}" x2="{WIDTH - _RIGHT}" y2="{bottom}"/>')
    body.append(f'<line {_AXIS} x1="{_LEFT}" y1="{top}" x2="{_LEFT}" y2="{bottom}"/>')
    body.append(_text((_LEFT + WIDTH - _RIGHT) / 2, height - 12, x.label, "middle"))
    middle = (top + bottom) / 2
    turned = f' transform="rotate(-90 16 {middle:.1f})"'
    body.append(_text(16, middle, y.label, "middle", turned))
    return body


def _draw_line(
    line: Sequence[tuple[float, float]], across: _Scale, up: _Scale, colour: str, dashes: str, *, marks: bool
) -> list[str]:
    places = [(across.place(a), up.place(b)) for a, b in line]
    path = " ".join(f"{a:.1f},{b:.1f}" for a, b in places)
    body = [f'<polyline class="line" fill="none" stroke-width="2" stroke="{colour}"{dashes} points="{path}"/>']
    if marks:
        body += [f'<circle class="mark" cx="{a:.1f}" cy="{b:.1f}" r="3.5" fill="{colour}"/>' for a, b in places]
    return body


def _make_dashes(number: int, lines: int) -> str:
    """Return what dashes a line so that, where it covers one that stands before it, each keeps a part of the way."""
    shown = _DASH * (lines - number)
    return f' stroke-dasharray="{shown} {_DASH * (lines + 1) - shown}"'


def _legend(name: str, number: int) -> list[str]:
    left = _LEFT + (number % 2) * (WIDTH - _LEFT) / 2
    upper = _TOP + _LEGEND_LINE * (number // 2) - 8
    colour = _COLOURS[number % len(_COLOURS)]
    return [
        f'<rect class="mark" x="{left:.0f}" y="{upper}" width="11" height="11" fill="{colour}"/>',
        _text(left + 17, upper + 10, name, "start"),
    ]


def _title(title: str) -> list[str]:
    return [f'<text {_TITLE} x="{_LEFT}" y="22">{escape(title)}</text>']


def _text(x: float, y: float, text: str, anchor: str, more: str = "") -> str:
    return f'<text {_TEXT} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{escape(text)}</text>'


def _wrap(body: Sequence[str], height: float, title: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}"'
        f' height="{height:.0f}" role="img" aria-label="{escape(title)}">'
    )
    ground = f'<rect {_GROUND} width="{WIDTH}" height="{height:.0f}"/>'
    return "\n".join([head, f"<style>{_NIGHT}</style>", ground, *body, "</svg>", ""])


def _thin(points: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """Keep of many points the highest of each group, so that no peak is lost."""
    size = ceil(len(points) / MAX_POINTS)
    if size <= 1:
        return points
    bounds = [*range(0, len(points), size), len(points)]
    return [max(points[begin:end], key=lambda point: point[1]) for begin, end in pairwise(bounds)]


def _round_up(value: float) -> float:
    """Return the next of 1, 2, 5, 10, 20 … (or a tenth of them, and so on) that is no smaller."""
    power = 10.0 ** floor(log10(value)) if value > 0 else 1.0
    return next(power * digit for digit in (1, 2, 5, 10) if power * digit >= value * (1 - 1e-9))


def _number(value: float) -> str:
    if value >= 1e6:
        return f"{value / 1e6:g}M"
    if value >= 1e4:
        return f"{value / 1e3:g}k"
    return f"{value:.4g}" if value < 1000 else f"{value:,.0f}"
