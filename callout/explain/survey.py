"""All ServiceAccounts at once: whose annotations do not mean what they seem to.

Rules kept here:
- Pure: whoever asks has fetched them, and may give them one by one, since a cluster may have a million.
- It judges nothing itself: what it tells of each is taken from its explanation.
"""

from collections.abc import Iterable

import msgspec

from callout.explain.explanation import NotGranted, Situation, explain_serviceaccount
from callout.serviceaccounts import ServiceAccount


class Finding(msgspec.Struct, frozen=True):
    """A ServiceAccount with an annotation that is hardly meant as it is.

    Attributes:
        serviceaccount: `<namespace>/<name>`.
        not_granted: entries that were dropped.
        unknown_annotations: annotations that mean nothing.
        doubtful: subjects that were granted as one, and look like several.
        unreported: how many more findings there are.
    """

    serviceaccount: str
    not_granted: tuple[NotGranted, ...] = ()
    unknown_annotations: tuple[str, ...] = ()
    doubtful: tuple[str, ...] = ()
    unreported: int = 0


class Survey(msgspec.Struct, frozen=True):
    """What was found.

    Attributes:
        serviceaccounts: how many there are.
        findings: those that are worth a look, by their names.
        notes: what else the operator should know, such as files that cannot be read.
    """

    serviceaccounts: int
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_clean(self) -> bool:
        """Whether there is nothing to be put right."""
        return not self.findings and not self.notes


def survey(found: Iterable[ServiceAccount], situation: Situation) -> Survey:
    """Look through ServiceAccounts, each with all annotations."""
    count, findings = 0, []
    for account in found:
        count += 1
        if finding := _maybe_find(account, situation):
            findings.append(finding)
    findings.sort(key=lambda finding: finding.serviceaccount)
    return Survey(count, tuple(findings), situation.notes)


def _maybe_find(account: ServiceAccount, situation: Situation) -> Finding | None:
    if not account.annotations:
        return None
    who = f"{account.namespace}/{account.name}"
    permissions = explain_serviceaccount(who, account, situation).permissions
    assert permissions is not None
    finding = Finding(
        who,
        permissions.not_granted,
        permissions.unknown_annotations,
        tuple(grant.subject for grant in (*permissions.publish, *permissions.subscribe) if grant.doubt),
        permissions.unreported,
    )
    return None if finding == Finding(who) else finding
