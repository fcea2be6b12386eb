"""Replacing a signing key in two steps."""

from contextlib import nullcontext

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.bootstrap.rotation import LOGIN_S, check_patience, retire, rotate
from callout.config.table import TABLE
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


@pytest.mark.parametrize(("after", "is_refused"), [(0, True), (LOGIN_S - 1, True), (LOGIN_S, False)])
def test_logins_by_the_old_key_have_time_to_end(after: int, is_refused: bool) -> None:
    """The line says when that is, and what does not wait."""
    came = NOW + 100
    both = rotate(RECORD, "AUTH_ACCOUNT", FRESH, came)
    with (
        pytest.raises(ValueError, match=r"until 2023-11-14 23:15:00Z or later: .*; or add --now")
        if is_refused
        else nullcontext()
    ):
        check_patience(both, "AUTH_ACCOUNT", came + after)


@pytest.mark.parametrize("name", ["SYS", "AUTH_SERVICE", "NACK"])
def test_no_login_hangs_on_the_keys_of_other_accounts(name: str) -> None:
    """The service's signs what nats-server reads once."""
    check_patience(rotate(RECORD, name, FRESH, NOW), name, NOW)


def test_a_login_lasts_as_long_as_its_setting_says() -> None:
    """Its default, that is."""
    (ttl,) = (setting for setting in TABLE if setting.name == "NATS_USER_TTL")
    assert ttl.default is not None
    assert LOGIN_S == ttl.form.parse(ttl.default)


@pytest.mark.parametrize("name", ["nats", "", "auth_account", "x\ny"])
def test_only_an_account_has_such_a_key(name: str) -> None:
    """The line names those that there are."""
    with pytest.raises(ValueError, match=r"^[^\n]* give one of SYS, AUTH_SERVICE, AUTH_ACCOUNT, NACK$"):
        rotate(RECORD, name, FRESH, NOW)
