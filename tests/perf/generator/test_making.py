"""What takes long to be made leaves others their turn: a signal is heeded meanwhile."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from perf.generator.making import STRETCH, make_each
from perf.generator.requests import RequestMaker
from perf.here.local import Population
from perf.overload import sign_on_time

MANY = 3 * STRETCH


def test_all_are_made_in_their_order() -> None:
    """However many stretches that takes, or if there are none to be made."""
    for number in (0, 1, STRETCH, MANY + 1):
        assert [-position for position in range(number)] == asyncio.run(make_each(lambda one: -one, range(number)))


def test_nothing_more_is_made_for_who_has_gone() -> None:
    """A stretch is ended, and no other begun."""
    made: list[int] = []

    async def scenario() -> None:
        begun = asyncio.Event()

        def make(one: int) -> None:
            made.append(one)
            begun.set()

        making = asyncio.create_task(make_each(make, range(MANY)))
        await begun.wait()
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making

    asyncio.run(scenario())
    assert STRETCH == len(made)


@pytest.mark.parametrize(
    "make",
    [
        lambda: Population().mint(MANY, 1),
        lambda: RequestMaker("A").prepare(["a"], MANY, 0),
        lambda: sign_on_time(RequestMaker("A"), ["a"], [0.0] * MANY, 0.0),
    ],
    ids=["tokens", "requests", "requests that are due"],
)
def test_a_signal_ends_it_before_all_are_made(make: Callable[[], Awaitable[object]]) -> None:
    """It cancels the task, which is heeded where the task waits."""

    async def scenario() -> None:
        making = asyncio.ensure_future(make())
        await asyncio.sleep(0)
        making.cancel()
        with pytest.raises(asyncio.CancelledError):
            await making

    asyncio.run(scenario())
