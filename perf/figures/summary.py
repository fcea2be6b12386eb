"""What many measured values come to: percentiles, rates, slopes. Pure: numbers in, numbers out.

Rules kept here:
- A percentile is a value that was measured (nearest rank), never one between two.
- Of nothing there is no percentile: it is None, and never 0, which would look splendid.
- A ratio is not rounded: it may be judged by a bound, and 0.4504 is more than 0.45.
"""

from collections.abc import Sequence
from math import ceil
from typing import Final

import msgspec

MILLISECONDS: Final = 1000.0  # in a second
MICROSECONDS: Final = 1e6  # the same
MB: Final = 10**6  # bytes
MIB: Final = 1 << 20  # bytes


class Latencies(msgspec.Struct, frozen=True):
    """Percentiles in milliseconds, and how many values they are of; None where there were no values."""

    count: int
    p50: float | None
    p99: float | None
    p999: float | None
    longest: float | None


def summarize(seconds: Sequence[float]) -> Latencies:
    """Sum up durations in seconds."""
    ordered = sorted(seconds)
    values = (_milliseconds(percentile(ordered, share)) for share in (0.5, 0.99, 0.999, 1.0))
    return Latencies(len(ordered), *values)


def percentile(ordered: Sequence[float], share: float) -> float | None:
    """Return the value that so large a share of all are no larger than; `ordered` ascends, 0 < `share` <= 1."""
    if not ordered:
        return None
    return ordered[max(ceil(share * len(ordered)), 1) - 1]


def slope(points: Sequence[tuple[float, float]]) -> float | None:
    """Return the slope of the straight line that fits best (least squares); None if there is no such line."""
    count = len(points)
    if count < 2:
        return None
    mean_x, mean_y = (sum(values) / count for values in zip(*points, strict=True))
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread if spread else None


def pace(moments: Sequence[float]) -> float | None:
    """Return how many a second followed the first; None if there were not two, or all at once.

    Args:
        moments: seconds from when the first was due, in any order. If it was late the others may have caught up since,
            and would seem to be more than they were from it on.
    """
    span = max(moments, default=0.0)
    return round((len(moments) - 1) / span, 1) if span and len(moments) > 1 else None


def ratio(value: float | None, base: float | None) -> float | None:
    """Return `value` in terms of `base`; None if there is nothing to compare, or nothing to compare with."""
    return None if value is None or not base else value / base


def _milliseconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * MILLISECONDS, 3)
