"""Axes of the dashboard's picture: where a value stands, which values are marked, and how they are written."""

import math
from typing import Final

import msgspec

TICKS: Final = 4
"""About so many on an axis."""
_SIZES: Final[dict[str, tuple[tuple[float, str], ...]]] = {
    "s": ((86400.0, " d"), (60.0, " min"), (1.0, " s"), (1e-3, " ms"), (1e-6, " µs")),
    "bytes": ((2.0**30, " GiB"), (2.0**20, " MiB"), (2.0**10, " KiB"), (1.0, " B")),
}
_NAMES: Final = {"reqps": "/s"}


class Scale(msgspec.Struct, frozen=True):
    """An axis from `low` to `high`, with a mark at each `step`; a logarithmic one has them at powers of ten."""

    low: float
    high: float
    step: float = 0.0

    def place(self, value: float) -> float:
        """Where a value stands, from 0 to 1; what lies outside stands at the edge."""
        low, high, value = (self._stretch(one) for one in (self.low, self.high, value))
        return min(max((value - low) / (high - low), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """The values that are marked."""
        if self.step:
            return [self.low + self.step * number for number in range(round((self.high - self.low) / self.step) + 1)]
        return [10.0**power for power in range(round(math.log10(self.low)), round(math.log10(self.high)) + 1)]

    def _stretch(self, value: float) -> float:
        return value if self.step else math.log10(max(value, self.low))


def make_scale(values: list[float], unit: str = "none", *, is_logarithmic: bool = False) -> Scale:
    """Make one that holds all values: from zero, or from a power of ten to another."""
    values = [value for value in values if math.isfinite(value)]
    if is_logarithmic:
        positive = [value for value in values if value > 0] or [1.0]
        low = 10.0 ** math.floor(math.log10(min(positive)))
        return Scale(low, max(10.0 ** math.ceil(math.log10(max(positive))), 10 * low))
    highest = max(values, default=0.0) or 1.0
    size, _ = _find_size(highest, unit)
    step = round_up(highest / TICKS / size) * size  # round in minutes, or in KiB, if that is what will be read
    return Scale(0.0, step * math.ceil(highest / step * (1 - 1e-9)), step)


def round_up(value: float) -> float:
    """The next larger of 1, 2 and 5 times a power of ten, or the value itself if it is one."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(factor * power for factor in (1, 2, 5, 10) if value <= factor * power * (1 + 1e-9))


def write_value(value: float, unit: str) -> str:
    """Write a value with its unit, as short as it can be."""
    size, name = _find_size(value, unit)
    return f"{value / size:.3g}{name}"


def _find_size(value: float, unit: str) -> tuple[float, str]:
    """The largest unit that a value has one of, and what stands behind the number then."""
    sizes = _SIZES.get(unit, ()) if value else ()
    return next((one for one in sizes if abs(value) >= one[0] * (1 - 1e-9)), (1.0, _NAMES.get(unit, "")))
