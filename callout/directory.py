"""The directory of ServiceAccounts: takes what a source reports, applies the policy, keeps the snapshot in step.

It holds no ServiceAccounts itself, for the snapshot does: only names while a list is under way, and hashes of what was
reported of those with something to report.

Rules kept here:
- What a source reports together becomes visible together: one call of `apply` is one transaction.
- Nobody else on the loop waits for long: what vanished from a list is found and removed in steps of SWEEP_STEP.
- Nothing is written, logged or counted twice: a ServiceAccount listed anew with nothing changed costs a look-up.
- An entry that was dropped is reported where the operator looks (log and metric) once, until it is mended. Of each
  ServiceAccount MAX_LOGGED findings are named at a time, and the others counted in one line whenever their number
  changes: whoever may edit a ServiceAccount can neither flood the log nor fill the memory.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Final

import msgspec

from callout.policy.annotations import ABOUT_SEMICOLONS, suggest
from callout.policy.decision import Rules, decide, make_record
from callout.policy.verdict import MAX_QUOTED, Dropped, DropReason, Side, Verdict
from callout.printable import make_printable
from callout.serviceaccounts import Change, Removed, ServiceAccount
from workers.logs import Log
from workers.record import Record
from workers.snapshot import SnapshotFullError, SnapshotWriter, Transaction

SWEEP_STEP: Final = 1000  # names of the snapshot compared with a list's at once: 1 to 3 ms, removing them all included
MAX_LOGGED: Final = 40  # findings of a ServiceAccount that are named at a time; `callout explain` names more


class Directory:
    """The sink that every source delivers to (`callout.serviceaccounts.Sink`).

    Args:
        snapshot: the writer's end.
        rules: the policy's.
        log: where dropped entries are reported.
        on_listed: called at the end of each full list; what it raises, `end_list` raises.
        clock: Unix seconds.
    """

    def __init__(
        self,
        snapshot: SnapshotWriter,
        rules: Rules,
        log: Log,
        on_listed: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Start with nothing listed."""
        self._snapshot = snapshot
        self._rules = rules
        self._log = log
        self._on_listed = on_listed
        self._clock = clock
        self._named: set[tuple[str, str]] | None = None
        self._swept: tuple[str, str] | None = None
        self._reported: dict[tuple[str, str], _Reported] = {}
        self.filtered: Counter[tuple[Side, DropReason]] = Counter()
        self.fresh_at: float | None = None

    def use_rules(self, rules: Rules) -> None:
        """Put other rules in force for what is reported from now on; the source has to list anew."""
        self._rules = rules

    def begin_list(self) -> None:
        """Remember from now on who is named."""
        self._named = set()
        self._swept = None

    def apply(self, changes: Sequence[Change]) -> None:
        """Take changes as one atomic step.

        Raises:
            SnapshotFullError: memory ran out; nothing was changed.
        """
        with self._snapshot.transaction() as transaction:
            for change in changes:
                if isinstance(change, Removed):
                    self._remove(transaction, change.namespace, change.name)
                else:
                    self._put(transaction, change)
            transaction.set_fresh_at(self._clock())
        self.fresh_at = self._clock()

    def end_list(self) -> bool:
        """Remove those not named since `begin_list`, among the next SWEEP_STEP names; tell whether there are more.

        Raises:
            SnapshotFullError: memory ran out; this step has changed nothing.
        """
        named = self._named or set()
        names = list(islice(self._snapshot.identities(self._swept), SWEEP_STEP))
        self.apply([Removed(*identity) for identity in names if identity not in named])
        if len(names) == SWEEP_STEP:
            self._swept = names[-1]
            return True
        self._named = None
        self._on_listed()
        return False

    def touch(self) -> None:
        """Note that the picture is fresh."""
        self.fresh_at = self._clock()
        # Where memory has run out there is no room for this either; the picture is fresh all the same.
        with contextlib.suppress(SnapshotFullError), self._snapshot.transaction() as transaction:
            transaction.set_fresh_at(self.fresh_at)

    def _put(self, transaction: Transaction, service_account: ServiceAccount) -> None:
        identity = service_account.namespace, service_account.name
        if self._named is not None:
            self._named.add(identity)
        verdict = decide(service_account, self._rules)
        record = make_record(service_account, verdict, self._rules)
        before = transaction.look_up(*identity)
        if before != record:
            transaction.put(*identity, record)
            self._log.debug(_describe(before, record), namespace=identity[0], serviceaccount=identity[1])
        self._report(identity, verdict)

    def _remove(self, transaction: Transaction, namespace: str, name: str) -> None:
        if transaction.delete(namespace, name):
            self._log.debug("ServiceAccount removed", namespace=namespace, serviceaccount=name)
        self._reported.pop((namespace, name), None)

    def _report(self, identity: tuple[str, str], verdict: Verdict) -> None:
        known = self._reported.pop(identity, _NOTHING)
        doubtful = map(_Doubtful, verdict.doubtful)
        found: tuple[_Finding, ...] = (*verdict.dropped, *verdict.unknown_annotations, *doubtful)
        findings = {hash(finding): finding for finding in found}
        if not findings:
            return
        unmended = [one for one in known.named if one in findings]
        fresh = [one for one in findings if one not in unmended][: MAX_LOGGED - len(unmended)]
        for one in fresh:
            self._name(identity, findings[one])
        further = len(findings) - len(unmended) - len(fresh) + verdict.unreported
        if further not in (0, known.further):
            namespace, name = identity
            self._log.warning(
                "further findings; callout explain tells more", namespace=namespace, serviceaccount=name, count=further
            )
        self._reported[identity] = _Reported((*unmended, *fresh), further)

    def _name(self, identity: tuple[str, str], finding: "_Finding") -> None:
        namespace, name = identity
        if isinstance(finding, str):
            remedy = suggest(finding, self._rules.annotation_prefix)
            self._log.warning(
                "unknown annotation", namespace=namespace, serviceaccount=name, annotation=finding, remedy=remedy
            )
            return
        if isinstance(finding, _Doubtful):
            subject, remedy = make_printable(finding.subject, MAX_QUOTED), ABOUT_SEMICOLONS
            self._log.warning(
                "subject granted as one", namespace=namespace, serviceaccount=name, subject=subject, remedy=remedy
            )
            return
        self.filtered[finding.side, finding.reason] += 1
        self._log.warning(
            "subject dropped from permissions",
            namespace=namespace,
            serviceaccount=name,
            side=finding.side,
            subject=finding.subject,
            reason=finding.reason,
            remedy=finding.remedy,
        )


def _describe(before: Record | None, now: Record) -> str:
    """Say what has happened to a ServiceAccount."""
    if before is None:
        return "ServiceAccount added"
    return "permissions changed" if before.uid == now.uid else "ServiceAccount made again"


class _Doubtful(msgspec.Struct, frozen=True):
    """A subject that was granted, and hardly meant as it is written."""

    subject: str


_Finding = Dropped | _Doubtful | str
"""What is reported of a ServiceAccount; a text is the name of an annotation that means nothing."""


class _Reported(msgspec.Struct, frozen=True):
    """What has been reported of a ServiceAccount: hashes of the findings named, and the number of the others."""

    named: tuple[int, ...] = ()
    further: int = 0


_NOTHING: Final = _Reported()
