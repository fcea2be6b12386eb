"""Replacing an account's signing key, in two steps, without a login that fails.

Between the steps the account lists both keys. So servers learn of the new key before anybody signs with it, and
forget the old one only after everything that it signed has ended.

Rules kept here:
- Pure: the new key and the moment are arguments; errors are `ValueError`, each a line that says what to do.
- A key has a number and a file of its own. A service that runs reads the old file until it is told of the new one.
- One replacement at a time for each account: a third key would leave it unclear which is meant.
- What the clients' account has signed ends with its key, and nats-server does not wait: so the key stays for as long as
  logins by it may last, but for those who ask for that end. A record does not know NATS_USER_TTL; its default counts.
- An account's JWT gets a later time of issue: of two a full resolver keeps the newer one, when servers compare theirs.
  What is handed to a server by `$SYS.REQ.CLAIMS.UPDATE` it takes, older or not (tried on 2.14.6, 2.15.1, 2.15.3): so
  whoever may publish to the system account can bring a retired key back.
"""

from datetime import UTC, datetime
from typing import Final

import msgspec

from callout.bootstrap.record import Member, Record, SigningKey
from callout.secret import quote

LOGIN_S: Final = 3_600  # for which a login lasts unless NATS_USER_TTL is set


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


def check_patience(record: Record, name: str, now: int) -> None:
    """Check that logins by the old signing key of an account may have ended: surely they have not within an hour.

    Args:
        record: with both keys; since the new one came nothing else has changed in the account.
        name: of the account.
        now: Unix seconds.

    Raises:
        ValueError: they have not; one line that says when they will have.
    """
    ends_at = record.account(name).issued_at + LOGIN_S
    if name == record.choices.client_account and now < ends_at:
        moment = datetime.fromtimestamp(ends_at, UTC)
        raise ValueError(
            f"logins by the old signing key of {name} may last until {moment:%Y-%m-%d %H:%M:%SZ} or later: an hour, or "
            "NATS_USER_TTL, from when the service began to sign with the new one; wait for that; or add --now, and "
            "nats-server ends them"
        )


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
