"""Operator mode: our seeds and our user against the accounts' JWTs.

Rules kept here:
- Pure: JWTs were fetched and are handed in. What no JWT is at hand for is `unknown`, unless the key itself tells.
- A file that is wrong is likelier than an account that is, and a key that an account trusts stays trusted: to name the
  right file comes first, and a key of another account is never added to one.
- nsc is the tool that edits accounts; each command ends with the push without which no server hears of it.
- What an account is called, nsc leaves to its owner: a name is quoted before it becomes part of a command.
"""

import shlex
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from callout.doctor.findings import Check, Finding, notice, ok, unknown, wrong
from callout.doctor.nats_claims import AccountJwt
from callout.doctor.users import OWN_CREDS

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
        foreign: why that user cannot be the service's own; empty if nothing tells so.
    """

    signing: str
    account_signing: str
    xkey: str
    user: str
    callout: str
    target: str
    foreign: str = ""


def check_accounts(seeds: Seeds, accounts: Mapping[str, AccountJwt]) -> Iterator[Finding]:
    """Compare the seeds with the accounts, by public key; an account may be missing."""
    callout, target = accounts.get(seeds.callout), accounts.get(seeds.target)
    if _look_swapped(seeds, callout, target):
        yield from _exchange()
    else:
        yield _check_signing_key(seeds, callout, accounts)
        yield _check_account_signing_key(seeds, target, accounts)
    if callout is None:
        missing = f"the JWT of the callout's account {seeds.callout} is not at hand"
        for check in (Check.ALLOWED_ACCOUNT, Check.AUTH_USERS, Check.XKEY):
            yield unknown(check, missing, GIVE_ACCOUNTS)
        return
    yield _check_allowed(seeds, callout)
    yield _check_auth_users(seeds, callout)
    yield _check_xkey(seeds, callout)


def _look_swapped(seeds: Seeds, callout: AccountJwt | None, target: AccountJwt | None) -> bool:
    """Tell whether each of the two signing keys is in the other's place, as far as accounts are at hand."""
    if seeds.callout == seeds.target:
        return False
    callouts, targets = (seeds.callout, callout), (seeds.target, target)
    if _belongs(seeds.signing, *callouts) or _belongs(seeds.account_signing, *targets):
        return False
    crossed = _belongs(seeds.signing, *targets), _belongs(seeds.account_signing, *callouts)
    return any(crossed) and (crossed[0] or target is None) and (crossed[1] or callout is None)


def _belongs(key: str, public: str, account: AccountJwt | None) -> bool:
    """Tell whether it is that account's key, or a signing key of it; its JWT may be missing."""
    return key == public or (account is not None and key in account.signing_keys | account.scoped_keys)


def _exchange() -> Iterator[Finding]:
    one, other = "NATS_SIGNING_KEY_FILE", "NATS_ACCOUNT_SIGNING_KEY_FILE"
    for check in (Check.SIGNING_KEY, Check.ACCOUNT_SIGNING_KEY):
        what = f"{one} and {other} look swapped: there is a key of one's account in the other"
        yield wrong(check, what, f"exchange {one} and {other}")


def _check_signing_key(seeds: Seeds, callout: AccountJwt | None, accounts: Mapping[str, AccountJwt]) -> Finding:
    check = Check.SIGNING_KEY
    if seeds.signing == seeds.callout:
        return ok(check, f"NATS_SIGNING_KEY_FILE is the key of the callout's account {seeds.callout}")
    if callout is None:
        what = f"NATS_SIGNING_KEY_FILE is {seeds.signing}, and may be a signing key of {seeds.callout}"
        return unknown(check, what, GIVE_ACCOUNTS)
    if seeds.signing in callout.signing_keys:
        return ok(check, f"NATS_SIGNING_KEY_FILE is a signing key of {_name(callout)}")
    return _refuse_key(check, "NATS_SIGNING_KEY_FILE", seeds.signing, callout, accounts)


def _check_account_signing_key(seeds: Seeds, target: AccountJwt | None, accounts: Mapping[str, AccountJwt]) -> Finding:
    check, mine = Check.ACCOUNT_SIGNING_KEY, seeds.account_signing
    if mine == seeds.target:
        return ok(check, f"NATS_ACCOUNT_SIGNING_KEY_FILE is the key of NATS_ACCOUNT {seeds.target}")
    if target is None:
        what = f"NATS_ACCOUNT_SIGNING_KEY_FILE is {mine}, and may be a signing key of {seeds.target}"
        return unknown(check, what, GIVE_ACCOUNTS)
    if mine in target.signing_keys:
        return ok(check, f"NATS_ACCOUNT_SIGNING_KEY_FILE is a signing key of {_name(target)}")
    if mine in target.scoped_keys:
        name = shlex.quote(target.name)
        what = (
            f"NATS_ACCOUNT_SIGNING_KEY_FILE is a signing key of {_name(target)} with a scope, which forbids permissions"
        )
        return wrong(check, what, f"nsc edit account --name {name} --rm-sk {mine} && {_add_key(mine, target)}")
    return _refuse_key(check, "NATS_ACCOUNT_SIGNING_KEY_FILE", mine, target, accounts)


def _refuse_key(
    check: Check, variable: str, mine: str, account: AccountJwt, accounts: Mapping[str, AccountJwt]
) -> Finding:
    """Say that a variable's file has a key which that account does not trust."""
    right = " or ".join([*sorted(account.signing_keys), account.key])
    mend = f"export {variable}=<file with the seed of {right}>"
    others = (one for one in accounts.values() if one.key != account.key)
    owner = next((one for one in others if _belongs(mine, one.key, one)), None)
    if owner is not None:
        return wrong(check, f"{variable} is {mine}, a key of {_name(owner)} and none of {_name(account)}", mend)
    what = f"{variable} is {mine}, neither the key nor a signing key of {_name(account)}"
    return wrong(check, what, f"{mend}  # or, if the key is meant to be new: {_add_key(mine, account)}")


def _add_key(key: str, account: AccountJwt) -> str:
    return f"nsc edit account --name {shlex.quote(account.name)} --sk {key} && nsc push -A"


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
    if seeds.foreign:
        # One more user that nobody asks the callout about: with a sentinel's JWT everybody would come in by it.
        return wrong(check, f"the user of NATS_USER_CREDS_FILE is not the service's own: {seeds.foreign}", OWN_CREDS)
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
    if callout.xkey:
        mend = f"export NATS_XKEY_FILE=<file with the seed of {callout.xkey}>  # or, if ours is meant to be new: {mend}"
    return wrong(check, f"NATS_XKEY_FILE is {seeds.xkey}, and {_name(callout)} {asked}", mend)


def _name(account: AccountJwt) -> str:
    return f"account {account.name}"
