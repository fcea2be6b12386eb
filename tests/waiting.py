"""Waiting for a condition with a deadline: the only way in which the tests wait.

A fixed sleep is too short on a busy machine and too long on an idle one. A condition is neither, and when it does not
come true the failure says which one it was.
"""

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, overload

T = TypeVar("T")

POLL_SECONDS = 0.01
"""Short beside everything that is waited for, and a hundred looks a second cost nothing."""
PATIENCE_SECONDS = 60
"""For what should take a moment: far more than it takes the busiest machine, since only a failure waits that long."""


@overload
async def until(
    predicate: Callable[[], Awaitable[T | None]], deadline_s: float, what: str, poll_s: float = POLL_SECONDS
) -> T: ...
@overload
async def until(predicate: Callable[[], T | None], deadline_s: float, what: str, poll_s: float = POLL_SECONDS) -> T: ...
async def until(predicate: Callable[[], Any], deadline_s: float, what: str, poll_s: float = POLL_SECONDS) -> Any:
    """Look at `predicate` (sync or async) until it is true, and return its value; `AssertionError` at the deadline.

    `poll_s` is for looks that cost something themselves.
    """
    end = time.monotonic() + deadline_s
    while True:
        outcome = predicate()
        value = await outcome if inspect.isawaitable(outcome) else outcome
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(_complaint(deadline_s, what))
        await asyncio.sleep(poll_s)


def until_sync(predicate: Callable[[], T | None], deadline_s: float, what: str) -> T:
    """Do as `until` where no event loop runs."""
    end = time.monotonic() + deadline_s
    while True:
        value = predicate()
        if value:
            return value
        if time.monotonic() >= end:
            raise AssertionError(_complaint(deadline_s, what))
        time.sleep(POLL_SECONDS)


def _complaint(deadline_s: float, what: str) -> str:
    return f"still waiting after {deadline_s:g} s: {what}"
