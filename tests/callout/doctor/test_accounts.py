"""Seeds against accounts: what the tests on real servers do not reach."""

import shlex
from typing import Any

import msgspec
import pytest

from callout.doctor.accounts import Seeds, check_accounts
from callout.doctor.findings import Check, Finding, Severity
from callout.doctor.nats_claims import AccountJwt
from callout.doctor.users import OWN_CREDS

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


def judge(other: dict[str, AccountJwt], **seeds: str) -> dict[Check, Finding]:
    """What is wrong with such seeds, with further accounts at hand."""
    accounts = {account.key: account for account in (CALLOUT, TARGET)} | other
    findings = check_accounts(msgspec.structs.replace(SEEDS, **seeds), accounts)
    return {finding.check: finding for finding in findings if finding.severity is Severity.WRONG}


def test_a_sentinel_is_no_auth_user() -> None:
    """Whether it is named there or not: the file is another one's, and nobody is added to the account."""
    for user in ("U-service", "U-sentinel"):
        finding = judge({}, user=user, foreign="it is a bearer")[Check.AUTH_USERS]
        assert "not the service's own: it is a bearer" in finding.what
        assert OWN_CREDS == finding.mend


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
    (mend,) = (finding.mend for finding in findings if finding.severity is Severity.WRONG)
    assert words == mend.rpartition(": ")[2]


@pytest.mark.parametrize(
    ("seeds", "mend"),
    [
        (
            {"signing": "A-third"},
            "export NATS_SIGNING_KEY_FILE=<file with the seed of A-other or A-callout>  # or, if ",
        ),
        (
            {"account_signing": "A-third"},
            "export NATS_ACCOUNT_SIGNING_KEY_FILE=<file with the seed of A-signing or A-target>  # or, if ",
        ),
    ],
)
def test_a_wrong_file_is_put_right_before_an_account_is_changed(seeds: dict[str, str], mend: str) -> None:
    """The file is the likelier mistake, and a key that an account trusts stays trusted."""
    (finding,) = judge({}, **seeds).values()
    assert finding.mend.startswith(mend)


@pytest.mark.parametrize("signing", ["A-target", "A-signing"])
@pytest.mark.parametrize("account_signing", ["A-callout", "A-other"])
def test_two_files_that_are_swapped(signing: str, account_signing: str) -> None:
    """They are exchanged; to let each account trust the other's key would mix the two for good."""
    found = judge({}, signing=signing, account_signing=account_signing)
    assert {Check.SIGNING_KEY, Check.ACCOUNT_SIGNING_KEY} == found.keys()
    for finding in found.values():
        assert "NATS_SIGNING_KEY_FILE and NATS_ACCOUNT_SIGNING_KEY_FILE look swapped" in finding.what
        assert "exchange NATS_SIGNING_KEY_FILE and NATS_ACCOUNT_SIGNING_KEY_FILE" == finding.mend


@pytest.mark.parametrize("account", [CALLOUT, TARGET], ids=lambda account: account.name)
def test_one_account_is_enough_to_see_that(account: AccountJwt) -> None:
    """With a memory resolver the server knows the clients' account only once somebody was let in, and nobody is."""
    swapped = msgspec.structs.replace(SEEDS, signing="A-signing", account_signing="A-other")
    mends = {one.check: one.mend for one in check_accounts(swapped, {account.key: account})}
    assert {"exchange NATS_SIGNING_KEY_FILE and NATS_ACCOUNT_SIGNING_KEY_FILE"} == {
        mends[check] for check in (Check.SIGNING_KEY, Check.ACCOUNT_SIGNING_KEY)
    }


@pytest.mark.parametrize(
    "seeds",
    [
        {"signing": "A-signing"},
        {"account_signing": "A-other"},
        {"signing": "A-signing", "account_signing": "A-third"},
        {"signing": "A-third", "account_signing": "A-other"},
    ],
)
def test_one_wrong_file_alone_is_not_swapped(seeds: dict[str, str]) -> None:
    """Nor are two where only one is in the other's place."""
    assert not any(finding.mend.startswith("exchange") for finding in judge({}, **seeds).values())


def test_a_key_of_both_accounts_belongs_to_either() -> None:
    """Somebody may have done that."""
    both = frozenset({"A-shared"})
    callout, target = (msgspec.structs.replace(one, signing_keys=both) for one in (CALLOUT, TARGET))
    seeds = {"signing": "A-shared", "account_signing": "A-shared"}
    assert {} == judge({one.key: one for one in (callout, target)}, **seeds)


@pytest.mark.parametrize(
    ("seeds", "check", "mend"),
    [
        (
            {"signing": "A-signing"},
            Check.SIGNING_KEY,
            "export NATS_SIGNING_KEY_FILE=<file with the seed of A-other or A-callout>",
        ),
        (
            {"account_signing": "A-other"},
            Check.ACCOUNT_SIGNING_KEY,
            "export NATS_ACCOUNT_SIGNING_KEY_FILE=<file with the seed of A-signing or A-target>",
        ),
        (
            {"account_signing": "A-nack"},
            Check.ACCOUNT_SIGNING_KEY,
            "export NATS_ACCOUNT_SIGNING_KEY_FILE=<file with the seed of A-signing or A-target>",
        ),
    ],
)
def test_another_accounts_key_is_never_trusted(seeds: dict[str, str], check: Check, mend: str) -> None:
    """Whose it is, is said, and the only mend is the right file."""
    nack = msgspec.structs.replace(TARGET, key="A-nack", name="NACK", signing_keys=frozenset())
    (finding,) = judge({nack.key: nack}, **seeds).values()
    assert (check, mend) == (finding.check, finding.mend)
    assert "a key of account " in finding.what


def test_a_wrong_xkey_is_put_right_before_the_account_is_changed() -> None:
    """Which one the account names is known."""
    other = msgspec.structs.replace(CALLOUT, xkey="X-theirs")
    (finding,) = judge({other.key: other}, xkey="X-ours").values()
    assert finding.mend.startswith("export NATS_XKEY_FILE=<file with the seed of X-theirs>  # or, if ")
    assert finding.mend.endswith("nsc edit authcallout --account AUTH_SERVICE --curve X-ours && nsc push -A")
