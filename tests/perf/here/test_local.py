"""A set-up on this machine: its tokens outlive whatever is measured with them."""

import asyncio
import errno
import os
import re
from pathlib import Path

import msgspec
import pytest
import yaml

from callout.errors import CommandError
from perf import soak
from perf.bench import Bench
from perf.generator.tokens import check_lifetime
from perf.here.local import Population, run_local, say_reason
from perf.here.plan import HANDSHAKE_S, VERDICT_S
from perf.storm import try_out
from tests.pages import ROOT
from tests.perf.room import limit_files

MOST_HOURS = 24 * 31


def test_tokens_last_as_long_as_the_longest_soak() -> None:
    """No hour after which nobody is let in any more: a longer one is refused."""
    options, _ = soak.parse([f"--hours={MOST_HOURS}", f"--interval={soak.MAX_INTERVAL_S}"])
    tokens = asyncio.run(Population().mint(2, 1))
    assert check_lifetime(tokens, options.hours * soak.HOUR_S + options.interval) is None
    with pytest.raises(SystemExit):
        soak.parse([f"--hours={MOST_HOURS + 1}"])


def test_tokens_are_minted_once() -> None:
    """Each of another pod, and in turn of each ServiceAccount; more of them are added to those that are there."""
    population = Population()
    few, more = (asyncio.run(population.mint(number, 2)) for number in (2, 3))
    assert few == more[:2]
    assert 3 == len(set(more))


def start(population: Population) -> None:
    """Start a set-up, and end it."""

    async def scenario() -> None:
        async with run_local(population, workers=1, serviceaccounts=1, tokens=1):
            pass

    asyncio.run(scenario())


def test_clients_speak_tls_where_the_set_up_wants_it() -> None:
    """And so do the service, which is ready, and whoever asks straight at the subject; in the clear nobody gets in."""

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=1, tokens=1, tls=True) as local:
            target = local.target
            await try_out(target, "nats")
            bench = await Bench.open(target, {})
            await bench.try_out()
            await bench.close()
            plain = {"nats": msgspec.structs.replace(target.addresses["nats"], tls=None)}
            with pytest.raises(CommandError, match="the server wants TLS"):
                await try_out(msgspec.structs.replace(target, addresses=plain), "nats")

    asyncio.run(scenario())


def test_a_storm_of_handshakes_has_the_time_that_the_example_gives() -> None:
    """So what is measured with TLS is what is deployed."""
    config = yaml.safe_load((ROOT / "k8s/examples/tls/1-nats.yaml").read_text())["config"]
    assert config["nats"]["tls"]["merge"]["timeout"] == HANDSHAKE_S
    assert config["merge"]["authorization"]["timeout"] == VERDICT_S


def test_requests_are_sealed_where_the_set_up_wants_it() -> None:
    """The server's own and those that are asked straight at the subject; one in the clear is answered by nobody."""

    async def scenario() -> None:
        async with run_local(Population(), workers=1, serviceaccounts=1, tokens=1, sealed=True) as local:
            await try_out(local.target, "nats")
            bench = await Bench.open(local.target, {})
            await bench.try_out()
            await bench.close()
            bench = await Bench.open(msgspec.structs.replace(local.target, xkey=""), {})
            with pytest.raises(CommandError):
                await bench.try_out()
            await bench.close()

    asyncio.run(scenario())


@pytest.mark.usefixtures("no_shared_memory")
def test_shared_memory_that_may_not_be_used_is_one_line() -> None:
    """Here it is a folder in which none can be made."""
    with pytest.raises(CommandError, match=r"^no folder can be made in /proc: no such file or directory$"):
        start(Population())


def test_shared_memory_that_is_full_is_one_line() -> None:
    """Found out by the first file that is too large for what is left of it, of which nothing remains."""
    population = Population()
    with limit_files(32), pytest.raises(CommandError) as full:
        start(population)
    (line,) = full.value.lines
    said, folder, reason = re.split(r" in |: ", line)
    assert ("the set-up cannot be started", os.strerror(errno.EFBIG).lower()) == (said, reason)
    assert not Path(folder).exists()


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (TimeoutError(), "no answer"),
        (ConnectionError("the server has closed the connection"), "the server has closed the connection"),
        (FileNotFoundError(errno.ENOENT, "No such file or directory", "/absent"), "no such file or directory"),
    ],
)
def test_what_fails_is_not_always_a_file(error: OSError, reason: str) -> None:
    """Its own words stand in the line, where the system has none."""
    assert reason == say_reason(error)
