"""Asks the service straight at the subject, through nats-server, and tells rate, latency and CPU of what was asked.

Rules kept here:
- Requests are signed before the clock runs, as many as a service needs that answers `MAX_RATE` a second.
- A point may be measured in several rounds, since no machine is as fast and as calm at all times. The middle one
  counts: by its rate, and where a rate was offered by its p99. Of two in the middle it is the worse, and a round in
  which a request was lost is worse than any in which none was. What the others were like is told beside it.
- Latencies count from when a request was really sent, those that order rounds and have a goal too. Where a rate was
  offered they are told from when it was due besides: what the generator is late with is its own, and its machine's.
- What requests are good for lasts until the last of them is sent, however long signing them takes.
- Every request is counted: let in, refused or not answered. A rate is of those that were let in: a refusal is quick,
  and would look like speed.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from math import inf
from typing import Final

import msgspec

from callout.errors import CommandError
from perf.cases import FIRST_SEEN
from perf.figures.findings import Report
from perf.figures.processes import WALL, Meter, find_shares
from perf.figures.rounds import Tell, Weigh, find_least_disturbed, pick_middle
from perf.figures.summary import MICROSECONDS, pace, summarize
from perf.generator.answers import Answers
from perf.generator.asking import SILENCE_S, Asker
from perf.generator.requests import LONG_S, RequestMaker
from perf.generator.target import Target

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
SLOWEST_SIGNING_S: Final = 1e-3  # of a request: far more than it takes anywhere
PATIENCE_S: Final = 2.0  # nobody waits longer for an answer


class Bench:
    """Asks, and looks meanwhile at what the processes take; `open` makes it."""

    def __init__(  # `open` is what others call
        self, target: Target, asker: Asker, maker: RequestMaker, labels: dict[str, object], attempts: int
    ) -> None:
        """Take the connection, what each point is to be labelled with, and the attempts of each round."""
        self._target = target
        self._asker = asker
        self._maker = maker
        self._labels = labels
        self._attempts = attempts
        self._few = target.tokens[:FEW_TOKENS]

    @classmethod
    async def open(cls, target: Target, labels: dict[str, object], attempts: int = 1) -> "Bench":
        """Connect; each round of a point has so many attempts while others disturb it."""
        if target.login is None:
            raise CommandError("there is nobody to ask as")
        maker = target.maker()
        asker = Asker(target.login, maker)
        await asker.connect(target.addresses["nats"])
        return cls(target, asker, maker, labels, attempts)

    async def close(self) -> None:
        """Leave."""
        await self._asker.close()

    async def try_out(self) -> None:
        """Ask about one client, before a rate is taken for what it is not.

        Raises:
            CommandError: it is not answered, or not let in.
        """
        answers = await self._asker.ask_in_window(await self._prepare(self._few, 1, SILENCE_S), 1, SILENCE_S)
        if answers.unanswered:
            raise CommandError(UNANSWERED)
        if not answers.allowed:
            raise CommandError(NOT_LET_IN)

    async def warm_up(self, processes: int) -> None:
        """Let each worker see the few tokens."""
        messages = await self._prepare(self._few, len(self._few) * WARM_UP * processes, LONG_S)
        await self._asker.ask_in_window(messages, STEADY_WINDOW, LONG_S)

    async def run_others(self, window: int, seconds: float) -> Report:
        """Ask about each token once that is none of the few, with which workers were warmed up."""
        others = self._target.tokens[FEW_TOKENS:]
        messages = await self._prepare(others, len(others), seconds)
        answers = await self._asker.ask_in_window(messages, window, seconds, self._make_meter)
        return self._report(answers, tokens=FIRST_SEEN, window=window, series="tokens")

    async def run_window(self, tokens: str, window: int, seconds: float, series: str, rounds: int = 1) -> Report:
        """Ask about the few tokens again and again, so many at a time; of several rounds the middle one counts."""
        expected = min(MAX_RATE, window * 2000)  # no answer comes sooner than in half a millisecond

        async def run() -> Report:
            messages = await self._prepare(self._few, int(expected * seconds) + window, seconds)
            answers = await self._asker.ask_in_window(messages, window, seconds, self._make_meter)
            return self._report(answers, tokens=tokens, window=window, series=series)

        return await find_middle(lambda: find_least_disturbed(run, self._attempts), rounds, by_rate)

    async def run_at(self, tokens: str, rate: float, seconds: float, rounds: int = 1) -> Report:
        """Ask about the few tokens, so often a second; of several rounds the middle one counts."""

        async def run() -> Report:
            point, _ = await self.run_once_at(tokens, rate, seconds)
            return point

        return await find_middle(lambda: find_least_disturbed(run, self._attempts), rounds, by_p99)

    async def run_once_at(self, tokens: str, rate: float, seconds: float) -> tuple[Report, Answers]:
        """Ask as often a second in one round, whoever disturbs it; return also what came of each request."""
        due = list_due(rate, seconds)
        messages = await self._prepare(self._few, len(due), seconds)
        answers = await self._asker.ask_on_time(messages, due, PATIENCE_S, meter=self._make_meter)
        labels = {"tokens": tokens, "window": None, "series": "half load", "offered": round(rate)}
        from_due = msgspec.to_builtins(summarize(answers.from_due))
        return {**self._report(answers, **labels), "latency_from_due_ms": from_due}, answers

    def _make_meter(self) -> Meter:
        return Meter(self._target.find_processes())

    async def _prepare(self, tokens: Sequence[str], number: int, seconds: float) -> list[bytes]:
        return await self._maker.prepare(tokens, number, find_expiry(time.time(), number, seconds))

    def _report(self, answers: Answers, **labels: object) -> Report:
        answered, cpu = answers.answered, answers.cpu
        return {
            **self._labels,
            **labels,
            "answered": answered,
            "allowed": answers.allowed,
            "unanswered": answers.unanswered,
            "rate": round(answers.allowed / answers.wall, 1),
            "sent": pace(answers.sent),
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


def find_expiry(now: float, number: int, seconds: float) -> int:
    """Return until when requests are good that are signed from now on and then sent, in Unix seconds."""
    return int(now + number * SLOWEST_SIGNING_S + seconds + LONG_S)


def list_due(rate: float, seconds: float) -> list[float]:
    """Return when requests are due, in seconds from the first: so many a second, and one however short that is."""
    return [position / rate for position in range(max(int(rate * seconds), 1))]


async def find_middle(measure: Callable[[], Awaitable[Report]], rounds: int, weigh: Weigh) -> Report:
    """Measure in so many rounds; return the middle one, of two in the middle the worse.

    What all were like is added: `rates`, `p99s`, and how many requests each has `lost`; `attempts` are those of all.
    """
    return await pick_middle(measure, rounds, weigh, _TELL)


def by_rate(point: Report) -> tuple[float, ...]:
    """Order rounds by how many were let in a second, behind what was lost."""
    return count_lost(point), -point["rate"]


def by_p99(point: Report) -> tuple[float, ...]:
    """Order rounds by the time within which 99 of 100 were let in, behind what was lost."""
    p99 = point["latency_ms"]["p99"]
    return count_lost(point), inf if p99 is None else p99


def count_lost(point: Report) -> int:
    """Count the requests that were not answered, or not let in."""
    return int(point["unanswered"] + point["answered"] - point["allowed"])


_TELL: Final[Tell] = {
    "rates": lambda point: point["rate"],
    "p99s": lambda point: point["latency_ms"]["p99"],
    "lost": count_lost,
}
