"""The directory of ServiceAccounts: takes what a source reports, applies the policy, keeps the snapshot in step.

It holds no ServiceAccounts itself, for the snapshot does: only names while a list is under way, and hashes of what was
reported of those with something to report.

Rules kept here:
- What a source reports together becomes visible together: one call of `apply` is one transaction.
- Nothing is written, logged or counted twice: a ServiceAccount listed anew with nothing changed costs a look-up.
- An entry that was dropped is reported where the operator looks (log and metric) once, until it is mended. Of each
  ServiceAccount MAX_LOGGED findings are named at a time, and the others counted in one line whenever their number
  changes: whoever may edit a ServiceAccount can neither flood the log nor fill the memory.
"""

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from callout.policy.decision import Rules, decide, make_record
from callout.policy.verdict import Dropped, DropReason, Side, Verdict
from callout.serviceaccounts import Change, Removed, ServiceAccount
from workers.logs import Log
from workers.snapshot import SnapshotFullError, SnapshotWriter, Transaction

MAX_LOGGED: Final = 40  # findings of a ServiceAccount that are named at a time; `callout explain` names more


class Directory:
    """The sink that every source delivers to (`callout.serviceaccounts.Sink`).

    Args:
        snapshot: the writer's end.
        rules: the policy's.
        log: where dropped entries are reported.
        clock: Unix seconds.
    """

    def __init__(
        self, snapshot: SnapshotWriter, rules: Rules, log: Log, clock: Callable[[], float] = time.time
    ) -> None:
        """Start with nothing listed."""
        self._snapshot = snapshot
        self._rules = rules
        self._log = log
        self._clock = clock
        self._named: set[tuple[str, str]] | None = None
        self._reported: dict[tuple[str, str], _Reported] = {}
        self.filtered: Counter[tuple[Side, DropReason]] = Counter()
        self.fresh_at: float | None = None
        self.listed = False

    def use_rules(self, rules: Rules) -> None:
        """Put other rules in force for what is reported from now on; the source has to list anew."""
        self._rules = rules

    def begin_list(self) -> None:
        """Remember from now on who is named."""
        self._named = set()

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

    def end_list(self) -> None:
        """Remove whoever was not named since `begin_list`.

        Raises:
            SnapshotFullError: memory ran out; nothing was changed.
        """
        named = self._named or set()
        gone = [identity for identity in self._snapshot.identities() if identity not in named]
        with self._snapshot.transaction() as transaction:
            for namespace, name in gone:
                self._remove(transaction, namespace, name)
            transaction.set_fresh_at(self._clock())
        self.fresh_at = self._clock()
        self._named = None
        self.listed = True

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
        if transaction.look_up(*identity) != record:
            transaction.put(*identity, record)
            self._log.debug("permissions changed", namespace=identity[0], serviceaccount=identity[1])
        self._report(identity, verdict)

    def _remove(self, transaction: Transaction, namespace: str, name: str) -> None:
        if transaction.delete(namespace, name):
            self._log.debug("ServiceAccount removed", namespace=namespace, serviceaccount=name)
        self._reported.pop((namespace, name), None)

    def _report(self, identity: tuple[str, str], verdict: Verdict) -> None:
        known = self._reported.pop(identity, _NOTHING)
        found: tuple[Dropped | str, ...] = (*verdict.dropped, *verdict.unknown_annotations)
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

    def _name(self, identity: tuple[str, str], finding: Dropped | str) -> None:
        namespace, name = identity
        if isinstance(finding, str):
            self._log.warning("unknown annotation", namespace=namespace, serviceaccount=name, annotation=finding)
            return
        self.filtered[finding.side, finding.reason] += 1
        self._log.warning(
            "subject dropped from permissions",
            namespace=namespace,
            serviceaccount=name,
            side=finding.side,
            subject=finding.subject,
            reason=finding.reason,
            remedy=finding.reason.remedy,
        )


class _Reported(msgspec.Struct, frozen=True):
    """What has been reported of a ServiceAccount: hashes of the findings named, and the number of the others."""

    named: tuple[int, ...] = ()
    further: int = 0


_NOTHING: Final = _Reported()
