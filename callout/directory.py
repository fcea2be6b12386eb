"""The directory of ServiceAccounts: takes what a source reports, applies the policy, keeps the snapshot in step.

It holds no ServiceAccounts itself, for the snapshot does; so the supervisor's memory does not grow with the cluster.

Rules kept here:
- What a source reports together becomes visible together: one call of `apply` is one transaction.
- Nothing is written, logged or counted twice: a ServiceAccount listed anew with nothing changed costs a look-up.
- An entry that was dropped is reported where the operator looks (log and metric) once for each change of it.
"""

import time
from collections import Counter
from collections.abc import Callable, Sequence

from callout.policy import Rules, decide, make_record
from callout.serviceaccounts import Change, Removed, ServiceAccount
from callout.verdict import DropReason, Side, Verdict
from workers.logs import Log
from workers.snapshot import SnapshotWriter, Transaction


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
        self._reported: dict[tuple[str, str], Verdict] = {}
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
            self._confirm(transaction)

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
            self._confirm(transaction)
        self._named = None
        self.listed = True

    def touch(self) -> None:
        """Note that the picture is fresh."""
        with self._snapshot.transaction() as transaction:
            self._confirm(transaction)

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
        if not (verdict.dropped or verdict.unknown_annotations):
            self._reported.pop(identity, None)
            return
        known = self._reported.get(identity)
        if known is not None and (known.dropped, known.unknown_annotations) == (
            verdict.dropped,
            verdict.unknown_annotations,
        ):
            return
        self._reported[identity] = verdict
        namespace, name = identity
        for entry in verdict.dropped:
            self.filtered[entry.side, entry.reason] += 1
            self._log.warning(
                "subject dropped from permissions",
                namespace=namespace,
                serviceaccount=name,
                side=entry.side,
                subject=entry.subject,
                reason=entry.reason,
                remedy=entry.reason.remedy,
            )
        for annotation in verdict.unknown_annotations:
            self._log.warning("unknown annotation", namespace=namespace, serviceaccount=name, annotation=annotation)

    def _confirm(self, transaction: Transaction) -> None:
        self.fresh_at = self._clock()
        transaction.set_fresh_at(self.fresh_at)
