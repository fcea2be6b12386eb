"""Who may do what: from a ServiceAccount to the permissions its clients get in NATS.

Everybody gets the defaults: the subjects of the own namespace, an inbox that nobody else can read, and, as long as the
switch is on, the inbox that today's clients share. Annotations ask for more; each entry is granted or dropped by
itself, with a reason that its owner can look up.

Rules kept here:
- Reserved spaces stay closed to annotations, whatever the ceiling says: `$SYS`, and every space of inboxes and replies.
  What touches them is found by subject algebra, so no wildcard gets around it.
- One bad entry drops that entry, never another one and never the ServiceAccount.
- What a ServiceAccount costs is bounded, whatever its annotations hold: MAX_ENTRIES_PER_SIDE entries are considered.
- A permission to subscribe is judged by what a subscriber can really receive (`widen_for_subscriber`).
- The defaults come from the ServiceAccount's name alone, which its editors cannot change, so the ceiling does not cut
  them; and an entry that they cover already is never above it.
- Who may publish to JetStream's interface may not administer streams with it, unless the switch is on: to make one is
  to read everything, with a permission to publish; and those that are there are mostly others'.
- No two ServiceAccounts have the same private inbox, and each is one word, so none lies within another.
"""

from collections.abc import Callable, Iterable
from itertools import islice
from string import whitespace
from typing import Final

import msgspec

from callout.policy.annotations import NAMES, SEMICOLON, looks_like_several, name_annotations
from callout.policy.ceiling import Ceiling, write_out
from callout.policy.subjects import (
    ANY,
    MAX_SUBJECT_LENGTH,
    REST,
    Patterns,
    covers,
    is_valid,
    measure,
    widen_for_subscriber,
)
from callout.policy.verdict import (
    MAX_ANNOTATION_LENGTH,
    MAX_ENTRIES_PER_SIDE,
    MAX_QUOTED,
    MAX_REPORTED,
    MAX_SUBJECTS_PER_SIDE,
    Dropped,
    DropReason,
    Granted,
    Side,
    Source,
    Verdict,
)
from callout.printable import make_printable
from callout.serviceaccounts import ServiceAccount, is_valid_identity
from workers.record import Record
from workers.user_jwt import ResponsePermission, render_permissions

SHARED_INBOX: Final = "_INBOX.>"
# Where everybody may publish replies when there are no response permissions. nats-server grants a response wherever a
# message wants its answer, and a client can send itself a message that names any subject: with response permissions no
# other bound on publishing holds against a client that means harm (tried; `client.go`, `pubAllowedFullCheck`).
STATIC_INBOXES: Final = ("_INBOX.>", "_INBOX_.>")
# A reserved space is all subjects whose first word matches. Replies arrive in three of them: those to clients (in
# `_INBOX`, and in `_INBOX_…` for clients with a private inbox), and those that the server itself passes on.
_SYSTEM_SPACE: Final = Patterns(("$SYS",))
_REPLY_SPACES: Final = Patterns(("_INBOX…", "_REPLY…", "_R_…", "_GR_…"))
# Requests about a stream as a whole. One may be made on any subject of the account, private inboxes among them, and
# read back by its maker; and others' may be deleted (both seen on a real server), emptied, copied, moved.
# `$JS.<domain>.API` is another name of the same interface (nats-server `jetstream_api.go`).
_JETSTREAM: Final = "$JS."
_STREAM_ADMIN: Final = tuple(
    f"{_JETSTREAM}{domain}API.STREAM.{request}.>"
    for domain in ("", "*.")
    for request in (
        *("CREATE", "UPDATE", "RESTORE", "TEMPLATE", "DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT"),
        *("PEER.REMOVE", "LEADER.STEPDOWN"),
    )
)
_STREAM_ADMIN_SPACE: Final = Patterns(_STREAM_ADMIN)


