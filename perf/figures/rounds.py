"""Several rounds of the same measurement, of which the middle one counts: no machine is as fast at all times. Pure.

Of two in the middle it is the worse. What the others were like is told beside it, so that none is left out silently.
"""

from collections.abc import Awaitable, Callable, Mapping

from perf.figures.disturbance import QUIET_SHARE
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


async def find_least_disturbed(measure: Callable[[], Awaitable[Report]], attempts: int) -> Report:
    """Measure until others leave the machine alone, so often at most; return what they have disturbed least.

    What was measured says so itself: `others_share`; where that is not known (None), one attempt is as good as another.
    How many there were is added: `attempts`.
    """
    found = [await measure()]
    while len(found) < attempts and (found[-1]["others_share"] or 0.0) > QUIET_SHARE:
        found.append(await measure())
    least = min(found, key=lambda report: float(report["others_share"] or 0.0))
    return {**least, "attempts": len(found)}
