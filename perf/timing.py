"""Timing: the least CPU time of many rounds, in which everything that is compared takes its turn."""

import gc
import time
from collections.abc import Callable, Sequence

import msgspec


def _nothing() -> None:
    pass


class Step(msgspec.Struct, frozen=True):
    """Something to be timed.

    Attributes:
        run: does it, for a whole batch.
        items: how many times over.
        prepare: puts things back before each run; not timed.
    """

    run: Callable[[], None]
    items: int
    prepare: Callable[[], None] = _nothing


def repeat(operation: Callable[[], object], items: int) -> Step:
    """Make a step of an operation that is the same each time."""

    def run() -> None:
        for _ in range(items):
            operation()

    return Step(run, items)


def measure(steps: Sequence[Step], rounds: int, before_round: Callable[[int], None] = lambda _: None) -> list[float]:
    """Return for each step the least microseconds of this thread's CPU that one item took in any of the rounds.

    Every other round goes backwards, so that no step always follows the same one.

    Args:
        steps: what is timed.
        rounds: how often each.
        before_round: is told of each round, by its number from 0 on, before it begins.
    """
    times: list[list[float]] = [[] for _ in steps]
    for step in steps:  # once for nothing: caches fill, and what is remembered is remembered
        step.prepare()
        step.run()
    for number in range(rounds):
        before_round(number)
        order = range(len(steps)) if number % 2 == 0 else reversed(range(len(steps)))
        gc.collect()
        for position in order:
            step = steps[position]
            step.prepare()
            started = time.thread_time_ns()
            step.run()
            times[position].append((time.thread_time_ns() - started) / 1000 / step.items)
    return [min(found) for found in times]
