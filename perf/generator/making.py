"""Many of a kind, made one after the other: requests that are signed, tokens that are minted.

That takes the event loop's thread for many seconds. In between the loop has its turn, so that a signal is heeded and a
server that asks whether we are still there has its answer.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, TypeVar

S = TypeVar("S")
T = TypeVar("T")

STRETCH: Final = 256  # that are made without a break: hundredths of a second, of tokens tenths


async def make_each(make: Callable[[S], T], parts: Sequence[S]) -> list[T]:
    """Make one of each part, in their order."""
    made: list[T] = []
    for begin in range(0, len(parts), STRETCH):
        await asyncio.sleep(0)
        made += [make(part) for part in parts[begin : begin + STRETCH]]
    return made
