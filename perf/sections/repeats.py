"""How rounds of the same point are told: which of them counts, and what the others were like. Pure."""

from collections.abc import Mapping, Sequence
from typing import Any

from perf.figures.findings import Report


def find_worst_p99(point: Mapping[str, Any]) -> float | None:
    """Return the p99 of the worst round; None if there was one in which nobody was let in."""
    p99s: list[float | None] = point["p99s"]
    return None if None in p99s else max(p99 for p99 in p99s if p99 is not None)


def find_slowest(point: Mapping[str, Any]) -> float:
    """Return the rate of the slowest round."""
    return float(min(point["rates"]))


def say_rounds(points: Sequence[Report], name: str) -> str:
    """Say of points, which have that name, how many rounds each has, and what was lost in all of them."""
    rounds = max((len(point["rates"]) for point in points), default=0)
    lost = sum(sum(point["lost"]) for point in points)
    counts = "one round"
    if rounds > 1:
        counts = (
            f"{rounds} rounds, of which the middle one counts (by its rate, and where a rate was offered by its p99)"
        )
    return f"{name} {counts}. Requests that were refused or not answered, in all of these: {lost}."
