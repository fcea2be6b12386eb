"""A change counts when an answer names its subject, and one that no answer names is lost."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
import pytest

from callout.errors import CommandError
from perf.generator.answers import is_allowed
from perf.here.local import Local, Population, run_local
from perf.kube import changing
from perf.kube.changing import Changed, Inquirer, T, follow_changes
from tests.waiting import PATIENCE_SECONDS

SHORT_SECONDS = 0.2
"""What is waited for in vain."""


class Forgetful:
    """Says that it has changed what it leaves as it was, save what begins with a change that was made."""

    def __init__(self, local: Local) -> None:
        self._local = local

    async def change(self, value: str) -> Changed:
        """Let it publish to a subject that begins with what is said."""
        changed = await self._local.change(f"{value}0")
        return msgspec.structs.replace(changed, subject=changed.subject[:-1])

    async def churn_while(self, rate: int, work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
        """Change nothing."""
        return await work(), rate * 0.0


def test_changes_are_followed_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until the service knows them; a subject counts whole, and who is a stranger is never let in."""

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=2, tokens=2) as local:
            found = await follow_changes(local.target, local, 3)
            assert (3, 3) == (found["count"], found["from_sending"]["count"])
            assert {"generator_share", "others_share"} <= set(found)
            async with Inquirer(local.target) as inquirer:
                assert await inquirer.until(local.target.tokens[0], is_allowed, PATIENCE_SECONDS - 20) is not None
                assert await inquirer.until("a.b.c", is_allowed, SHORT_SECONDS) is None
            monkeypatch.setattr(changing, "CHANGE_S", SHORT_SECONDS)  # in earnest ten, in which nothing happens
            with pytest.raises(CommandError, match="does not reach the decisions"):
                await follow_changes(local.target, Forgetful(local), 1)

    asyncio.run(scenario())


def test_without_a_user_who_may_ask_nothing_is_measured() -> None:
    """In one line, before anything is connected to."""

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=1, tokens=1) as local:
            nobody = msgspec.structs.replace(local.target, login=None)
            with pytest.raises(CommandError, match="nobody to ask as"):
                await follow_changes(nobody, local, 1)

    asyncio.run(scenario())


def test_what_was_changed_meanwhile_is_counted() -> None:
    """By the pretend API server itself; afterwards nothing changes any more."""

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=3, tokens=1) as local:
            began = (await local.tell_cluster("state"))["changes"]

            async def see_some() -> float:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    while (changes := (await local.tell_cluster("state"))["changes"]) < began + 5:
                        pass
                return changes

            seen, rate = await local.churn_while(1000, see_some)
            after = (await local.tell_cluster("state"))["changes"]
            assert began + 5 <= seen <= after
            assert rate > 0
            assert after == (await local.tell_cluster("state"))["changes"]

    asyncio.run(scenario())
