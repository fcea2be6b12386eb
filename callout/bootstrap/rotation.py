"""Replacing an account's signing key, in two steps, without a login that fails.

Between the steps the account lists both keys. So servers learn of the new key before anybody signs with it, and
forget the old one only after everything that it signed has ended.

Rules kept here:
- Pure: the new key and the moment are arguments; errors are `ValueError`, each a line that says what to do.
- A key has a number and a file of its own. A service that runs reads the old file until it is told of the new one.
- One replacement at a time for each account: a third key would leave it unclear which is meant.
- An account's JWT gets a later time of issue: nats-server drops one that is not newer than its own.
"""

import msgspec

from callout.bootstrap.record import Member, Record, SigningKey
from callout.secret import quote


def rotate(record: Record, name: str, public: str, now: int) -> Record:
    """Add a new signing key to an account, which is then the one in use; `now` is in Unix seconds."""
    member = _find(record, name)
    if len(member.signing) > 1:
        raise ValueError(f"{name} still has an old signing key; first finish with --retire {name}")
    fresh = SigningKey(member.signing[-1].number + 1, public)
    return _replace(record, member, (*member.signing, fresh), now)


def retire(record: Record, name: str, now: int) -> tuple[Record, SigningKey]:
    """Take the old signing key away from an account; the second value is that key."""
    member = _find(record, name)
    if len(member.signing) == 1:
        raise ValueError(f"{name} has no old signing key; --rotate {name} makes a new one beside it")
    old, *rest = member.signing
    return _replace(record, member, tuple(rest), now), old


def _find(record: Record, name: str) -> Member:
    try:
        return record.account(name)
    except KeyError:
        names = ", ".join(one.name for one in record.accounts)
        raise ValueError(f"{quote(name)} is no account of this deployment; give one of {names}") from None


def _replace(record: Record, member: Member, signing: tuple[SigningKey, ...], now: int) -> Record:
    changed = msgspec.structs.replace(member, signing=signing, issued_at=max(now, member.issued_at + 1))
    accounts = tuple(changed if one is member else one for one in record.accounts)
    return msgspec.structs.replace(record, accounts=accounts)
