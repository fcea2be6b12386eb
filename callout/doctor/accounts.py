"""Operator mode: our seeds and our user against the accounts' JWTs.

Rules kept here:
- Pure: JWTs were fetched and are handed in. What no JWT is at hand for is `unknown`, unless the key itself tells.
- nsc is the tool that edits accounts; each command ends with the push without which no server hears of it.
- What an account is called, nsc leaves to its owner: a name is quoted before it becomes part of a command.
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from callout.doctor.findings import Check, Finding, notice, ok, unknown, wrong
from callout.doctor.nats_claims import AccountJwt

ANY_ACCOUNT: Final = "*"
"""An entry of `allowed_accounts` that allows all of them (nats-io/jwt v2, `AnyAccount`)."""
GIVE_ACCOUNTS: Final = "--accounts PATH or --sys-creds FILE"


class Seeds(msgspec.Struct, frozen=True):
    """Public keys of what the settings hold.

    Attributes:
        signing: of NATS_SIGNING_KEY_FILE.
        account_signing: of NATS_ACCOUNT_SIGNING_KEY_FILE.
        xkey: of NATS_XKEY_FILE; empty if there is none.
        user: of NATS_USER_CREDS_FILE.
        callout: the account that this user belongs to.
        target: NATS_ACCOUNT.
    """

    signing: str
    account_signing: str
    xkey: str
    user: str
    callout: str
    target: str


def check_accounts(seeds: Seeds, accounts: Mapping[str, AccountJwt]) -> Iterator[Finding]:
    """Compare the seeds with the accounts, by public key; an account may be missing."""
    callout, target = accounts.get(seeds.callout), accounts.get(seeds.target)
    yield _check_signing_key(seeds, callout)
    yield _check_account_signing_key(seeds, target)
    if callout is None:
        missing = f"the JWT of the callout's account {seeds.callout} is not at hand"
        for check in (Check.ALLOWED_ACCOUNT, Check.AUTH_USERS, Check.XKEY):
            yield unknown(check, missing, GIVE_ACCOUNTS)
        return
    yield _check_allowed(seeds, callout)
    yield _check_auth_users(seeds, callout)
    yield _check_xkey(seeds, callout)


def _check_signing_key(seeds: Seeds, callout: AccountJwt | None) -> Finding:
    check = Check.SIGNING_KEY
    if seeds.signing == seeds.callout:
        return ok(check, f"NATS_SIGNING_KEY_FILE is the key of the callout's account {seeds.callout}")
    if callout is None:
        what = f"NATS_SIGNING_KEY_FILE is {seeds.signing}, and may be a signing key of {seeds.callout}"
        return unknown(check, what, GIVE_ACCOUNTS)
    if seeds.signing in callout.signing_keys:
        return ok(check, f"NATS_SIGNING_KEY_FILE is a signing key of {_name(callout)}")
    what = f"NATS_SIGNING_KEY_FILE is {seeds.signing}, neither the key nor a signing key of {_name(callout)}"
    return wrong(
        check, what, f"nsc edit account --name {shlex.quote(callout.name)} --sk {seeds.signing} && nsc push -A"
    )


def _check_account_signing_key(seeds: Seeds, target: AccountJwt | None) -> Finding:
    check, mine = Check.ACCOUNT_SIGNING_KEY, seeds.account_signing
    if mine == seeds.target:
        return ok(check, f"NATS_ACCOUNT_SIGNING_KEY_FILE is the key of NATS_ACCOUNT {seeds.target}")
    if target is None:
        what = f"NATS_ACCOUNT_SIGNING_KEY_FILE is {mine}, and may be a signing key of {seeds.target}"
        return unknown(check, what, GIVE_ACCOUNTS)
    if mine in target.signing_keys:
        return ok(check, f"NATS_ACCOUNT_SIGNING_KEY_FILE is a signing key of {_name(target)}")
    name = shlex.quote(target.name)
    mend = f"nsc edit account --name {name} --sk {mine} && nsc push -A"
    if mine in target.scoped_keys:
        what = (
            f"NATS_ACCOUNT_SIGNING_KEY_FILE is a signing key of {_name(target)} with a scope, which forbids permissions"
        )
        return wrong(check, what, f"nsc edit account --name {name} --rm-sk {mine} && {mend}")
    what = f"NATS_ACCOUNT_SIGNING_KEY_FILE is {mine}, neither the key nor a signing key of {_name(target)}"
    return wrong(check, what, mend)


def _check_allowed(seeds: Seeds, callout: AccountJwt) -> Finding:
    check = Check.ALLOWED_ACCOUNT
    if callout.key == seeds.target or seeds.target in callout.allowed_accounts:
        return ok(check, f"{_name(callout)} allows clients to be placed in {seeds.target}")
    mend = f"nsc edit authcallout --account {shlex.quote(callout.name)} --allowed-account {seeds.target} && nsc push -A"
    if ANY_ACCOUNT in callout.allowed_accounts:
        what = f"{_name(callout)} allows clients to be placed in every account of the operator"
        return notice(check, what, mend)
    return wrong(check, f"{_name(callout)} does not allow clients to be placed in NATS_ACCOUNT {seeds.target}", mend)


def _check_auth_users(seeds: Seeds, callout: AccountJwt) -> Finding:
    check = Check.AUTH_USERS
    if seeds.user in callout.auth_users:
        return ok(check, f"the service's user is one of the auth_users of {_name(callout)}")
    known = "has no auth_users, so no callout at all" if not callout.is_callout else "does not name it in auth_users"
    mend = f"nsc edit authcallout --account {shlex.quote(callout.name)} --auth-user {seeds.user} && nsc push -A"
    return wrong(check, f"the service's user is {seeds.user}, and {_name(callout)} {known}", mend)


def _check_xkey(seeds: Seeds, callout: AccountJwt) -> Finding:
    check, name = Check.XKEY, shlex.quote(callout.name)
    if callout.xkey == seeds.xkey:
        if callout.xkey:
            return ok(check, f"requests are sealed for {callout.xkey}, which is NATS_XKEY_FILE")
        return ok(check, "requests are not sealed, and NATS_XKEY_FILE is not set")
    if not seeds.xkey:
        what = f"{_name(callout)} has requests sealed for {callout.xkey}, and NATS_XKEY_FILE is not set"
        return wrong(check, what, "export NATS_XKEY_FILE=<file with the seed of that key>")
    asked = f"has requests sealed for {callout.xkey}" if callout.xkey else "has no xkey, so requests are not sealed"
    mend = f"nsc edit authcallout --account {name} --curve {seeds.xkey} && nsc push -A"
    return wrong(check, f"NATS_XKEY_FILE is {seeds.xkey}, and {_name(callout)} {asked}", mend)


def _name(account: AccountJwt) -> str:
    return f"account {account.name}"
