"""The dashboard as a picture: its panels, with the answers that Prometheus gave to their queries, as one SVG.

Grafana is no part of this project's tools, so the picture is drawn here: the same panels in the same places, the same
queries, the same numbers, in plainer lines.

Rules kept here:
- Pure: what is drawn was asked for before, and the same answers make the same bytes.
- No script and no address in it, so that every viewer shows it.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape
from typing import Final

import msgspec

from tests.monitoring.dashboard import Panel, Query
from tests.monitoring.prometheus import Series
from tests.monitoring.scales import Scale, make_scale, write_value

COLUMN: Final = 50  # pixels, as all below
ROW: Final = 30
GAP: Final = 6
LEFT, RIGHT, TOP, BOTTOM = 52, 10, 26, 16
LEGEND_LINE: Final = 13
LEGEND_LINES: Final = 3
CHARACTER: Final = 5.4
FOOT_LINE: Final = 17
COLORS: Final = ("#3274d9", "#e0752d", "#56a64b", "#c4162a", "#8f3bb8", "#b7950b", "#0f9b9b", "#d6568f", "#6b7280")
_STYLE: Final = (
    "text{font:10px sans-serif;fill:#333}.t{font-weight:bold;font-size:12px}.a{fill:#777}.e{fill:#999;font-size:9px}"
    ".g{stroke:#e4e4e4}.m{stroke:#999;stroke-dasharray:2 3}.l{fill:none;stroke-width:1.4}.f{font-size:12px}"
)


class Event(msgspec.Struct, frozen=True):
    """What was done during the run, at a moment in Unix seconds."""

    moment: float
    text: str


class Shown(msgspec.Struct, frozen=True):
    """A panel and what its queries gave, in their order."""

    panel: Panel
    answers: list[tuple[Query, list[Series]]]

    def named(self) -> list[tuple[str, Series]]:
        """All series with their names, in the order of the names within a query."""
        return [
            named
            for query, found in self.answers
            for named in sorted(((query.legend(one.labels), one) for one in found), key=lambda pair: pair[0])
        ]


class Span(msgspec.Struct, frozen=True):
    """The time that is shown: Unix seconds, with an answer each `step` seconds."""

    start: float
    end: float
    step: float

    def moments(self) -> list[float]:
        """When there are answers."""
        return [self.start + self.step * number for number in range(round((self.end - self.start) / self.step) + 1)]


def draw(title: str, panels: Sequence[Shown], span: Span, events: Sequence[Event]) -> str:
    """Draw them all, and under them a list of the events, whose numbers stand in the panels."""
    places = [shown.panel.grid_pos for shown in panels]
    width = COLUMN * max(place.x + place.w for place in places) + GAP
    foot = 34 + ROW * max(place.y + place.h for place in places)
    height = foot + FOOT_LINE * (len(events) + 1)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}">',
        f"<style>{_STYLE}</style>",
        f'<rect width="{width}" height="{height}" fill="#f4f5f5"/>',
        f'<text x="{GAP + 2}" y="21" class="t" style="font-size:15px">{escape(title)}</text>',
        *(_draw_panel(shown, span, events) for shown in panels),
    ]
    for number, event in enumerate(events, 1):
        text = f"{number}  after {_clock(event.moment - span.start)}: {event.text}"
        parts.append(f'<text x="{GAP + 4}" y="{foot + FOOT_LINE * number}" class="f">{escape(text)}</text>')
    return "\n".join([*parts, "</svg>\n"])


def _draw_panel(shown: Shown, span: Span, events: Sequence[Event]) -> str:
    panel, place = shown.panel, shown.panel.grid_pos
    width, height = COLUMN * place.w - GAP, ROW * place.h - GAP
    parts = [
        f'<g transform="translate({COLUMN * place.x + GAP} {34 + ROW * place.y})">',
        f'<rect width="{width}" height="{height}" rx="2" fill="#fff" stroke="#dcdcdc"/>',
        f'<text x="8" y="17" class="t">{escape(panel.title)}</text>',
    ]
    series = shown.named()
    if not any(one.points for _, one in series):
        parts.append(f'<text x="{width / 2:.0f}" y="{height / 2:.0f}" class="a" text-anchor="middle">No data</text>')
    elif panel.type == "stat":
        parts += _draw_values(panel, series)
    else:
        parts += _Plot(panel, width, height, span, events).draw(series)
    return "\n".join([*parts, "</g>"])


def _draw_values(panel: Panel, series: list[tuple[str, Series]]) -> Iterator[str]:
    for number, (name, one) in enumerate(series):
        text = f"{name}: {write_value(one.points[-1][1], panel.unit)}"
        yield f'<text x="12" y="{48 + 22 * number}" style="font-size:15px">{escape(text)}</text>'


class _Plot:
    """The part of a panel in which values stand over time."""

    def __init__(self, panel: Panel, width: int, height: int, span: Span, events: Sequence[Event]) -> None:
        self._panel = panel
        self._span = span
        self._events = events
        self._width = width
        self._height = height
        self._right = width - RIGHT
        self._bottom = height - BOTTOM

    def draw(self, series: list[tuple[str, Series]]) -> list[str]:
        """Axes, events, values, legend."""
        if self._panel.type == "heatmap":
            return [*self._draw_heatmap(series), *self._draw_times()]
        legend = list(self._draw_legend([name for name, _ in series]))
        if self._panel.is_stacked:
            layers = self._pile(series)
            scale = make_scale([value for _, layer in layers for value in layer], self._panel.unit)
            drawn = [self._draw_layer(layers, number, scale) for number in reversed(range(len(layers)))]
        else:
            values = [value for _, one in series for _, value in one.points]
            scale = make_scale(values, self._panel.unit, is_logarithmic=self._panel.is_logarithmic)
            drawn = [self._draw_line(name, one, number, scale) for number, (name, one) in enumerate(series)]
        return [*self._draw_values(scale), *self._draw_times(), *drawn, *legend]

    def _x(self, moment: float) -> float:
        share = (moment - self._span.start) / (self._span.end - self._span.start)
        return LEFT + share * (self._right - LEFT)

    def _y(self, value: float, scale: Scale) -> float:
        return self._bottom - scale.place(value) * (self._bottom - TOP)

    def _draw_values(self, scale: Scale) -> Iterator[str]:
        for tick in scale.ticks():
            y = self._y(tick, scale)
            yield f'<path class="g" d="M{LEFT} {y:.1f}H{self._right}"/>'
            yield self._mark(y, write_value(tick, self._panel.unit))

    def _mark(self, y: float, text: str) -> str:
        return f'<text x="{LEFT - 5}" y="{y + 3:.1f}" class="a" text-anchor="end">{escape(text)}</text>'

    def _draw_times(self) -> Iterator[str]:
        length = self._span.end - self._span.start
        for minute in range(int(length // 60) + 1):
            if minute % (1 if self._width > 420 else 2) == 0:
                x = self._x(self._span.start + 60 * minute)
                text = _clock(60 * minute)
                y = self._bottom + 12
                anchor = "middle" if minute else "start"
                yield f'<text x="{x:.1f}" y="{y:.1f}" class="a" text-anchor="{anchor}">{text}</text>'
        for number, event in enumerate(self._events, 1):
            x = self._x(event.moment)
            yield f'<path class="m" d="M{x:.1f} {TOP}V{self._bottom}"/>'
            yield f'<text x="{x + 2:.1f}" y="{TOP + 2}" class="e">{number}</text>'

    def _draw_legend(self, names: list[str]) -> Iterator[str]:
        """Make room at the bottom for as many lines as the names need, and write them."""
        lines: list[list[tuple[int, float, str]]] = [[]]
        x: float = LEFT
        for number, name in enumerate(names):
            size = 16 + CHARACTER * len(name)
            if x + size > self._right and lines[-1]:
                lines.append([])
                x = LEFT
            lines[-1].append((number, x, name))
            x += size + 8
        lines = lines[:LEGEND_LINES]
        self._bottom -= LEGEND_LINE * len(lines)
        for position, line in enumerate(lines):
            y = self._bottom + BOTTOM + LEGEND_LINE * (position + 1) - 4
            for number, x, name in line:
                yield f'<rect x="{x:.0f}" y="{y - 4:.0f}" width="10" height="3" fill="{_color(number)}"/>'
                yield f'<text x="{x + 14:.0f}" y="{y:.0f}">{escape(name)}</text>'

    def _draw_line(self, name: str, series: Series, number: int, scale: Scale) -> str:
        """A line with gaps where there is no number."""
        path, last = "", -math.inf
        for moment, value in series.points:
            if math.isfinite(value):
                pen = "L" if moment - last < 1.5 * self._span.step else "M"
                path += f"{pen}{self._x(moment):.1f} {self._y(value, scale):.1f}"
                last = moment
        dash = ' stroke-dasharray="6 6"' if name in self._panel.dashed else ""
        return f'<path class="l" stroke="{_color(number)}"{dash} d="{path}"/>'

    def _pile(self, series: list[tuple[str, Series]]) -> list[tuple[str, list[float]]]:
        """Put one upon the other: of each series the upper edge, at every moment."""
        edge = [0.0] * len(self._span.moments())
        layers = []
        for name, one in series:
            values = {round((moment - self._span.start) / self._span.step): value for moment, value in one.points}
            edge = [below + values.get(position, 0.0) for position, below in enumerate(edge)]
            layers.append((name, edge))
        return layers

    def _draw_layer(self, layers: list[tuple[str, list[float]]], number: int, scale: Scale) -> str:
        """What is under an upper edge; the lower ones are drawn over it afterwards."""
        moments = self._span.moments()
        _, edge = layers[number]
        points = "L".join(
            f"{self._x(moment):.1f} {self._y(value, scale):.1f}" for moment, value in zip(moments, edge, strict=True)
        )
        path = f"M{self._x(moments[0]):.1f} {self._bottom}L{points}V{self._bottom}Z"
        return f'<path fill="{_color(number)}" stroke="#fff" stroke-width=".4" d="{path}"/>'

    def _draw_heatmap(self, series: list[tuple[str, Series]]) -> Iterator[str]:
        """A cell for each bucket and moment, the darker the more fell into it alone."""
        buckets = sorted((float(one.labels["le"]), dict(one.points)) for _, one in series)
        height = (self._bottom - TOP) / len(buckets)
        cells = {
            (position, moment): found - (buckets[position - 1][1].get(moment, 0.0) if position else 0.0)
            for position, (_, points) in enumerate(buckets)
            for moment, found in points.items()
        }
        most = max(cells.values())
        width = self._x(self._span.start + self._span.step) - LEFT
        for (position, moment), number in cells.items():
            if number > 0:
                x, y = self._x(moment) - width, self._bottom - height * (position + 1)
                shade = 0.15 + 0.85 * math.sqrt(number / most)
                place = f'x="{max(x, LEFT):.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}"'
                yield f'<rect {place} fill="#e0752d" fill-opacity="{shade:.2f}"/>'
        for position, (bound, _) in enumerate(buckets):
            text = "more" if math.isinf(bound) else write_value(bound, self._panel.unit)
            yield self._mark(self._bottom - height * (position + 0.5), text)


def _color(number: int) -> str:
    return COLORS[number % len(COLORS)]


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{int(seconds) % 60:02}"