class Rules(msgspec.Struct, frozen=True):
    """What the policy needs to know besides the ServiceAccount.

    Attributes:
        annotation_prefix: what our annotations begin with, such as `nats.io/`.
        shared_inbox: whether everybody may subscribe to `_INBOX.>`, where clients listen that set no inbox prefix.
        response: how a client may answer requests, or None: only into inboxes (`STATIC_INBOXES`).
        account: where clients go: an account's name (server mode) or public key (operator mode).
        ceiling: what annotations may ask for at most.
        stream_admin: whether annotations may grant the administration of streams.
    """

    annotation_prefix: str
    shared_inbox: bool
    response: ResponsePermission | None
    account: str
    ceiling: Ceiling = Ceiling()
    stream_admin: bool = False


def decide(service_account: ServiceAccount, rules: Rules) -> Verdict:
    """Decide what a ServiceAccount's clients may do. Never raises, whatever the annotations hold."""
    namespace, name = service_account.namespace, service_account.name
    if not is_valid_identity(namespace, name):
        identity = _quote(f"{namespace}/{name}")
        return Verdict((), (), tuple(Dropped(side, identity, DropReason.INVALID_IDENTITY) for side in Side), ())
    own = f"{namespace}.>"
    pub = {own: Source.NAMESPACE}
    static = rules.response is None
    sub = {own: Source.NAMESPACE, f"{make_inbox_prefix(namespace, name, static=static)}.>": Source.PRIVATE_INBOX}
    if rules.shared_inbox:
        sub[SHARED_INBOX] = Source.SHARED_INBOX
    if static:
        pub |= dict.fromkeys(STATIC_INBOXES, Source.REPLIES)
    dropped = [
        *_find_empty(service_account, rules),
        *_grant_annotated(pub, Side.PUB, service_account, rules),
        *_grant_annotated(sub, Side.SUB, service_account, rules),
    ]
    known = name_annotations(rules.annotation_prefix)
    unknown = [key for key in service_account.annotations if key not in known]
    return Verdict(
        tuple(Granted(subject, source) for subject, source in pub.items()),
        tuple(Granted(subject, source) for subject, source in sub.items()),
        tuple(dropped[:MAX_REPORTED]),
        tuple(_quote(key) for key in unknown[:MAX_REPORTED]),
        unreported=len(dropped[MAX_REPORTED:]) + len(unknown[MAX_REPORTED:]),
        denied_pub=() if rules.stream_admin else _find_stream_admin(pub),
        doubtful=tuple(subject for subject in dict.fromkeys((*pub, *sub)) if SEMICOLON in subject),
    )


def make_record(service_account: ServiceAccount, verdict: Verdict, rules: Rules) -> Record:
    """Make the snapshot's record of a verdict."""
    pub = [granted.subject for granted in verdict.pub]
    sub = [granted.subject for granted in verdict.sub]
    permissions = render_permissions(pub, sub, rules.response, pub_deny=verdict.denied_pub)
    return Record(service_account.uid, rules.account, permissions)


def make_inbox_prefix(namespace: str, name: str, *, static: bool = False) -> str:
    """Return the inbox prefix that a ServiceAccount's clients have to themselves, for `inbox_prefix` of NATS clients.

    With `static`, for a service without response permissions, the identity is a word of its own, so that one permission
    to publish (`_INBOX_.>`) reaches everybody's inbox, and none to subscribe reaches more than the own.

    Dots of the name become `_`, since `_INBOX_ns_a.>` would cover `_INBOX_ns_a.b.>`. No two ServiceAccounts share a
    prefix: neither namespaces nor names hold underscores, so the first one after `_INBOX_` ends the namespace, and
    each later one was a dot.
    """
    return f"_INBOX_{'.' if static else ''}{namespace}_{name.replace('.', '_')}"


def _find_empty(service_account: ServiceAccount, rules: Rules) -> Iterable[Dropped]:
    """Find annotations that are there and hold no entry; whoever wrote them meant something."""
    for side, annotation in NAMES.items():
        text = service_account.annotations.get(rules.annotation_prefix + annotation)
        if text is not None and not text.strip("," + whitespace):
            yield Dropped(side, _quote(text.strip()), DropReason.EMPTY)


