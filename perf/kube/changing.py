"""How long a change of a ServiceAccount takes to reach the decisions.

One is changed again and again, while a client of it is asked about without a pause: the time is from the change being
committed to the first answer with the new permissions. Whoever holds the ServiceAccounts, a pretend API server or a
real one, is a `Changer`, and says itself when it has committed a change.
"""

import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, Protocol, Self, TypeVar

import msgspec

from callout.errors import CommandError
from perf.figures.findings import Report
from perf.figures.processes import Meter, find_shares
from perf.figures.summary import summarize
from perf.generator.answers import read_user_claims
from perf.generator.asking import Asker
from perf.generator.requests import LONG_S
from perf.generator.target import Target

T = TypeVar("T")

CHANGE_S: Final = 10.0  # a change that no decision knows by then is lost


class Changed(msgspec.Struct, frozen=True):
    """A change that is committed; moments are CLOCK_MONOTONIC, seconds.

    Attributes:
        subject: what the ServiceAccount may publish to from now on, and could not before.
        sent_at: when the change was asked for.
        committed_at: when it was known to be there.
    """

    subject: str
    sent_at: float
    committed_at: float


class Changer(Protocol):
    """Who holds the ServiceAccounts."""

    async def change(self, value: str) -> Changed:
        """Let the first of them publish to one more subject, which a value names that no change before has had."""

    async def churn_while(self, rate: int, work: Callable[[], Awaitable[T]]) -> tuple[T, float]:
        """Change so many a second, one after the other from the last on, while work is done.

        Returns: what the work returned, and how many a second really were changed.
        """


class Inquirer:
    """Asks about one client at a time, within an `async with` block."""

    def __init__(self, target: Target) -> None:
        """Take whom to ask."""
        if target.login is None:
            raise CommandError("there is nobody to ask as")
        self._maker = target.maker()
        self._address = target.addresses["nats"]
        self._asker = Asker(target.login, self._maker)

    async def __aenter__(self) -> Self:
        """Connect."""
        await self._asker.connect(self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave."""
        await self._asker.close()

    async def until(self, token: str, is_wanted: Callable[[bytes], bool], seconds: float) -> float | None:
        """Ask without a pause until an answer is as wanted; return when it came, None if it does not in time.

        The request is signed before the first is sent; `seconds` are less than `LONG_S`, which it is good for.
        """
        message = self._maker.message(token, int(time.time()) + LONG_S)
        end = time.monotonic() + seconds
        while not is_wanted(await self._asker.ask(message)):
            if time.monotonic() > end:
                return None
        return time.monotonic()


async def follow_changes(target: Target, changer: Changer, changes: int) -> Report:
    """Change the ServiceAccount of the first token so often; return percentiles of milliseconds until a decision knows.

    Raises:
        CommandError: a change was refused, or is lost.
    """
    took, since_sent = [], []
    async with Inquirer(target) as inquirer:
        meter = Meter(target.find_processes())
        for _ in range(changes):
            changed = await changer.change(f"{time.monotonic_ns():x}")
            known_at = await inquirer.until(target.tokens[0], partial(_grants, changed.subject), CHANGE_S)
            if known_at is None:
                raise CommandError("a change of a ServiceAccount does not reach the decisions")
            took.append(max(known_at - changed.committed_at, 0))
            since_sent.append(known_at - changed.sent_at)
    found = {**msgspec.to_builtins(summarize(took)), "from_sending": msgspec.to_builtins(summarize(since_sent))}
    return {**found, **find_shares(meter.read())}


def _grants(subject: str, answer: bytes) -> bool:
    """Tell whether an answer's user JWT names a subject."""
    return f'"{subject}"'.encode() in read_user_claims(answer)
