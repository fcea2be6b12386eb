"""The goals, and what was measured of each. Pure.

Rules kept here:
- A goal is a ratio within one run wherever it can be, so that it means the same on another machine.
- It names the set-up that counts, so that its figure can be found in the tables.
- A figure is judged as it was measured, before it is rounded for a reader, who sees as many digits as tell why.
- What was not run has no goals. What was run and has no figure for one shows a dash.
"""

from collections.abc import Mapping, Sequence
from itertools import count
from typing import Final

import msgspec

from perf import ladder, load, overload, scale, storm
from perf.bench import STEADY_WINDOW
from perf.cases import FIRST_SEEN, REMEMBERED
from perf.figures.findings import Report
from perf.figures.summary import MB, MIB
from perf.figures.tables import show
from perf.generator.answers import IN_TIME_S
from perf.overload import FACTORS, GOAL_TIMEOUTS, parse_factors
from perf.storm import ONE_WORKER, TWO_WORKERS
from workers.user_jwt import Mode

AT_MOST: Final = "≤"
AT_LEAST: Final = "≥"
_USUAL: Final = 3  # digits of a figure, as `perf.figures.tables` shows what is below a hundred
_USUAL_OF_BOUND: Final = 4


class Goal(msgspec.Struct, frozen=True):
    """A goal: the figure's name, what it says, and its bound.

    Attributes:
        figure: the name under which a script's `find_goals` returns it.
        about: what it is, for a reader.
        side: `AT_MOST` or `AT_LEAST`.
        bound: the goal.
    """

    figure: str
    about: str
    side: str
    bound: float

    def is_reached(self, value: float) -> bool:
        """Tell whether a value that was measured reaches it."""
        return value <= self.bound if self.side == AT_MOST else value >= self.bound


GOALS: Final = (
    *(
        goal
        for mode in Mode
        for goal in (
            Goal(
                f"decision ÷ bare cryptography in process, RS256, {mode} mode, {FIRST_SEEN}",
                f"CPU of a whole decision ÷ bare cryptography: RS256, {mode} mode, first seen",
                AT_MOST,
                1.25,
            ),
            Goal(
                f"decision ÷ bare cryptography in process, RS256, {mode} mode, {REMEMBERED}",
                "the same, token remembered",
                AT_MOST,
                1.30,
            ),
        )
    ),
    Goal(
        f"worker ÷ in process, {FIRST_SEEN}",
        f"CPU of a worker for a request ÷ in process: one worker, {STEADY_WINDOW} in flight, first seen",
        AT_MOST,
        1.35,
    ),
    Goal(f"worker ÷ in process, {REMEMBERED}", "the same, token remembered", AT_MOST, 1.35),
    Goal(
        f"rate ÷ bare, two workers, {FIRST_SEEN}",
        f"decisions/s ÷ (1 s ÷ bare cryptography): two workers, {STEADY_WINDOW} in flight, first seen",
        AT_LEAST,
        0.9,
    ),
    Goal(f"rate ÷ bare, two workers, {REMEMBERED}", "the same, token remembered", AT_LEAST, 0.9),
    Goal(
        "p99 at half load, one worker, ms",
        "p99 at half load, through nats-server, from when it was sent: one worker, ms",
        AT_MOST,
        5,
    ),
    Goal("p99 at half load, two workers, ms", "the same, two workers", AT_MOST, 5),
    Goal(
        f"service ÷ server CPU, 100 at once, {ONE_WORKER}",
        "storm, 100 at once: CPU of the service ÷ of nats-server, one worker",
        AT_MOST,
        0.45,
    ),
    Goal(f"service ÷ server CPU, 100 at once, {TWO_WORKERS}", "the same, two workers", AT_MOST, 0.45),
    Goal(
        "rate, 4,000 at once ÷ 400 at once",
        "end to end, two workers, as many clients: connections/s, 4,000 at once ÷ 400 at once",
        AT_LEAST,
        0.8,
    ),
    Goal(
        "not in at the end, 4,000 at once with retry",
        "of these 4,000 not in at the end of the worst round, with retry (if nobody is refused without it, nobody has"
        " to come back)",
        AT_MOST,
        0,
    ),
    Goal(
        "goodput at 3 times ÷ at 1 times capacity",
        f"overload at the subject, two workers: answers/s within {IN_TIME_S:g} s, 3 times ÷ 1 times capacity",
        AT_LEAST,
        0.9,
    ),
    Goal(
        f"not in at the end, end to end with retry, clients that wait {GOAL_TIMEOUTS[0]:g} s",
        f"overload end to end, two workers, up to {max(parse_factors(FACTORS)):g} times capacity wanted (what really"
        f" came stands in its table), more clients than get in while they wait {GOAL_TIMEOUTS[0]:g} s, with retry after"
        " any refusal: those that are not in at the end, at the factor with the most",
        AT_MOST,
        0,
    ),
    Goal(
        f"not in at the end, end to end with retry, clients that wait {GOAL_TIMEOUTS[1]:g} s",
        f"the same, more clients than get in while they wait {GOAL_TIMEOUTS[1]:g} s",
        AT_MOST,
        0,
    ),
    Goal("100,000: ready after the list, s", "100,000 ServiceAccounts: seconds from the list to ready", AT_MOST, 3),
    Goal(
        "100,000: supervisor, MiB",
        "100,000: memory of the supervisor, before any request or after the load, MiB (of 150 MB)",
        AT_MOST,
        150 * MB / MIB,
    ),
    Goal("100,000: snapshot, MiB", "100,000: snapshot, MiB (of 60 MB)", AT_MOST, 60 * MB / MIB),
    Goal(
        "100,000: worker, MiB",
        "100,000: private memory of a worker (the largest), before any request or after the load, MiB (of 45 MB)",
        AT_MOST,
        45 * MB / MIB,
    ),
    Goal(
        "growth of the worker with ServiceAccounts, MiB",
        "growth of a worker from the fewest ServiceAccounts to the most, the larger of both weighings, MiB",
        AT_MOST,
        1,
    ),
    Goal("1,000,000: snapshot ÷ that of 100,000", "1,000,000: snapshot ÷ that of 100,000", AT_MOST, 10.5),
    Goal(
        "1,000,000: p50 at one rate ÷ that of 100,000",
        "1,000,000: median latency at rest, at one rate, ÷ that of 100,000",
        AT_MOST,
        1.2,
    ),
    Goal("1,000,000: p99 at one rate ÷ that of 100,000", "the same, p99", AT_MOST, 1.5),
    Goal(
        "change to decision, p99, ms",
        "change of an annotation → decision that knows it, p99 of the slowest number of ServiceAccounts, ms",
        AT_MOST,
        50,
    ),
)
"""In the order of the report. Growth "none" is a MiB at most: what an allocator rounds to.

Latency that is "no worse" may differ as rounds of the same thing do: a median by a fifth, a p99 by a half, for it is of
a hundredth of the requests, and one pause of the machine makes many of them wait.
"""


