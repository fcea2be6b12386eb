"""Users: the sentinel that clients show in operator mode, and the service's own.

Rules kept here:
- Pure. What the service's user may really do is tried (`Tried`): a JWT says what was meant, the server enforces.
- What a user is called, nsc leaves to its owner: a name is quoted before it becomes part of a command.
- Trying harms nobody: the subjects that are tried are drawn at random, and nobody listens there.
"""

import shlex
from collections.abc import Iterator
from typing import Final

import msgspec

from callout.doctor.findings import Check, Finding, ok, unknown, wrong
from callout.doctor.findings import notice as note
from callout.doctor.nats_claims import Rights, UserJwt
from callout.policy.subjects import covers, overlaps
from workers.user_jwt import Mode

NO_LIMIT: Final = -1
AUTH_SUBJECT: Final = "$SYS.REQ.USER.AUTH"
REPLY_SUBJECTS: Final = "$SYS._INBOX.>"
RELOAD: Final = "nats-server --signal reload=<pid of nats-server>"
# `server/reload.go`: "config reload not supported for AuthCallout", in its log alone; and until the next start no other
# change is reloaded either. Tried on 2.10, 2.14 and 2.15 (tests/interop/test_doctor_remedies.py).
RESTART: Final = (
    "restart nats-server: it reloads no change of auth_callout or no_auth_user; in Kubernetes: "
    "kubectl rollout restart statefulset/nats --namespace nats-system"
)
_LEAST: Final = f"subscribe {AUTH_SUBJECT} and publish {REPLY_SUBJECTS}"


OWN_CREDS: Final = (
    "export NATS_USER_CREDS_FILE=<file of the service itself>  # creds/callout.creds of the folder that callout "
    "bootstrap has made, or what nsc generate creds writes for the service's user; never name this one in auth_users"
)


class Tried(msgspec.Struct, frozen=True):
    """What the server let the service's user do.

    Attributes:
        hears: subscribe to requests.
        answers: publish where answers go.
        hears_more, says_more: subscribe, publish where it has no business.
    """

    hears: bool
    answers: bool
    hears_more: bool
    says_more: bool


def check_rights(tried: Tried, mode: Mode, user: UserJwt | None) -> Finding:
    """Judge what the service's user may do; `user` is its JWT, if it has one."""
    check, mend = Check.SERVICE_RIGHTS, _mend_rights(mode, user)
    if user is not None and not (tried.hears and tried.answers) and (foreign := describe_foreign(user)):
        return wrong(check, f"the user of NATS_USER_CREDS_FILE is not the service's own: {foreign}", OWN_CREDS)
    missing = [
        text
        for text, may in (
            (f"subscribe to {AUTH_SUBJECT}", tried.hears),
            (f"publish to {REPLY_SUBJECTS}", tried.answers),
        )
        if not may
    ]
    if missing:
        return wrong(check, f"the service's user may not {' nor '.join(missing)}", mend)
    excess = [text for text, may in (("subscribe", tried.hears_more), ("publish", tried.says_more)) if may]
    if excess:
        return note(check, f"the service's user may {' and '.join(excess)} where it has no business", mend)
    return ok(check, f"the service's user may {_LEAST}, and no more")


def describe_foreign(user: UserJwt) -> str:
    """Say why a user cannot be the service's own; empty if its JWT lets it be.

    A sentinel is a bearer that may do nothing: clients have its JWT, and whoever is named in auth_users passes by the
    callout. A user's rights may also be its signing key's (a scope); then its JWT says nothing of them.
    """
    if user.bearer:
        return "it is a bearer, as a sentinel is, which clients show"
    if _may(user.sub, AUTH_SUBJECT) or _may(user.pub, REPLY_SUBJECTS):
        return ""  # one of the two may have been forgotten
    return f"its JWT lets it neither subscribe to {AUTH_SUBJECT} nor publish to {REPLY_SUBJECTS}"


def _may(rights: Rights, subject: str) -> bool:
    denied = any(covers(one, subject) for one in rights.deny)
    return not denied and (not rights.allow or any(overlaps(one, subject) for one in rights.allow))


def _mend_rights(mode: Mode, user: UserJwt | None) -> str:
    if mode is Mode.OPERATOR:
        name = shlex.quote(user.name if user and user.name else "callout")
        return (
            f"nsc edit user --name {name} --allow-sub '{AUTH_SUBJECT}' --allow-pub '{REPLY_SUBJECTS}'"
            f" && nsc generate creds --name {name}  # into NATS_USER_CREDS_FILE"
        )
    return (
        f'in nats.conf give the user permissions {{ subscribe: ["{AUTH_SUBJECT}"], publish: ["{REPLY_SUBJECTS}"] }},'
        f" then {RELOAD}"
    )


def check_sentinel(sentinel: UserJwt, callout_account: str, now: float) -> Finding:
    """Judge the sentinel.

    Args:
        sentinel: its JWT.
        callout_account: the public key of the account that the service's user belongs to.
        now: Unix seconds.
    """
    check = Check.SENTINEL
    if sentinel.account != callout_account:
        what = f"the sentinel belongs to {sentinel.account}, and the callout's account is {callout_account}"
        return wrong(
            check, what, "nsc add user --account <callout's account> --name sentinel --bearer --deny-pubsub '>'"
        )
    faults = list(_find_faults(sentinel, now))
    if not faults:
        return ok(check, "the sentinel is a bearer that may do nothing, without limits and without an end")
    return wrong(check, f"the sentinel {', '.join(faults)}", _mend_sentinel(sentinel.name))


def _find_faults(sentinel: UserJwt, now: float) -> Iterator[str]:
    if not sentinel.bearer:
        yield "is no bearer, so clients would need its seed"
    sides = [name for name, side in (("publish", sentinel.pub), ("subscribe", sentinel.sub)) if ">" not in side.deny]
    if sides:
        yield f"may {' and '.join(sides)}: it does not deny >"
    limits = (("subs", sentinel.subs), ("data", sentinel.data), ("payload", sentinel.payload))
    bounded = [f"{name} {limit}" for name, limit in limits if limit != NO_LIMIT]
    if bounded:
        yield f"has limits ({', '.join(bounded)}; absent means 0), and clients keep them"
    if sentinel.expires_at:
        yield "has expired" if sentinel.expires_at <= now else "expires, and its clients are thrown out then"


def _mend_sentinel(name: str) -> str:
    name = shlex.quote(name or "sentinel")
    limits = "--subs -1 --data -1 --payload -1 --expiry 0"
    return f"nsc edit user --name {name} --bearer --deny-pubsub '>' {limits} && nsc generate creds --name {name}"


def miss_sentinel() -> Finding:
    """Say that there is no sentinel to look at."""
    return unknown(Check.SENTINEL, "no sentinel was given", "--sentinel FILE (its .creds or JWT)")
