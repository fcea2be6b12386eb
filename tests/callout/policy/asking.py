"""Questions to the policy, and its verdicts read: a ServiceAccount with these annotations, under the usual rules."""

import msgspec

from callout.policy.decision import Rules, decide
from callout.policy.verdict import DropReason, Side, Source, Verdict
from callout.serviceaccounts import ServiceAccount
from workers.user_jwt import ResponsePermission

PREFIX = "nats.io/"
PUB = PREFIX + "allowed-pub-subjects"
SUB = PREFIX + "allowed-sub-subjects"
RULES = Rules(PREFIX, shared_inbox=True, response=ResponsePermission(1, 0), account="APP")


def replace(**changes: object) -> Rules:
    """The usual rules with some changes."""
    return msgspec.structs.replace(RULES, **changes)


def ask(*, pub: str | None = None, sub: str | None = None, rules: Rules = RULES, name: str = "checkout") -> Verdict:
    """Decide for a ServiceAccount in namespace `shop` with these annotations."""
    annotations = {key: text for key, text in ((PUB, pub), (SUB, sub)) if text is not None}
    return decide(ServiceAccount("shop", name, "uid", annotations), rules)


def annotated(verdict: Verdict) -> dict[Side, list[str]]:
    """The subjects that annotations added."""
    sides = {Side.PUB: verdict.pub, Side.SUB: verdict.sub}
    return {side: [g.subject for g in all_ if g.source is Source.ANNOTATION] for side, all_ in sides.items()}


def reasons(verdict: Verdict) -> dict[str, DropReason]:
    """Why each entry was dropped."""
    return {dropped.subject: dropped.reason for dropped in verdict.dropped}
