"""A set-up on this machine: its tokens outlive whatever is measured with them."""

import pytest

from perf import soak
from perf.local import Population
from perf.tokens import check_lifetime

MOST_HOURS = 24 * 31


def test_tokens_last_as_long_as_the_longest_soak() -> None:
    """No hour after which nobody is let in any more: a longer one is refused."""
    options, _ = soak.parse([f"--hours={MOST_HOURS}", f"--interval={soak.MAX_INTERVAL_S}"])
    assert check_lifetime(Population().mint(2, 1), options.hours * soak.HOUR_S + options.interval) is None
    with pytest.raises(SystemExit):
        soak.parse([f"--hours={MOST_HOURS + 1}"])


def test_tokens_are_minted_once() -> None:
    """Each of another pod, and in turn of each ServiceAccount; more of them are added to those that are there."""
    population = Population()
    few = population.mint(2, 2)
    assert few == population.mint(3, 2)[:2]
    assert 3 == len(set(population.mint(3, 2)))