def find_figures(results: Mapping[str, Report]) -> dict[str, float | None]:
    """Return all that has a goal, from the reports of the scripts that were run."""
    found: dict[str, float | None] = {}
    for name, script in (
        ("ladder", ladder),
        ("load", load),
        ("storm", storm),
        ("overload", overload),
        ("scale", scale),
    ):
        if name in results:
            found |= script.find_goals(results[name])
    return found


def judge(results: Mapping[str, Report], beside: Sequence[Mapping[str, float | None]] = ()) -> list[list[object]]:
    """Return a row for each goal of what was run.

    Args:
        results: the reports of the scripts that were run.
        beside: what other runs came to, each as `find_figures` returns it.

    Returns: what it is, the goal, what was measured, and yes, no or nothing; where there are other runs also the lowest
    and the highest of all, and how many of them reach it.
    """
    figures = find_figures(results)
    rows: list[list[object]] = []
    for goal in GOALS:
        if goal.figure in figures:
            value = figures[goal.figure]
            verdict = "" if value is None else "yes" if goal.is_reached(value) else "no"
            spread = _say_spread(goal, [figures, *beside]) if beside else []
            rows.append([goal.about, *show_apart(goal, value), verdict, *spread])
    return rows


def _say_spread(goal: Goal, runs: Sequence[Mapping[str, float | None]]) -> list[object]:
    found = [value for run in runs if (value := run.get(goal.figure)) is not None]
    if not found:
        return [None, None]
    ends = " to ".join(dict.fromkeys(show(show_apart(goal, end)[1]) for end in (min(found), max(found))))
    return [ends, f"{sum(map(goal.is_reached, found))} of {len(found)}"]


def show_apart(goal: Goal, value: float | None) -> tuple[str, object]:
    """Return the bound and a value, both with the digits that tell them apart if those that are usual do not."""
    if value is None or _tells_apart(goal, value, _USUAL_OF_BOUND, _USUAL):
        return f"{goal.side} {goal.bound:.{_USUAL_OF_BOUND}g}", value
    digits = next(number for number in count(_USUAL_OF_BOUND) if _tells_apart(goal, value, number, number))
    return f"{goal.side} {goal.bound:.{digits}g}", f"{value:.{digits}g}"


def _tells_apart(goal: Goal, value: float, of_bound: int, of_value: int) -> bool:
    """Whether what is shown with so many digits reaches the goal if, and only if, the value does."""
    shown = msgspec.structs.replace(goal, bound=float(f"{goal.bound:.{of_bound}g}"))
    return shown.is_reached(float(f"{value:.{of_value}g}")) == goal.is_reached(value)
