"""Asks the service straight at the subject, through nats-server, and tells rate, latency and CPU of what was asked.

Rules kept here:
- Requests are signed before the clock runs, as many as a service needs that answers `MAX_RATE` a second.
- A point may be measured in several rounds. The one whose requests cost the workers least counts, as the least of all
  rounds does in process, and at a given rate the one with the lowest p99: what differs is how fast and how calm the
  machine happens to be, which no clock in it tells.
- Every request is counted: let in, refused or not answered. A rate is of those that were let in: a refusal is quick,
  and would look like speed.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Final

import msgspec

from callout.errors import CommandError
from perf.asking import SILENCE_S, Answers, Asker
from perf.cases import FIRST_SEEN
from perf.command import Report, find_least_disturbed, find_shares
from perf.processes import WALL, Meter
from perf.requests import LONG_S, RequestMaker
from perf.summary import MICROSECONDS, summarize
from perf.target import WORKERS, Target

FEW_TOKENS: Final = 256  # that are remembered: any number below what a worker keeps is the same to it
WARM_UP: Final = 8  # times that each of them is asked about before, for each worker
STEADY_WINDOW: Final = 128  # in flight where another thing is varied: enough to keep any number of workers busy here
UNANSWERED: Final = (
    "nothing is answered: see that the service runs and serves, that the callout's account imports perf.ask and exports"
    " the answers, and that --xkey is the service's own, if it has one (docs/measure-a-cluster.md)"
)
NOT_LET_IN: Final = (
    "what is asked is answered, and nobody is let in: see that --callout-account is the key that the server's"
    " auth_callout names, that --xkey is given if the service has a curve key, and that the tokens are for this"
    " service (its audience, this cluster's issuer, ServiceAccounts that exist)"
)
MAX_RATE: Final = 12_000  # requests a second that are prepared for; a faster service ends a point early


class Bench:
    """Asks, and looks meanwhile at what the processes take; `open` makes it."""

    def __init__(  # `open` is what others call
        self, target: Target, asker: Asker, maker: RequestMaker, labels: dict[str, object], attempts: int, rounds: int
    ) -> None:
        """Take the connection, what each point is to be labelled with, and how often it is measured."""
        self._target = target
        self._asker = asker
        self._maker = maker
        self._labels = labels
        self._attempts = attempts
        self._rounds = rounds
        self._few = target.tokens[:FEW_TOKENS]

    @classmethod
    async def open(cls, target: Target, labels: dict[str, object], attempts: int = 1, rounds: int = 1) -> "Bench":
        """Connect; a point has so many rounds, and each round so many attempts while others disturb it."""
        if target.login is None:
            raise CommandError("there is nobody to ask as")
        maker = target.maker()
        asker = Asker(target.login, maker)
        await asker.connect(target.addresses["nats"])
        return cls(target, asker, maker, labels, attempts, rounds)

    async def close(self) -> None:
        """Leave."""
        await self._asker.close()

    async def try_out(self) -> None:
        """Ask about one client, before a rate is taken for what it is not.

        Raises:
            CommandError: it is not answered, or not let in.
        """
        answers = await self._asker.ask_in_window(self._prepare(self._few, 1), 1, SILENCE_S)
        if answers.unanswered:
            raise CommandError(UNANSWERED)
        if not answers.allowed:
            raise CommandError(NOT_LET_IN)

    async def warm_up(self, processes: int) -> None:
        """Let each worker see the few tokens."""
        messages = self._prepare(self._few, len(self._few) * WARM_UP * processes)
        await self._asker.ask_in_window(messages, STEADY_WINDOW, LONG_S)

    async def run_all(self, window: int, seconds: float) -> Report:
        """Ask about each token once."""
        messages = self._prepare(self._target.tokens, len(self._target.tokens))
        meter = Meter(self._target.find_processes())
        answers = await self._asker.ask_in_window(messages, window, seconds)
        return self._report(answers, meter.read(), tokens=FIRST_SEEN, window=window, series="tokens")

    async def run_window(self, tokens: str, window: int, seconds: float, series: str) -> Report:
        """Ask about the few tokens again and again, so many at a time."""
        expected = min(MAX_RATE, window * 2000)  # no answer comes sooner than in half a millisecond

        async def run() -> Report:
            messages = self._prepare(self._few, int(expected * seconds) + window)
            meter = Meter(self._target.find_processes())
            answers = await self._asker.ask_in_window(messages, window, seconds)
            return self._report(answers, meter.read(), tokens=tokens, window=window, series=series)

        return await self._measure(run, find_cost)

    async def run_at(self, tokens: str, rate: float, seconds: float) -> Report:
        """Ask about the few tokens, so often a second."""
        number = max(int(rate * seconds), 1)
        due = [position / rate for position in range(number)]

        async def run() -> Report:
            messages = self._prepare(self._few, number)
            meter = Meter(self._target.find_processes())
            answers = await self._asker.ask_on_time(messages, due, patience_s=2)
            labels = {"tokens": tokens, "window": None, "series": "half load", "offered": round(rate)}
            return self._report(answers, meter.read(), **labels)

        return await self._measure(run, find_p99)

    async def _measure(self, run: Callable[[], Awaitable[Report]], weigh: Callable[[Report], float]) -> Report:
        return await find_least(lambda: find_least_disturbed(run, self._attempts), self._rounds, weigh)

    def _prepare(self, tokens: Sequence[str], number: int) -> list[bytes]:
        return self._maker.prepare(tokens, number, int(time.time()) + LONG_S)

    def _report(self, answers: Answers, cpu: dict[str, float], **labels: object) -> Report:
        answered = len(answers.seconds)
        return {
            **self._labels,
            **labels,
            "answered": answered,
            "allowed": answers.allowed,
            "unanswered": answers.unanswered,
            "rate": round(answers.allowed / answers.wall, 1),
            "latency_ms": msgspec.to_builtins(summarize(answers.seconds)),
            "generator_behind_ms": msgspec.to_builtins(summarize(answers.behind)),
            "cpu_s": cpu,
            "cpu_us_per_request": {
                name: round(seconds * MICROSECONDS / answered, 1) if answered else None
                for name, seconds in cpu.items()
                if name != WALL
            },
            **find_shares(cpu),
        }


async def find_least(measure: Callable[[], Awaitable[Report]], rounds: int, weigh: Callable[[Report], float]) -> Report:
    """Measure in so many rounds; return the one that weighs least, with the `rates` of all."""
    found = [await measure() for _ in range(rounds)]
    least = min(found, key=weigh)
    return {**least, "rates": [point["rate"] for point in found]}


def find_cost(point: Report) -> float:
    """Return what a request costs the workers; of a deployed set-up it is not known."""
    return point["cpu_us_per_request"].get(WORKERS) or inf


def find_p99(point: Report) -> float:
    """Return the time within which 99 of 100 are answered."""
    p99 = point["latency_ms"]["p99"]
    return inf if p99 is None else float(p99)
