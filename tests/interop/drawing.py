"""Examples by Hypothesis, to be tried together: where each costs a wait, and many cost the same one."""

from typing import TypeVar

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.strategies import SearchStrategy

T = TypeVar("T")


def draw(strategy: SearchStrategy[T], number: int) -> list[T]:
    """So many examples, simple ones and odd ones; each call draws others."""
    drawn: list[T] = []

    @settings(
        max_examples=number,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(strategy)
    def take(example: T) -> None:
        drawn.append(example)

    take()
    return drawn
