"""The supervisor: joins the sources, the snapshot, the workers and the HTTP pages, and is never on a request's path.

What is decided is decided elsewhere, in pure modules: permissions in `callout.policy.decision`, the watch in
`callout.kube.reflector`, the workers' life in `callout.pool.lifecycle`. Here things are only joined.

Rules kept here:
- Workers subscribe when the first list of ServiceAccounts and the first key set are in, not before: a service that
  knows nobody would refuse everybody.
- What fails keeps its last good state: key set, permissions, workers. The pages and the log say what is stale.
- A changed file takes effect without a restart: the ceiling's by listing anew, the workers' by replacing them in turn.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import msgspec

from callout import DISTRIBUTION
from callout.config.credentials import CredentialError
from callout.config.file_checks import check_worker_files
from callout.config.loading import ConfigError
from callout.config.policy_rules import read_rules
from callout.config.table import Settings
from callout.directory import Directory
from callout.errors import EXIT_FAILED, EXIT_WRONG_USAGE
from callout.files import POLL_SECONDS, FileWatch
from callout.http.metrics import MetricsPage, Readings
from callout.http.server import Check, HttpServer
from callout.pool.lifecycle import Lifecycle
from callout.pool.processes import WorkerPool
from callout.pool.settings import make_worker_settings, worker_files
from callout.sources import make_client, make_key_source, make_source
from callout.workspace import Workspace
from workers.exits import EXPLANATIONS, Exit
from workers.keyset import parse_keyset
from workers.logs import Log
from workers.settings import WorkerSettings
from workers.snapshot import SnapshotWriter
from workers.status import State

KILL_GRACE_S: Final = 2.0  # after a worker's own limit for draining: it should end by itself
ANNOUNCE_INTERVAL_S: Final = 0.05  # how soon a change of readiness is acted on and logged


class Supervisor:
    """One running service.

    Args:
        settings: checked already, and so are the files they name.
        workspace: our folder in shared memory.
        log: where everything is reported.
    """

    def __init__(self, settings: Settings, workspace: Workspace, log: Log) -> None:
        """Make the parts; nothing runs yet.

        Raises:
            ValueError: the ceiling's file is unusable.
            CredentialError: a key or credentials file is.
        """
        self._settings = settings
        self._log = log
        ceiling = [settings.nats_ceiling_file] if settings.nats_ceiling_file else []
        self._files = FileWatch([*worker_files(settings), *ceiling], self._report_unreadable)
        self._worker_settings = make_worker_settings(settings, workspace)
        self._workspace = workspace
        self._version = version(DISTRIBUTION)
        self._snapshot = SnapshotWriter(workspace.snapshot)
        self._directory = Directory(self._snapshot, read_rules(settings), log)
        client = make_client(settings)
        self._keys = make_key_source(settings, client, self._trust, log)
        self._source = make_source(settings, client, self._directory, log)
        self._pool = WorkerPool(
            Lifecycle(settings.nats_workers, settings.drain_timeout + KILL_GRACE_S),
            self._settings_for,
            workspace.status,
            on_unknown_key=self._keys.ask,
            on_exit=self._snapshot.reap_readers,
            log=log,
        )
        self._metrics = MetricsPage(workspace.metrics)
        self._trusting = False
        self._begun = False
        self._stopping = False

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until `stop` is set and the workers have drained; return the process's exit code."""
        async with HttpServer(self, self._settings.http_host, self._settings.port) as http:
            self._log.info("http listening", port=http.port)
            helpers = [
                asyncio.create_task(work, name=name)
                for name, work in (
                    ("key set", self._keys.run()),
                    ("ServiceAccounts", self._source.run()),
                    ("files", self._follow_files()),
                    ("readiness", self._announce()),
                )
            ]
            pool = asyncio.create_task(self._pool.run(stop), name="workers")
            stopping = asyncio.create_task(self._note(stop))
            try:
                # A helper never ends by itself: if one does, that is a fault of ours, and a fresh start the best mend.
                await asyncio.wait({pool, *helpers}, return_when=asyncio.FIRST_COMPLETED)
                failed: list[asyncio.Task[Any]] = [helper for helper in helpers if helper.done()]
                if pool.done() and pool.exception():
                    failed.append(pool)
                for part in failed:
                    self._log.error("a part of the supervisor failed", part=part.get_name(), error=_failure(part))
                return EXIT_FAILED if failed else self._conclude(pool.result())
            finally:
                for task in (*helpers, pool, stopping):
                    task.cancel()
                await asyncio.gather(*helpers, pool, stopping, return_exceptions=True)
                self._snapshot.close()

    def livez(self) -> Check:
        """Tell whether the supervisor's loop turns: it does, if this is answered."""
        return Check(ok=True, body={"live": True})

    def readyz(self) -> Check:
        """Tell whether logins can be decided, and what is missing."""
        missing = self._find_missing()
        return Check(ok=not missing, body={"ready": not missing, "missing": missing})

    def health(self) -> Check:
        """Answer the Go service's probe: the status of `livez`, and a body that tells the rest."""
        readings = self.read()
        return Check(
            ok=True,
            body={
                "status": "ok",
                "version": self._version,
                "ready": readings.ready,
                "missing": self._find_missing(),
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
            ready=not self._find_missing(),
            snapshot_entries=stats.entries,
            snapshot_bytes=stats.used_bytes,
            snapshot_generation=stats.generation,
            snapshot_age=None if fresh_at is None else max(0.0, time.time() - fresh_at),
            keyset_age=self._keys.age,
            keyset_failures=self._keys.state.failures,
            watch_connected=self._source.connected,
            watch_restarts=self._source.restarts,
            workers=Counter(self._pool.states),
            worker_restarts=self._pool.restarts,
            filtered=self._directory.filtered,
        )

    def _find_missing(self) -> list[str]:
        """Name what logins cannot be decided without."""
        conditions = (
            (self._trusting, "key set"),
            (self._directory.listed, "ServiceAccounts"),
            (State.SERVING in self._pool.states, "worker subscribed to NATS"),
            (not self._stopping, "a service that is not stopping"),
        )
        return [name for met, name in conditions if not met]

    def _trust(self, jwks: bytes, issuers: tuple[str, ...]) -> None:
        """Put a key set in force; called by the key source, which has checked that it can be read."""
        for problem in parse_keyset(jwks).problems:
            self._log.warning("key left out of the key set", problem=problem)
        with self._snapshot.transaction() as transaction:
            transaction.set_trust(jwks, issuers, self._settings.jwt_audience)
        self._trusting = True
        self._log.info("key set in force", issuers=", ".join(issuers))

    async def _announce(self) -> None:
        """Let the workers begin when everything is in, and say so; then say whenever that changes."""
        ready = False
        while True:
            if not self._begun and self._trusting and self._directory.listed:
                with self._snapshot.transaction() as transaction:
                    transaction.set_ready()
                self._begun = True
            missing = self._find_missing()
            if ready is not (not missing):
                ready = not missing
                if ready:
                    stats = self._snapshot.stats()
                    self._log.info("ready", serviceaccounts=stats.entries, workers=len(self._pool.states))
                elif not self._stopping:
                    self._log.warning("not ready", missing=", ".join(missing))
            await asyncio.sleep(ANNOUNCE_INTERVAL_S)

    async def _follow_files(self) -> None:
        """Put changed files in force."""
        workers, ceiling = set(worker_files(self._settings)), {self._settings.nats_ceiling_file}
        while True:
            await asyncio.sleep(POLL_SECONDS)
            changed = self._files.changed()
            if changed & workers:
                self._follow_worker_files(changed & workers)
            if changed & ceiling:
                self._follow_ceiling()

    def _follow_worker_files(self, changed: set[Path]) -> None:
        names = ", ".join(sorted(str(path) for path in changed))
        try:
            check_worker_files(self._settings)  # what else there is has no part in this
            self._worker_settings = make_worker_settings(self._settings, self._workspace)
        except (ConfigError, CredentialError) as error:
            self._log.error("changed file not taken; the last one stays in force", files=names, error=str(error))
            return
        self._log.info("key or credentials changed; replacing the workers in turn", files=names)
        self._pool.replace_all()

    def _follow_ceiling(self) -> None:
        try:
            rules = read_rules(self._settings)
        except ValueError as error:
            self._log.error("changed ceiling not taken; the last one stays in force", error=str(error))
            return
        self._log.info("ceiling changed; applying it to all ServiceAccounts")
        self._directory.use_rules(rules)
        self._source.list_anew()

    def _report_unreadable(self, path: Path, reason: str) -> None:
        self._log.error("a watched file cannot be read; the last content stays in force", file=str(path), error=reason)

    def _settings_for(self, number: int, metrics_id: int, status_file: Path) -> WorkerSettings:
        return msgspec.structs.replace(
            self._worker_settings, worker=number, metrics_id=metrics_id, status_file=str(status_file)
        )

    def _conclude(self, ended: Exit) -> int:
        if ended is Exit.DRAINED:
            self._log.info("stopped")
            return 0
        self._log.error("stopping: no worker can start", why=EXPLANATIONS[ended])
        return EXIT_WRONG_USAGE

    async def _note(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._stopping = True
        self._log.info("draining", limit_seconds=self._settings.drain_timeout)


def _failure(task: asyncio.Task[Any]) -> str:
    error = None if task.cancelled() else task.exception()
    return "it ended" if error is None else f"{type(error).__name__}: {error}"
