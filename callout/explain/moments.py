"""Moments and durations in words, for people."""

from datetime import UTC, datetime
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def format_moment(unix_seconds: float) -> str:
    """Write a moment in UTC, such as `2026-01-02 03:04:05Z`; whatever the number is, there is an answer."""
    try:
        return datetime.fromtimestamp(unix_seconds, UTC).strftime("%Y-%m-%d %H:%M:%SZ")
    except (OverflowError, ValueError, OSError):
        return "a time that no calendar has"


def format_seconds(seconds: float) -> str:
    """Write a duration in its two largest units, such as `1 h 30 min`."""
    if seconds == float("inf"):
        return "endless time"
    rest = round(seconds)
    parts = []
    for unit, size in _UNITS:
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2]) or f"{seconds:g} s"
