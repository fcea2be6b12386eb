"""What the client should be able to do, and what it could: permissions, and a message in a stream.

How permissions are learned: the server tells a client its own (`$SYS.REQ.USER.INFO`), but only one that may publish
there, and no client of this service may. So the grant is the policy's, and the server's behaviour is compared with it:
every subject that is granted is subscribed to for a moment, and what must not be granted is tried, too. Publishing to
what is granted is not tried: somebody might take the message for one.

Rules kept here:
- Pure: everything was tried, and is handed in.
"""

import shlex
from typing import Final

import msgspec

from callout.doctor.findings import Check, Finding, notice, ok, unknown, wrong
from callout.policy.subjects import covers
from callout.policy.verdict import Verdict
from callout.serviceaccounts import ServiceAccount

INFO_SUBJECT: Final = "$SYS.REQ.USER.INFO"
FORBIDDEN: Final = ("subscribe to >", f"publish to {INFO_SUBJECT}")
"""What no client of this service may do, whatever its annotations."""


class Behaviour(msgspec.Struct, frozen=True):
    """What the server did.

    Attributes:
        refused: subjects that the client could not subscribe to although they are granted.
        excess: those of `FORBIDDEN` that it could do.
    """

    refused: tuple[str, ...]
    excess: tuple[str, ...]


def judge_permissions(who: ServiceAccount, verdict: Verdict, behaviour: Behaviour) -> Finding:
    """Compare what the server let a client do with what its ServiceAccount should give it."""
    check, name = Check.PERMISSIONS, f"{who.namespace}/{who.name}"
    explain = f"callout explain --serviceaccount {name}"
    if behaviour.excess:
        what = f"the client may {' and '.join(behaviour.excess)}, which this service grants to nobody"
        return wrong(check, what, "nats server report connections  # somebody else answers: find and end it")
    if behaviour.refused:
        what = f"the client may not subscribe to {', '.join(behaviour.refused)}, which {name} should give it"
        return wrong(check, what, f"{explain}  # the running service has other settings, or an older snapshot")
    sides = (("publish", verdict.pub), ("subscribe", verdict.sub))
    details = [f"{verb}: {', '.join(one.subject for one in granted) or 'nothing'}" for verb, granted in sides]
    if verdict.dropped:
        return notice(check, f"{len(verdict.dropped)} entries of {name}'s annotations are not granted", explain)
    return ok(check, f"the server grants what {name} should have", *details)


def miss_permissions(problem: str) -> Finding:
    """Say that there is nothing to compare with."""
    return unknown(Check.PERMISSIONS, problem, "--token FILE or --serviceaccount NAMESPACE/NAME of one that is let in")


class StreamState(msgspec.Struct, frozen=True):
    """A stream: how many messages it holds, the number of its last one, and what it takes."""

    messages: int
    last: int
    subjects: tuple[str, ...]


class Delivery(msgspec.Struct, frozen=True):
    """A message that was published for a stream.

    Attributes:
        before, after: the stream's state; None if there is none of that name where we looked.
        published: whether the server let the client publish.
    """

    stream: str
    subject: str
    before: StreamState | None
    after: StreamState | None
    published: bool


def judge_delivery(delivery: Delivery, namespace: str, name: str) -> Finding:
    """Judge whether the message of a ServiceAccount's client arrived."""
    check, stream, subject = Check.STREAM, delivery.stream, delivery.subject
    before, after = delivery.before, delivery.after
    if before is None:
        what = f"there is no stream {stream} in the account of --nack-creds, or that user may not ask for it"
        return wrong(check, what, f"nats stream info {shlex.quote(stream)}  # with these credentials")
    if not delivery.published:
        annotate = f"kubectl annotate serviceaccount -n {namespace or '<namespace>'} {name or '<name>'}"
        mend = f"{annotate} --overwrite {shlex.quote(f'nats.io/allowed-pub-subjects={subject}')}"
        return wrong(check, f"the client may not publish to {subject}", mend)
    gain = 0 if after is None else after.last - before.last
    if gain == 1:
        return ok(check, f"the message arrived: {stream} now ends with number {before.last + 1}")
    if gain > 1:
        return ok(check, f"{stream} took {gain} messages meanwhile: others publish there, too")
    if before.subjects and not any(covers(pattern, subject) for pattern in before.subjects):
        what = f"{stream} takes {', '.join(before.subjects)}, and not {subject}"
        return wrong(
            check,
            what,
            f"nats stream edit {shlex.quote(stream)} --subjects={shlex.quote(subject)}  # or the Stream in Kubernetes",
        )
    what = f"the message has not arrived in {stream}, which takes {subject}: the stream is in another account"
    mend = "callout bootstrap --nack inside  # or export and import the subject between the accounts: docs/nack.md"
    return wrong(check, what, mend)
