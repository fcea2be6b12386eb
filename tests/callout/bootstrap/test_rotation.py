"""Replacing a signing key in two steps."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.bootstrap.rotation import retire, rotate
from tests.callout.bootstrap.sample import NOW, deploy
from workers.nkeys import KeyPair, Kind

FRESH = KeyPair(Kind.ACCOUNT, b"f" * 32).public
RECORD = deploy().record


def test_first_there_are_two_then_the_new_one() -> None:
    """The new one is in use, and has the next number."""
    both = rotate(RECORD, "AUTH_ACCOUNT", FRESH, NOW + 10)
    before, after = RECORD.account("AUTH_ACCOUNT"), both.account("AUTH_ACCOUNT")
    assert (*before.signing, (2, FRESH)) == (*after.signing[:-1], (after.signing[-1].number, after.signing[-1].public))
    done, old = retire(both, "AUTH_ACCOUNT", NOW + 20)
    assert (before.signing[0], after.signing[1:]) == (old, done.account("AUTH_ACCOUNT").signing)


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2 * NOW), st.integers(0, 2 * NOW))
def test_an_account_gets_newer_whatever_the_clock_says(first: int, second: int) -> None:
    """nats-server keeps the newer JWT, and takes two with one time of issue for the same."""
    both = rotate(RECORD, "NACK", FRESH, first)
    done, _ = retire(both, "NACK", second)
    times = [one.account("NACK").issued_at for one in (RECORD, both, done)]
    assert sorted(set(times)) == times


def test_the_other_accounts_stay_as_they_are() -> None:
    """To the byte."""
    both = rotate(RECORD, "AUTH_SERVICE", FRESH, NOW)
    assert [one for one in RECORD.accounts if one.name != "AUTH_SERVICE"] == [
        one for one in both.accounts if one.name != "AUTH_SERVICE"
    ]


def test_one_at_a_time() -> None:
    """A third key would leave it unclear which is meant."""
    both = rotate(RECORD, "AUTH_ACCOUNT", FRESH, NOW)
    with pytest.raises(ValueError, match="first finish with --retire AUTH_ACCOUNT"):
        rotate(both, "AUTH_ACCOUNT", FRESH, NOW)


def test_the_only_key_is_not_retired() -> None:
    """It would leave the account without one."""
    with pytest.raises(ValueError, match="--rotate AUTH_ACCOUNT makes a new one"):
        retire(RECORD, "AUTH_ACCOUNT", NOW)


@pytest.mark.parametrize("name", ["nats", "", "auth_account", "x\ny"])
def test_only_an_account_has_such_a_key(name: str) -> None:
    """The line names those that there are."""
    with pytest.raises(ValueError, match=r"^[^\n]* give one of SYS, AUTH_SERVICE, AUTH_ACCOUNT, NACK$"):
        rotate(RECORD, name, FRESH, NOW)
