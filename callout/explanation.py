"""What a token or a ServiceAccount would get, and why: the decision taken apart for a person to read.

Rules kept here:
- Pure: whoever asks has fetched everything, and gives the moment.
- It explains the decision and takes none: the verdict on a token is the verifier's own, permissions are the policy's.
  `STEPS` only lays the reasons of a refusal out in the order in which the verifier looks for them.
- The token itself is never in an explanation. What it says of itself is, cut short and made printable.
"""

from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from callout.policy import Rules, decide, make_inbox_prefix
from callout.printable import make_printable
from callout.serviceaccounts import ServiceAccount
from callout.verdict import DropReason, Side, Source, Verdict
from workers.authorize import Session
from workers.claims import JoseHeader, TokenClaims, decode_header, decode_token
from workers.jose import decode_segment, split
from workers.keyset import KeySet
from workers.reasons import Reason
from workers.sa_token import LEEWAY_S, Identity, Refusal, TokenRules

MAX_SHOWN: Final = 200  # characters of a claim; issuers are URLs of some dozens

STEPS: Final = {
    "form": (Reason.TOKEN_MISSING, Reason.TOKEN_TOO_LONG, Reason.TOKEN_MALFORMED, Reason.TOKEN_LEGACY),
    "key": (Reason.TOKEN_UNKNOWN_KEY, Reason.TOKEN_ALGORITHM),
    "issuer": (Reason.TOKEN_ISSUER,),
    "audience": (Reason.TOKEN_AUDIENCE,),
    "expiry": (Reason.TOKEN_NO_EXPIRY, Reason.TOKEN_EXPIRED, Reason.TOKEN_NOT_YET_VALID),
    "claims": (Reason.TOKEN_CLAIMS,),
    "signature": (Reason.TOKEN_SIGNATURE,),
    "ServiceAccount": (Reason.SERVICEACCOUNT_UNKNOWN,),
    "uid": (Reason.SERVICEACCOUNT_RECREATED,),
}
"""The steps of the verification, in order, each with the reasons for which a login is refused there."""


class Step(msgspec.Struct, frozen=True):
    """One step of a token's verification: how it went, and what was looked at."""

    name: str
    state: Literal["passed", "failed", "not reached"]
    detail: str = ""


class Why(msgspec.Struct, frozen=True):
    """A reason with what it means and what can be done about it."""

    reason: str
    meaning: str
    remedy: str

    @classmethod
    def of(cls, reason: Reason | DropReason) -> "Why":
        """Take the words that belong to the reason."""
        return cls(reason.value, reason.meaning, reason.remedy)


class Grant(msgspec.Struct, frozen=True):
    """A subject that is granted, and where it comes from."""

    subject: str
    source: str


class NotGranted(msgspec.Struct, frozen=True):
    """An entry of an annotation that was dropped."""

    side: Side
    subject: str
    why: Why


class Permissions(msgspec.Struct, frozen=True):
    """What clients of a ServiceAccount get.

    Attributes:
        account: where in NATS they are: an account's name, or in operator mode its public key.
        inbox_prefix: what their clients should use as the prefix of inboxes, so that nobody else can read replies.
        publish, subscribe: the subjects that are granted.
        never_publish: subjects that are granted and denied nevertheless.
        answers: messages that may be sent in reply to a request; -1 for any number.
        answer_seconds: for how long.
        not_granted: entries of annotations that were dropped.
        unknown_annotations: annotations with our prefix that mean nothing.
        unreported: how many more findings there are.
    """

    account: str
    inbox_prefix: str
    publish: tuple[Grant, ...]
    subscribe: tuple[Grant, ...]
    never_publish: tuple[str, ...]
    answers: int
    answer_seconds: float
    not_granted: tuple[NotGranted, ...]
    unknown_annotations: tuple[str, ...]
    unreported: int


class Span(msgspec.Struct, frozen=True):
    """When a login ends.

    Attributes:
        ttl: seconds that it lasts at most.
        jitter: the largest share of its time that is cut off at random.
        earliest, latest: between these moments (Unix seconds); None without a token, which may end it sooner.
    """

    ttl: float
    jitter: float
    earliest: int | None = None
    latest: int | None = None


class Explanation(msgspec.Struct, frozen=True, kw_only=True):
    """All that there is to say.

    Attributes:
        allowed: whether a login would succeed.
        serviceaccount: `<namespace>/<name>`; of a refused token what it claims, and empty if it does not.
        refusal: why not.
        steps: how the token was verified; empty without a token.
        permissions, ends: what is got; None when refused.
        notes: what else the operator should know, such as files that cannot be read.
    """

    allowed: bool
    serviceaccount: str
    refusal: Why | None = None
    steps: tuple[Step, ...] = ()
    permissions: Permissions | None = None
    ends: Span | None = None
    notes: tuple[str, ...] = ()


class Situation(msgspec.Struct, frozen=True):
    """What a decision depends on besides token and ServiceAccount; `now` in Unix seconds."""

    rules: Rules
    session: Session
    now: float
    notes: tuple[str, ...] = ()


class Trust(msgspec.Struct, frozen=True):
    """What tokens are verified with."""

    keyset: KeySet
    rules: TokenRules


def explain_serviceaccount(who: str, found: ServiceAccount | None, situation: Situation) -> Explanation:
    """Explain what clients of a ServiceAccount get; `found` is None if there is none of that name."""
    if found is None:
        refusal = Why.of(Reason.SERVICEACCOUNT_UNKNOWN)
        return Explanation(allowed=False, serviceaccount=who, refusal=refusal, notes=situation.notes)
    session = situation.session
    return Explanation(
        allowed=True,
        serviceaccount=who,
        permissions=_describe_permissions(found, situation.rules),
        ends=Span(session.ttl, session.jitter),
        notes=situation.notes,
    )