def _grant_annotated(
    granted: dict[str, Source], side: Side, service_account: ServiceAccount, rules: Rules
) -> list[Dropped]:
    """Add to `granted` what the annotation of a side asks for and may have; return the rest."""
    annotation = service_account.annotations.get(rules.annotation_prefix + NAMES[side], "")
    read, unread = _cut(annotation)
    own = f"{service_account.namespace}.>"
    bound = write_out(rules.ceiling.pub if side is Side.PUB else rules.ceiling.sub, service_account.namespace)
    entries = iter(dict.fromkeys(filter(None, map(str.strip, read.split(",")))))
    room = len(granted) + MAX_SUBJECTS_PER_SIDE
    dropped = []
    for entry in islice(entries, MAX_ENTRIES_PER_SIDE):
        if entry in granted:
            continue
        reach = widen_for_subscriber(entry) if side is Side.SUB else entry
        reason = _maybe_refuse(reach)
        if side is Side.PUB and reason is None and not rules.stream_admin and _only_administers_streams(entry):
            reason = DropReason.STREAM_ADMIN
        if reason is None and not (covers(own, reach) or bound.covers(reach)):
            reason = DropReason.ABOVE_CEILING
        if reason is None and len(granted) >= room:
            reason = DropReason.TOO_MANY
        if reason is None:
            granted[entry] = Source.ANNOTATION
        else:
            is_several = reason is DropReason.INVALID and looks_like_several(entry)
            dropped.append(Dropped(side, _quote(entry), reason, is_several))
    if unconsidered := ",".join(entries):
        dropped.append(Dropped(side, _quote(unconsidered), DropReason.TOO_MANY))
    if unread:
        dropped.append(Dropped(side, _quote(unread), DropReason.ANNOTATION_TOO_LONG))
    return dropped


def _cut(annotation: str) -> tuple[str, str]:
    """Split an annotation that is too long before the entry that crosses the limit."""
    if len(annotation) <= MAX_ANNOTATION_LENGTH:
        return annotation, ""
    read, _, _ = annotation[: MAX_ANNOTATION_LENGTH + 1].rpartition(",")
    return read, annotation[len(read) :].lstrip("," + whitespace)


# In this order: the first that applies is the reason. The later ones rely on the subject's being valid.
_REFUSALS: Final[tuple[tuple[Callable[[str], bool], DropReason], ...]] = (
    (lambda subject: measure(subject) > MAX_SUBJECT_LENGTH, DropReason.TOO_LONG),
    (lambda subject: not is_valid(subject), DropReason.INVALID),
    (lambda subject: subject.startswith((ANY, REST)), DropReason.LEADING_WILDCARD),
    (lambda subject: _touches(subject, _SYSTEM_SPACE), DropReason.SYSTEM_SPACE),
    (lambda subject: _touches(subject, _REPLY_SPACES), DropReason.REPLY_SPACE),
)


def _touches(subject: str, spaces: Patterns) -> bool:
    first, _, _ = subject.partition(".")
    return spaces.overlaps(first)


def _only_administers_streams(subject: str) -> bool:
    return subject.startswith(_JETSTREAM) and _STREAM_ADMIN_SPACE.covers(subject)


def _find_stream_admin(granted: Iterable[str]) -> tuple[str, ...]:
    """Return the spaces of stream administration that granted subjects reach into; none of them begins with `*`."""
    jetstream = Patterns(subject for subject in granted if subject.startswith(_JETSTREAM))
    return tuple(space for space in _STREAM_ADMIN if jetstream.overlaps(space))


def _maybe_refuse(subject: str) -> DropReason | None:
    return next((reason for refuses, reason in _REFUSALS if refuses(subject)), None)


def _quote(text: str) -> str:
    return make_printable(text, MAX_QUOTED)
