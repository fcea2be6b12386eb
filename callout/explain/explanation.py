"""What a token or a ServiceAccount would get, and why: the decision taken apart for a person to read.

Rules kept here:
- Pure: whoever asks has fetched everything, and gives the moment.
- It explains the decision and takes none: the verdict on a token is the verifier's own
  (`callout.explain.verification`), permissions are the policy's.
"""

from typing import Final

import msgspec

from callout.explain.verification import Step, Trust, lay_out, maybe_refuse, show
from callout.manifests.manifest import derive_uid
from callout.policy.annotations import ABOUT_SEMICOLONS, SEMICOLON, find_namesakes, suggest
from callout.policy.decision import Rules, decide, make_inbox_prefix
from callout.policy.subjects import widen_for_subscriber
from callout.policy.verdict import MAX_QUOTED, MAX_REPORTED, DropReason, Granted, Side, Source
from callout.printable import make_printable
from callout.serviceaccounts import ServiceAccount, select_annotations
from workers.authorize import LoginTerms
from workers.reasons import Reason
from workers.sa_token import Identity, Refusal

_NS_IN_S: Final = 1_000_000_000


class Why(msgspec.Struct, frozen=True):
    """A reason with what it means and what can be done about it."""

    reason: str
    meaning: str
    remedy: str

    @classmethod
    def of(cls, reason: Reason | DropReason, remedy: str = "") -> "Why":
        """Take the words that belong to the reason; another remedy if there is a better one."""
        return cls(reason.value, reason.meaning, remedy or reason.remedy)


class Grant(msgspec.Struct, frozen=True):
    """A subject that is granted.

    Attributes:
        subject: as it is granted.
        source: where it comes from.
        reach: what nats-server lets a client have by it, if that is more; otherwise empty.
        doubt: why it is hardly meant as it is written; otherwise empty.
    """

    subject: str
    source: str
    reach: str = ""
    doubt: str = ""


class NotGranted(msgspec.Struct, frozen=True):
    """An entry of an annotation that was dropped."""

    side: Side
    subject: str
    why: Why


class Permissions(msgspec.Struct, frozen=True):
    """What clients of a ServiceAccount get.

    Attributes:
        account: where in NATS they are: an account's name, or in operator mode its public key; empty if not known.
        inbox_prefix: what their clients should use as the prefix of inboxes, so that nobody else can read replies.
        publish, subscribe: the subjects that are granted.
        never_publish: subjects that are granted and denied nevertheless.
        answers: messages that may be sent in reply to a request; -1 for any number.
        answer_seconds: for how long.
        not_granted: entries of annotations that were dropped.
        unknown_annotations: annotations that mean nothing, with our prefix or called as ours under another.
        unreported: how many more findings there are.
        annotation_remedies: what to write instead, for each of `unknown_annotations`.
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
    annotation_remedies: tuple[str, ...] = ()


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
        uid: of the ServiceAccount as it is now; empty if there is none, or it was not looked for.
        uid_is_derived: whether it was made from the name, since the manifest has none.
        refusal: why not.
        steps: how the token was verified; empty without a token.
        permissions, ends: what is got; None when refused.
        notes: what else the operator should know, such as files that cannot be read.
        caveat: why a running service may decide otherwise; otherwise empty.
    """

    allowed: bool
    serviceaccount: str
    uid: str = ""
    uid_is_derived: bool = False
    refusal: Why | None = None
    steps: tuple[Step, ...] = ()
    permissions: Permissions | None = None
    ends: Span | None = None
    notes: tuple[str, ...] = ()
    caveat: str = ""


class Situation(msgspec.Struct, frozen=True):
    """What a decision depends on besides token and ServiceAccount; `now` in Unix seconds.

    Attributes:
        caveat: why a running service may know of a ServiceAccount that was not found; otherwise empty.
    """

    rules: Rules
    terms: LoginTerms
    now: float
    notes: tuple[str, ...] = ()
    caveat: str = ""


def explain_serviceaccount(who: str, found: ServiceAccount | None, situation: Situation) -> Explanation:
    """Explain what clients of a ServiceAccount get; `found`, with all annotations, is None if there is none."""
    if found is None:
        refusal = Why.of(Reason.SERVICEACCOUNT_UNKNOWN)
        notes, caveat = situation.notes, situation.caveat
        return Explanation(allowed=False, serviceaccount=who, refusal=refusal, notes=notes, caveat=caveat)
    terms = situation.terms
    return Explanation(
        allowed=True,
        serviceaccount=who,
        uid=found.uid,
        uid_is_derived=_is_derived(found),
        permissions=_describe_permissions(found, situation.rules),
        ends=Span(terms.ttl, terms.jitter),
        notes=situation.notes,
    )


