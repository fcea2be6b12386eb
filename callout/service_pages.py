"""What the HTTP pages show of a running service: its parts, read at the moment of the request."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from importlib.metadata import version

from callout import DISTRIBUTION
from callout.config.expiry import Credential
from callout.directory import Directory
from callout.http.metrics import MetricsPage, Readings
from callout.http.pages import Check
from callout.keys.source import KeySource
from callout.pool.processes import WorkerPool
from callout.readiness import Readiness
from callout.sources import Source
from workers.snapshot import SnapshotWriter


class ServicePages:
    """The content of the pages (`callout.http.pages.Pages`).

    Args:
        readiness: says whether logins can be decided.
        snapshot: the writer's end.
        directory: keeps the snapshot in step.
        source: of ServiceAccounts.
        keys: the source of the key set.
        pool: the workers.
        metrics: renders the page /metrics.
        find_ends: tells when what the workers log in with ends, in Unix seconds.
    """

    def __init__(
        self,
        readiness: Readiness,
        snapshot: SnapshotWriter,
        directory: Directory,
        source: Source,
        keys: KeySource,
        pool: WorkerPool,
        metrics: MetricsPage,
        find_ends: Callable[[], Mapping[Credential, float]],
    ) -> None:
        """Take the parts; nothing is read yet."""
        self._readiness = readiness
        self._snapshot = snapshot
        self._directory = directory
        self._source = source
        self._keys = keys
        self._pool = pool
        self._metrics = metrics
        self._find_ends = find_ends
        self._version = version(DISTRIBUTION)
        self._started_at = time.time()

    def livez(self) -> Check:
        """Tell whether the supervisor's loop turns: it does, if this is answered."""
        return Check(ok=True, body={"live": True})

    def readyz(self) -> Check:
        """Tell whether logins can be decided, and what is missing."""
        missing = self._readiness.missing
        return Check(ok=not missing, body={"ready": not missing, "missing": missing})

    def health(self) -> Check:
        """Answer the Go service's probe: the status of `livez`, and a body that tells the rest."""
        readings = self.read()
        return Check(
            ok=True,
            body={
                "status": "ok",
                "version": readings.version,
                "ready": readings.ready,
                "missing": self._readiness.missing,
                "serviceaccounts": readings.snapshot_entries,
                "snapshot_age_seconds": readings.snapshot_age,
                "keyset_age_seconds": readings.keyset_age,
                "watch_connected": readings.watch_connected,
                "workers": {state.name.lower(): count for state, count in readings.workers.items()},
            },
        )

    def metrics(self) -> Callable[[], tuple[str, bytes]]:
        """Take the readings of this moment; returns what renders the page /metrics."""
        return partial(self._metrics.render, self.read())

    def read(self) -> Readings:
        """Take the readings of this moment."""
        stats = self._snapshot.stats()
        fresh_at = self._directory.fresh_at
        return Readings(
            version=self._version,
            started_at=self._started_at,
            ready=self._readiness.ready,
            snapshot_entries=stats.entries,
            snapshot_bytes=stats.used_bytes,
            snapshot_limit=stats.limit_bytes,
            snapshot_generation=stats.generation,
            snapshot_age=None if fresh_at is None else max(0.0, time.time() - fresh_at),
            keyset_age=self._keys.age,
            keyset_lifetime=self._keys.lifetime,
            keyset_failures=self._keys.state.failures,
            watch_connected=self._source.connected,
            watch_restarts=self._source.restarts,
            watch_garbage=self._source.garbage,
            watch_skipped=self._source.skipped,
            workers=Counter(self._pool.states),
            worker_restarts=self._pool.restarts,
            filtered=self._directory.filtered,
            ends=self._find_ends(),
        )
