"""Several rounds of the same measurement, of which the middle one counts: no machine is as fast at all times. Pure.

Of two in the middle it is the worse. What the others were like is told beside it, so that none is left out silently.
"""

from collections.abc import Awaitable, Callable, Mapping

from perf.figures.findings import Report

Weigh = Callable[[Report], tuple[float, ...]]
"""Orders rounds, from the best to the worst."""

Tell = Mapping[str, Callable[[Report], object]]
"""What is told of every round, and under which name."""


async def pick_middle(measure: Callable[[], Awaitable[Report]], rounds: int, weigh: Weigh, tell: Tell) -> Report:
    """Measure in so many rounds; return the middle one, with what all were like; `attempts` are those of all."""
    found = [await measure() for _ in range(rounds)]
    return {
        **sorted(found, key=weigh)[rounds // 2],
        **{name: [find(one) for one in found] for name, find in tell.items()},
        "attempts": sum(one["attempts"] for one in found),
    }
