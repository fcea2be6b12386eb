"""Waiting: with a deadline, for anything that can be asked for."""

import asyncio

import pytest

from tests.waiting import until, until_sync

LONG_SECONDS = 30


def test_the_value_comes_back_as_soon_as_it_is_true() -> None:
    """A predicate is asked again until it gives something true, and that is returned."""
    answers = iter([None, "", "now"])
    assert "now" == until_sync(lambda: next(answers), LONG_SECONDS, "an answer")


def test_a_predicate_may_be_a_coroutine() -> None:
    """The async twin takes both kinds."""

    async def ask() -> int | None:
        return next(answers)

    async def scenario() -> tuple[int, int]:
        return await until(ask, LONG_SECONDS, "an answer"), await until(lambda: 4, LONG_SECONDS, "four")

    answers = iter([None, 0, 3])
    assert (3, 4) == asyncio.run(scenario())


def test_the_deadline_says_what_was_waited_for() -> None:
    """The failure names the condition, and the condition is looked at once even with no time at all."""
    with pytest.raises(AssertionError, match="still waiting after 0 s: the moon"):
        until_sync(lambda: None, 0, "the moon")
    with pytest.raises(AssertionError, match="still waiting after 0 s: the moon"):
        asyncio.run(until(lambda: None, 0, "the moon"))
    assert until_sync(lambda: True, 0, "what is already so")
