"""Seeds against accounts: what the tests on real servers do not reach."""

import shlex
from typing import Any

import msgspec
import pytest

from callout.doctor.accounts import Seeds, check_accounts
from callout.doctor.findings import Check, Severity
from callout.doctor.nats_claims import AccountJwt

SEEDS = Seeds("A-callout", "A-signing", "", "U-service", "A-callout", "A-target")
CALLOUT = AccountJwt(
    key="A-callout",
    name="AUTH_SERVICE",
    issued_at=1,
    signing_keys=frozenset({"A-other"}),
    scoped_keys=frozenset(),
    is_callout=True,
    auth_users=frozenset({"U-service"}),
    allowed_accounts=frozenset({"A-target"}),
    xkey="",
)
TARGET = msgspec.structs.replace(
    CALLOUT, key="A-target", name="AUTH_ACCOUNT", signing_keys=frozenset({"A-signing"}), is_callout=False
)


def find(seeds: Seeds = SEEDS, target: dict[str, Any] | None = None, **callout: Any) -> dict[Check, Severity]:
    """What is found, with some of the accounts' members changed."""
    changed = msgspec.structs.replace(CALLOUT, **callout), msgspec.structs.replace(TARGET, **(target or {}))
    return {one.check: one.severity for one in check_accounts(seeds, {account.key: account for account in changed})}


def test_all_is_well() -> None:
    """Each of the five checks is made."""
    assert {Severity.OK} == set(find().values())
    assert 5 == len(find())


@pytest.mark.parametrize(
    ("found", "check", "severity"),
    [
        (find(allowed_accounts=frozenset({"A-target", "*"})), Check.ALLOWED_ACCOUNT, Severity.OK),
        (find(allowed_accounts=frozenset({"*"})), Check.ALLOWED_ACCOUNT, Severity.NOTICE),
        (find(allowed_accounts=frozenset()), Check.ALLOWED_ACCOUNT, Severity.WRONG),
        (find(auth_users=frozenset(), is_callout=False), Check.AUTH_USERS, Severity.WRONG),
        (find(xkey="X"), Check.XKEY, Severity.WRONG),
        (find(msgspec.structs.replace(SEEDS, xkey="X"), xkey="X"), Check.XKEY, Severity.OK),
        (find(msgspec.structs.replace(SEEDS, signing="A-other")), Check.SIGNING_KEY, Severity.OK),
        (find(msgspec.structs.replace(SEEDS, signing="A-third")), Check.SIGNING_KEY, Severity.WRONG),
        (find(msgspec.structs.replace(SEEDS, account_signing="A-target")), Check.ACCOUNT_SIGNING_KEY, Severity.OK),
        (
            find(target={"signing_keys": frozenset(), "scoped_keys": frozenset({"A-signing"})}),
            Check.ACCOUNT_SIGNING_KEY,
            Severity.WRONG,
        ),
    ],
)
def test_what_may_be_wrong(found: dict[Check, Severity], check: Check, severity: Severity) -> None:
    """Only the one check changes."""
    assert severity == found.pop(check)
    assert {Severity.OK} == set(found.values())


def test_without_jwts_only_the_keys_themselves_tell() -> None:
    """Nothing is called well that was not looked at."""
    findings = {one.check: one.severity for one in check_accounts(SEEDS, {})}
    assert Severity.OK == findings.pop(Check.SIGNING_KEY)
    assert {Severity.UNKNOWN} == set(findings.values())


def test_a_name_becomes_no_part_of_a_command() -> None:
    """It may be anything as far as nsc goes, and the JWT may be from anybody."""
    odd = msgspec.structs.replace(
        CALLOUT, name="My $(id)", allowed_accounts=frozenset(), auth_users=frozenset(), xkey="X"
    )
    target = msgspec.structs.replace(TARGET, name="My $(id)", signing_keys=frozenset())
    scoped = msgspec.structs.replace(target, scoped_keys=frozenset({"A-signing"}))
    seeds = msgspec.structs.replace(SEEDS, signing="A-third", xkey="Y")
    for one in (target, scoped):
        mends = [finding.mend for finding in check_accounts(seeds, {odd.key: odd, one.key: one})]
        assert 5 == len(mends)
        assert all("My $(id)" in shlex.split(mend) for mend in mends)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        ({"signing": "A-third"}, "nsc edit account --name AUTH_SERVICE --sk A-third && nsc push -A"),
        ({"account_signing": "A-third"}, "nsc edit account --name AUTH_ACCOUNT --sk A-third && nsc push -A"),
        ({"target": "A-else"}, "nsc edit authcallout --account AUTH_SERVICE --allowed-account A-else && nsc push -A"),
        ({"user": "U-else"}, "nsc edit authcallout --account AUTH_SERVICE --auth-user U-else && nsc push -A"),
        ({"xkey": "X-ours"}, "nsc edit authcallout --account AUTH_SERVICE --curve X-ours && nsc push -A"),
    ],
)
def test_each_command_ends_with_the_push(found: dict[str, str], words: str) -> None:
    """Without it no server hears of the change."""
    seeds = msgspec.structs.replace(SEEDS, **found)
    findings = check_accounts(seeds, {account.key: account for account in (CALLOUT, TARGET)})
    assert [words] == [finding.mend for finding in findings if finding.severity is Severity.WRONG]
