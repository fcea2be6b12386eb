"""What is asked straight at the subject is counted: let in, refused, not answered."""

import asyncio

import msgspec
import pytest

from callout.errors import CommandError
from perf.bench import Bench
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
