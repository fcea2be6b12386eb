"""The sentinel and the service's own user: each fault by its name, with the command that mends it."""

import shlex
from typing import Any

import msgspec
import pytest

from callout.doctor.findings import Check, Severity
from callout.doctor.nats_claims import Rights, UserJwt
from callout.doctor.users import OWN_CREDS, Tried, check_rights, check_sentinel, describe_foreign, miss_sentinel
from workers.user_jwt import Mode

NOW = 1_000.0
DENIED = Rights(deny=(">",))
SENTINEL = UserJwt(
    key="U",
    account="A-callout",
    name="guest",
    expires_at=0,
    bearer=True,
    pub=DENIED,
    sub=DENIED,
    subs=-1,
    data=-1,
    payload=-1,
)
SERVICE = msgspec.structs.replace(SENTINEL, bearer=False, pub=Rights(), sub=Rights())
LEAST = Tried(hears=True, answers=True, hears_more=False, says_more=False)


def test_a_sentinel_as_it_should_be() -> None:
    """A bearer that may do nothing, without limits and without an end."""
    assert Severity.OK == check_sentinel(SENTINEL, "A-callout", NOW).severity


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bearer": False}, "is no bearer, so clients would need its seed"),
        ({"pub": Rights()}, "may publish: it does not deny >"),
        ({"sub": Rights(deny=("*",))}, "may subscribe: it does not deny >"),
        ({"pub": Rights(), "sub": Rights(allow=(">",))}, "may publish and subscribe"),
        ({"subs": 0}, "has limits (subs 0; absent means 0)"),
        ({"data": 1, "payload": 0}, "has limits (data 1, payload 0; absent means 0)"),
        ({"expires_at": 1_001}, "expires, and its clients are thrown out then"),
        ({"expires_at": 1_000}, "has expired"),
        ({"bearer": False, "expires_at": 1}, "is no bearer, so clients would need its seed, has expired"),
    ],
)
def test_each_fault_of_a_sentinel_is_named(changes: dict[str, Any], words: str) -> None:
    """With the one command that mends them all."""
    finding = check_sentinel(msgspec.structs.replace(SENTINEL, **changes), "A-callout", NOW)
    assert (Check.SENTINEL, Severity.WRONG) == (finding.check, finding.severity)
    assert words in finding.what
    mend = "nsc edit user --name guest --bearer --deny-pubsub '>' --subs -1 --data -1 --payload -1 --expiry 0"
    assert f"{mend} && nsc generate creds --name guest" == finding.mend


NO_RIGHTS = "its JWT lets it neither subscribe to $SYS.REQ.USER.AUTH nor publish to $SYS._INBOX.>"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"bearer": True}, "it is a bearer, as a sentinel is, which clients show"),
        ({"pub": DENIED, "sub": DENIED}, NO_RIGHTS),
        ({"pub": Rights(allow=("orders.>",)), "sub": Rights(allow=("$SYS.REQ.USER",))}, NO_RIGHTS),
        ({"pub": Rights(deny=("$SYS.>",)), "sub": Rights(deny=("$SYS.>",))}, NO_RIGHTS),
        ({"pub": Rights(allow=("$SYS._INBOX.>",)), "sub": Rights(allow=("$SYS.REQ.USER.AUTH",))}, ""),
        ({"pub": Rights(allow=("$SYS._INBOX.*.*",)), "sub": Rights(allow=(">",))}, ""),
        ({"pub": Rights(allow=("orders.>",)), "sub": Rights(allow=("$SYS.REQ.USER.AUTH",))}, ""),
        ({"pub": DENIED}, ""),
    ],
)
def test_whose_user_cannot_be_the_services(changes: dict[str, Any], words: str) -> None:
    """A bearer, or one that may do nothing of what is needed; who lacks a part of it may be the right one."""
    assert words == describe_foreign(msgspec.structs.replace(SERVICE, **changes))


def test_a_sentinel_is_given_no_rights() -> None:
    """Not even if it was named in auth_users, and so logs in as the service."""
    nothing = Tried(hears=False, answers=False, hears_more=False, says_more=False)
    finding = check_rights(nothing, Mode.OPERATOR, SENTINEL)
    assert (Severity.WRONG, OWN_CREDS) == (finding.severity, finding.mend)
    assert "it is a bearer" in finding.what


def test_another_accounts_sentinel_opens_no_door() -> None:
    """It has to belong to the account that is asked."""
    finding = check_sentinel(SENTINEL, "A-other", NOW)
    assert Severity.WRONG == finding.severity
    assert "belongs to A-callout, and the callout's account is A-other" in finding.what
    assert "nsc add user" in finding.mend


def test_no_sentinel_is_not_called_well() -> None:
    """It says which option would tell."""
    assert (Severity.UNKNOWN, True) == (miss_sentinel().severity, "--sentinel FILE" in miss_sentinel().mend)


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({}, Severity.OK, "subscribe $SYS.REQ.USER.AUTH and publish $SYS._INBOX.>, and no more"),
        ({"hears": False}, Severity.WRONG, "may not subscribe to $SYS.REQ.USER.AUTH"),
        ({"answers": False}, Severity.WRONG, "may not publish to $SYS._INBOX.>"),
        (
            {"hears": False, "answers": False},
            Severity.WRONG,
            "may not subscribe to $SYS.REQ.USER.AUTH nor publish to $SYS._INBOX.>",
        ),
        ({"hears": False, "says_more": True}, Severity.WRONG, "may not subscribe"),
        ({"hears_more": True}, Severity.NOTICE, "may subscribe where it has no business"),
        ({"hears_more": True, "says_more": True}, Severity.NOTICE, "may subscribe and publish where it has no"),
    ],
)
def test_the_services_user_may_do_what_it_needs(changes: dict[str, Any], severity: Severity, words: str) -> None:
    """Too little is wrong, too much is worth a notice."""
    finding = check_rights(msgspec.structs.replace(LEAST, **changes), Mode.SERVER, None)
    assert (Check.SERVICE_RIGHTS, severity) == (finding.check, finding.severity)
    assert words in finding.what


def test_rights_are_mended_where_users_are_declared() -> None:
    """In nats.conf, or with nsc, by the user's own name."""
    lacking = msgspec.structs.replace(LEAST, hears=False)
    assert "in nats.conf give the user permissions" in check_rights(lacking, Mode.SERVER, None).mend
    assert "nsc edit user --name guest --allow-sub '$SYS" in check_rights(lacking, Mode.OPERATOR, SERVICE).mend
    for user in (None, msgspec.structs.replace(SERVICE, name="")):
        assert "nsc edit user --name callout --allow-sub" in check_rights(lacking, Mode.OPERATOR, user).mend


def test_a_name_becomes_no_part_of_a_command() -> None:
    """It may be anything as far as nsc goes, and whoever has made the JWT may be anybody."""
    evil = msgspec.structs.replace(SERVICE, name="x; $(id)")
    for mend in (
        check_sentinel(evil, "A-callout", NOW).mend,
        check_rights(msgspec.structs.replace(LEAST, hears=False), Mode.OPERATOR, evil).mend,
    ):
        assert "x; $(id)" in shlex.split(mend)