def explain_token(
    token: str, outcome: Identity | Refusal, found: ServiceAccount | None, trust: Trust, situation: Situation
) -> Explanation:
    """Explain what a client with a token gets.

    Args:
        token: what was verified.
        outcome: what `workers.sa_token.TokenVerifier` said of it.
        found: the ServiceAccount of the token as it is now; None if there is none, or if the token was refused.
        trust: what the verifier was given.
        situation: what else counts.
    """
    reason = _maybe_refuse(outcome, found)
    who = f"{outcome.namespace}/{outcome.name}" if outcome.name else ""
    steps = tuple(_lay_out(reason, _Details(token, found, trust, situation.now)))
    if reason is not None:
        return Explanation(
            allowed=False, serviceaccount=_show(who), refusal=Why.of(reason), steps=steps, notes=situation.notes
        )
    assert isinstance(outcome, Identity)
    assert found is not None
    return Explanation(
        allowed=True,
        serviceaccount=who,
        steps=steps,
        permissions=_describe_permissions(found, situation.rules),
        ends=bound_login(outcome.expires_at, situation.session, situation.now),
        notes=situation.notes,
    )


def bound_login(token_expires_at: float, session: Session, now: float) -> Span:
    """Return when a login ends at the earliest and at the latest, as `workers.authorize` draws it."""
    end = token_expires_at if token_expires_at >= now + 1 else token_expires_at + LEEWAY_S
    remaining = min(end - now, session.ttl)
    soonest = int(now) + 1
    earliest, latest = (max(int(now + remaining * share), soonest) for share in (1 - session.jitter, 1))
    return Span(session.ttl, session.jitter, earliest, latest)


def _maybe_refuse(outcome: Identity | Refusal, found: ServiceAccount | None) -> Reason | None:
    if isinstance(outcome, Refusal):
        return outcome.reason
    if found is None:
        return Reason.SERVICEACCOUNT_UNKNOWN
    return Reason.SERVICEACCOUNT_RECREATED if found.uid != outcome.uid else None


def _lay_out(reason: Reason | None, details: "_Details") -> list[Step]:
    steps = []
    failed = False
    for name, reasons in STEPS.items():
        if failed:
            steps.append(Step(name, "not reached"))
            continue
        failed = reason in reasons
        steps.append(Step(name, "failed" if failed else "passed", details.tell(name, failed=failed)))
    return steps


class _Details:
    """What is looked at in each step. Only what `tell` is asked for was reached, so it can be told."""

    def __init__(self, token: str, found: ServiceAccount | None, trust: Trust, now: float) -> None:
        self._header, self._claims = _decode(token)
        self._found = found
        self._trust = trust
        self._now = now

    def tell(self, step: str, *, failed: bool) -> str:
        claims, rules = self._claims, self._trust.rules
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        match step:
            case "key":
                told, wanted = f"{self._header.alg} with {self._header.kid}", _join(self._trust.keyset.keys)
            case "issuer":
                told, wanted = claims.iss, _join(rules.issuers)
            case "audience":
                told, wanted = _join(audiences), _join(rules.audiences)
            case "expiry":
                return _tell_expiry(claims, self._now)
            case "claims":
                return _show(claims.sub)
            case "ServiceAccount":
                return _show(f"{claims.kubernetes.namespace}/{claims.kubernetes.serviceaccount.name}")
            case "uid":
                told, wanted = claims.kubernetes.serviceaccount.uid, self._found.uid if self._found else ""
            case _:
                return ""
        return f"{_show(told) or 'none'}; taken: {_show(wanted)}" if failed else _show(told)


def _decode(token: str) -> tuple[JoseHeader, TokenClaims]:
    """Read what a token says of itself; what cannot be read says nothing."""
    compact = split(token.encode("utf-8", "replace"))
    try:
        assert compact is not None
        return decode_header(decode_segment(compact.header)), decode_token(decode_segment(compact.payload))
    except (AssertionError, ValueError):
        return JoseHeader(), TokenClaims()


def _tell_expiry(claims: TokenClaims, now: float) -> str:
    if claims.exp is None:
        return "never"
    begins = max(claims.nbf, claims.iat)
    if begins > now + LEEWAY_S:
        return f"valid from {format_moment(begins)}"
    away = format_seconds(abs(claims.exp - now))
    return f"{format_moment(claims.exp)}, {f'in {away}' if claims.exp > now else f'{away} ago'}"


def _describe_permissions(found: ServiceAccount, rules: Rules) -> Permissions:
    verdict: Verdict = decide(found, rules)
    sources = {
        Source.NAMESPACE: "namespace default",
        Source.PRIVATE_INBOX: "private inbox",
        Source.SHARED_INBOX: "shared inbox (NATS_SHARED_INBOX)",
    }
    sides = []
    for side, granted in ((Side.PUB, verdict.pub), (Side.SUB, verdict.sub)):
        annotation = f"annotation {rules.annotation_prefix}allowed-{side}-subjects"
        sides.append(tuple(Grant(one.subject, sources.get(one.source, annotation)) for one in granted))
    return Permissions(
        account=rules.account,
        inbox_prefix=make_inbox_prefix(found.namespace, found.name),
        publish=sides[0],
        subscribe=sides[1],
        never_publish=verdict.denied_pub,
        answers=rules.response.max,
        answer_seconds=rules.response.ttl_ns / 1e9,
        not_granted=tuple(NotGranted(one.side, one.subject, Why.of(one.reason)) for one in verdict.dropped),
        unknown_annotations=verdict.unknown_annotations,
        unreported=verdict.unreported,
    )


def _join(words: object) -> str: ...
