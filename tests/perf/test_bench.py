"""What is asked straight at the subject is counted: let in, refused, not answered."""

import asyncio
import math

import msgspec
import pytest

from callout.errors import CommandError
from perf.bench import Bench, find_cost, find_least, find_p99
from perf.local import Population, run_local
from perf.target import Target

TOKENS = 12


async def ask_all(target: Target, label: str) -> dict[str, object]:
    """Ask about each token once."""
    bench = await Bench.open(target, {"label": label})
    point = await bench.run_all(window=4, seconds=30)
    await bench.close()
    return point


def test_every_request_is_counted() -> None:
    """Real servers: its own tokens are let in; a stranger's are answered too, which is no rate, however quick."""

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=TOKENS, tokens=TOKENS) as local:
            point = await ask_all(local.target, "known")
            assert ("known", TOKENS, TOKENS, 0) == tuple(
                point[name] for name in ("label", "answered", "allowed", "unanswered")
            )
            strangers = msgspec.structs.replace(local.target, tokens=["a.b.c"] * TOKENS)
            point = await ask_all(strangers, "strangers")
            assert ("strangers", TOKENS, 0, 0, 0.0) == tuple(
                point[name] for name in ("label", "answered", "allowed", "unanswered", "rate")
            )

    asyncio.run(scenario())


def test_there_has_to_be_somebody_to_ask_as() -> None:
    """A set-up that clients can connect to may have nobody who sends requests himself."""
    target = Target({}, None, "", "", "", [], dict)
    with pytest.raises(CommandError, match="nobody to ask as"):
        asyncio.run(Bench.open(target, {}))


def test_the_round_with_the_cheapest_requests_counts() -> None:
    """As the least of all rounds does in process; how fast the others were is told."""
    left = [(200.0, 5000.0), (150.0, 6000.0), (180.0, 7000.0)]

    async def measure() -> dict[str, object]:
        cost, rate = left.pop(0)
        return {"cpu_us_per_request": {"workers": cost}, "rate": rate}

    found = asyncio.run(find_least(measure, 3, find_cost))
    assert (6000.0, [5000.0, 6000.0, 7000.0]) == (found["rate"], found["rates"])


def test_where_the_cost_is_not_known_the_first_round_counts() -> None:
    """Of a deployed set-up no worker is seen."""

    async def measure() -> dict[str, object]:
        return {"cpu_us_per_request": {}, "rate": 1.0}

    assert 1.0 == asyncio.run(find_least(measure, 1, find_cost))["rate"]


def test_a_point_that_nobody_answered_is_the_last_to_count() -> None:
    """It has no p99."""
    assert [2.5, math.inf] == [find_p99({"latency_ms": {"p99": p99}}) for p99 in (2.5, None)]
