"""What is asked straight at the subject is counted: let in, refused, not answered."""

import asyncio

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.errors import CommandError
from perf.bench import FEW_TOKENS, Bench, by_p99, by_rate, count_lost, find_expiry, find_middle, list_due
from perf.figures.findings import Report
from perf.figures.rounds import Weigh
from perf.generator.target import Target
from perf.here.local import Population, run_local

TOKENS = 12


async def ask_others(target: Target, label: str) -> dict[str, object]:
    """Ask about each token once that is none of the few."""
    bench = await Bench.open(target, {"label": label})
    point = await bench.run_others(window=4, seconds=30)
    await bench.close()
    return point


def test_every_request_is_counted() -> None:
    """Real servers: its own tokens are let in; a stranger's are answered too, which is no rate, however quick."""

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=TOKENS, tokens=FEW_TOKENS + TOKENS) as local:
            point = await ask_others(local.target, "known")
            assert ("known", TOKENS, TOKENS, 0) == tuple(
                point[name] for name in ("label", "answered", "allowed", "unanswered")
            )
            strangers = msgspec.structs.replace(local.target, tokens=["a.b.c"] * (FEW_TOKENS + TOKENS))
            point = await ask_others(strangers, "strangers")
            assert ("strangers", TOKENS, 0, 0, 0.0) == tuple(
                point[name] for name in ("label", "answered", "allowed", "unanswered", "rate")
            )
            assert {"count": 0, "p50": None, "p99": None, "p999": None, "longest": None} == point["latency_ms"]

    asyncio.run(scenario())


def test_there_has_to_be_somebody_to_ask_as() -> None:
    """A set-up that clients can connect to may have nobody who sends requests himself."""
    target = Target({}, None, "", "", "", [], dict)
    with pytest.raises(CommandError, match="nobody to ask as"):
        asyncio.run(Bench.open(target, {}))


def make_round(rate: float, p99: float | None, lost: int = 0, attempts: int = 1) -> Report:
    """A round of a point."""
    counts = {"answered": 100, "allowed": 100 - lost, "unanswered": 0, "attempts": attempts}
    return {"rate": rate, "latency_ms": {"p99": p99}, **counts}


def measure_rounds(weigh: Weigh, *rounds: Report) -> Report:
    """Measure these rounds, and return what is told of them."""
    left = list(rounds)

    async def measure() -> Report:
        return left.pop(0)

    return asyncio.run(find_middle(measure, len(rounds), weigh))


@pytest.mark.parametrize(
    ("rates", "expected"),
    [([5000.0, 7000.0, 6000.0], 6000.0), ([5000.0, 7000.0], 5000.0), ([1.0, 4.0, 3.0, 2.0], 2.0), ([5.0], 5.0)],
)
def test_the_middle_round_counts(rates: list[float], expected: float) -> None:
    """By its rate; of two in the middle the worse one. What all were like is told."""
    found = measure_rounds(by_rate, *(make_round(rate, rate / 2) for rate in rates))
    assert (expected, rates) == (found["rate"], found["rates"])
    assert [rate / 2 for rate in rates] == found["p99s"]


def test_where_a_rate_was_offered_the_p99_counts() -> None:
    """The rate says nothing there; a round in which nobody was let in has no p99, and is the worst."""
    found = measure_rounds(by_p99, make_round(3.0, 2.5), make_round(2.0, 1.5), make_round(1.0, None))
    assert (2.5, [2.5, 1.5, None]) == (found["latency_ms"]["p99"], found["p99s"])


@pytest.mark.parametrize("weigh", [by_rate, by_p99])
def test_a_round_that_lost_a_request_is_worse_than_any(weigh: Weigh) -> None:
    """However fast it was otherwise: here both others are slower."""
    found = measure_rounds(weigh, make_round(9.0, 0.1, lost=1), make_round(1.0, 9.0), make_round(2.0, 8.0))
    assert (1.0, [1, 0, 0]) == (found["rate"], found["lost"])


def test_attempts_are_those_of_all_rounds() -> None:
    """A sum of the middle one's alone would be too small."""
    assert 6 == measure_rounds(by_rate, *(make_round(1.0, 1.0, attempts=number) for number in (1, 2, 3)))["attempts"]


def test_not_answered_and_not_let_in_are_both_lost() -> None:
    """They are none of those let in."""
    assert 5 == count_lost({"answered": 8, "allowed": 6, "unanswered": 3})


@given(st.integers(1, 10**6), st.floats(0.1, 50))
def test_requests_are_good_until_the_last_is_sent(number: int, seconds: float) -> None:
    """However many are signed before the first is sent, at a millisecond each: then as long again as they are sent."""
    assert find_expiry(1e9, number, seconds) >= 1e9 + number / 1000 + seconds + 1


@pytest.mark.parametrize(
    ("rate", "seconds", "expected"), [(2.0, 2.0, [0.0, 0.5, 1.0, 1.5]), (4.0, 0.6, [0.0, 0.25]), (0.5, 1.0, [0.0])]
)
def test_requests_of_a_rate_are_due_one_by_one(rate: float, seconds: float, expected: list[float]) -> None:
    """The first at once, which there is even where a whole one takes longer than there is time."""
    assert expected == list_due(rate, seconds)