def explain_token(
    token: str, outcome: Identity | Refusal, found: ServiceAccount | None, trust: Trust, situation: Situation
) -> Explanation:
    """Explain what a client with a token gets.

    Args:
        token: what was verified.
        outcome: what `workers.sa_token.TokenVerifier` said of it.
        found: the ServiceAccount of the token as it is now, with all annotations; None if there is none, or if the
            token was refused.
        trust: what the verifier was given.
        situation: what else counts.
    """
    reason = maybe_refuse(outcome, found)
    who = f"{outcome.namespace}/{outcome.name}" if outcome.name else ""
    steps = tuple(lay_out(token, reason, found, trust, situation.now))
    if reason is not None:
        return Explanation(
            allowed=False,
            serviceaccount=show(who),
            uid=found.uid if found else "",
            uid_is_derived=found is not None and _is_derived(found),
            refusal=_explain_refusal(reason, outcome, found),
            steps=steps,
            notes=situation.notes,
            caveat=situation.caveat,
        )
    assert isinstance(outcome, Identity)
    assert found is not None
    return Explanation(
        allowed=True,
        serviceaccount=who,
        uid=found.uid,
        uid_is_derived=_is_derived(found),
        steps=steps,
        permissions=_describe_permissions(found, situation.rules),
        ends=bound_login(outcome.expires_at, situation.terms, situation.now),
        notes=situation.notes,
    )


def bound_login(token_expires_at: float, terms: LoginTerms, now: float) -> Span:
    """Return when a login ends at the earliest and at the latest, as the jitter may be drawn."""
    earliest, latest = (terms.end(token_expires_at, now, draw) for draw in (1, 0))
    return Span(terms.ttl, terms.jitter, earliest, latest)


def _explain_refusal(reason: Reason, outcome: Identity | Refusal, found: ServiceAccount | None) -> Why:
    """Say why a token is refused. A manifest without a uid is no ServiceAccount that was made again: it needs one."""
    if found is None or not isinstance(outcome, Identity) or not _is_derived(found):
        return Why.of(reason)
    return Why(
        reason.value,
        "The YAML has no metadata.uid, so one is derived from the name, and the token has another.",
        f"Put the token's there: metadata.uid should be {show(outcome.uid)}.",
    )


def _describe_permissions(found: ServiceAccount, rules: Rules) -> Permissions:
    prefix = rules.annotation_prefix
    selected = select_annotations(found.annotations, prefix)
    verdict = decide(msgspec.structs.replace(found, annotations=selected), rules)
    namesakes = find_namesakes(found.annotations, prefix)
    named = namesakes[: max(MAX_REPORTED - len(verdict.unknown_annotations), 0)]
    unknown = (*verdict.unknown_annotations, *(make_printable(one, MAX_QUOTED) for one in named))
    publish, subscribe = (
        tuple(_describe_grant(one, side, rules) for one in granted)
        for side, granted in ((Side.PUB, verdict.pub), (Side.SUB, verdict.sub))
    )
    return Permissions(
        account=rules.account,
        inbox_prefix=make_inbox_prefix(found.namespace, found.name, static=rules.response is None),
        publish=publish,
        subscribe=subscribe,
        never_publish=verdict.denied_pub,
        answers=rules.response.max if rules.response else 0,
        answer_seconds=rules.response.ttl_ns / _NS_IN_S if rules.response else 0,
        not_granted=tuple(NotGranted(one.side, one.subject, Why.of(one.reason, one.remedy)) for one in verdict.dropped),
        unknown_annotations=unknown,
        unreported=verdict.unreported + len(namesakes) - len(named),
        annotation_remedies=tuple(suggest(one, prefix) for one in unknown),
    )


def _describe_grant(granted: Granted, side: Side, rules: Rules) -> Grant:
    reach = widen_for_subscriber(granted.subject) if side is Side.SUB else granted.subject
    doubt = ABOUT_SEMICOLONS if SEMICOLON in granted.subject else ""
    source = _name_source(granted.source, side, rules)
    return Grant(granted.subject, source, "" if reach == granted.subject else reach, doubt)


def _is_derived(found: ServiceAccount) -> bool:
    return found.uid == derive_uid(found.namespace, found.name)


def _name_source(source: Source, side: Side, rules: Rules) -> str:
    match source:
        case Source.ANNOTATION:
            return f"annotation {rules.annotation_prefix}allowed-{side}-subjects"
        case Source.SHARED_INBOX:
            return "shared inbox (NATS_SHARED_INBOX)"
    return source.value
