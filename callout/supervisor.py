"""The supervisor: joins the sources, the snapshot, the workers and the HTTP pages, and is never on a request's path.

What is decided is decided elsewhere, in pure modules: permissions in `callout.policy.decision`, the watch in
`callout.kube.reflector`, the workers' life in `callout.pool.lifecycle`, readiness in `callout.readiness`. Here things
are only joined.

Rules kept here:
- Workers subscribe when the first list of ServiceAccounts and the first key set are in, not before: a service that
  knows nobody would refuse everybody.
- What fails keeps its last good state: key set, permissions, workers. The pages and the log say what is stale.
- A changed file takes effect without a restart: the ceiling's by listing anew, the workers' by replacing them in turn.
- A start that hangs says once what it waits for; each change of readiness afterwards is one line.
"""

import asyncio
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import msgspec

from callout.config.expiry import find_ends
from callout.config.policy_rules import read_rules
from callout.config.table import Settings
from callout.directory import Directory
from callout.errors import EXIT_FAILED, EXIT_WRONG_USAGE, CommandError
from callout.file_following import FileFollower
from callout.http.metrics import MetricsPage
from callout.http.server import HttpServer
from callout.keys.reader import FoundKeys
from callout.keys.rules import find_api_audiences, warn_of_api_audiences, warn_of_refused_issuer
from callout.policy.decision import Rules
from callout.pool.ending import explain_end
from callout.pool.lifecycle import Lifecycle
from callout.pool.processes import WorkerPool
from callout.pool.settings import make_worker_settings
from callout.readiness import START_PATIENCE_S, Need, Readiness, describe
from callout.service_pages import ServicePages
from callout.sources import make_client, make_key_source, make_source
from callout.workspace import Workspace
from workers.exits import Exit
from workers.logs import Log
from workers.settings import WorkerSettings
from workers.snapshot import SnapshotWriter
from workers.status import State

KILL_GRACE_S: Final = 2.0  # after a worker's own limit for draining: it should end by itself


class Supervisor:
    """One running service.

    Args:
        settings: checked already, and so are the files they name.
        workspace: our folder in shared memory.
        log: where everything is reported.
        start_patience_s: how many seconds the start may take before the log says what is still missing.
    """

    def __init__(
        self, settings: Settings, workspace: Workspace, log: Log, start_patience_s: float = START_PATIENCE_S
    ) -> None:
        """Make the parts; nothing runs yet.

        Raises:
            ValueError: the ceiling's file is unusable.
            CredentialError: a key or credentials file is.
        """
        self._settings = settings
        self._workspace = workspace
        self._log = log
        self._start_patience_s = start_patience_s
        self._readiness = Readiness()
        self._was_ready = False
        self._begun = False
        self._api_audiences: tuple[str, ...] = ()
        self._refused_issuer = ""
        self._files = FileFollower(settings, self._renew_workers, self._use_rules, log)
        self._worker_settings = make_worker_settings(settings, workspace)
        self._ends = find_ends(settings)
        self._snapshot = SnapshotWriter(workspace.snapshot)
        self._directory = Directory(self._snapshot, read_rules(settings), log, self._take_note_of_list)
        client = make_client(settings)
        self._keys = make_key_source(settings, client, self._trust, log)
        self._source = make_source(settings, client, self._directory, log)
        self._pool = WorkerPool(
            Lifecycle(settings.nats_workers, settings.drain_timeout + KILL_GRACE_S),
            self._settings_for,
            workspace.status,
            on_states=self._take_note_of_workers,
            on_unknown_key=self._keys.ask,
            on_exit=self._snapshot.reap_readers,
            log=log,
        )
        self._pages = ServicePages(
            self._readiness,
            self._snapshot,
            self._directory,
            self._source,
            self._keys,
            self._pool,
            MetricsPage(workspace.metrics),
            lambda: self._ends,
        )

    async def run(self, stop: asyncio.Event) -> int:
        """Serve until `stop` is set and the workers have drained; return the process's exit code.

        Raises:
            CommandError: no worker can start, and trying again would end the same way.
        """
        async with HttpServer(self._pages, self._settings.http_host, self._settings.port) as http:
            self._log.info("http listening", port=http.port)
            helpers = [
                asyncio.create_task(work, name=name)
                for name, work in (
                    ("key set", self._keys.run()),
                    ("ServiceAccounts", self._source.run()),
                    ("files", self._files.run()),
                )
            ]
            pool = asyncio.create_task(self._pool.run(stop), name="workers")
            stopping = asyncio.create_task(self._take_note_of(stop))
            reminder = asyncio.get_running_loop().call_later(self._start_patience_s, self._remind)
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
                reminder.cancel()
                for task in (*helpers, pool, stopping):
                    task.cancel()
                await asyncio.gather(*helpers, pool, stopping, return_exceptions=True)
                self._snapshot.close()

    def _trust(self, found: FoundKeys) -> None:
        """Put a key set in force; called by the key source."""
        for problem in found.keyset.problems:
            self._log.warning("key left out of the key set", problem=problem)
        with self._snapshot.transaction() as transaction:
            transaction.set_trust(found.document, found.issuers, self._settings.jwt_audience)
        self._log.info("key set in force", issuers=", ".join(found.issuers))
        self._warn_of_audiences(found)
        self._warn_of_issuers(found)
        self._announce(changed=self._readiness.note(Need.KEY_SET, is_met=True))
        self._let_workers_begin()

    def _warn_of_audiences(self, keys: FoundKeys) -> None:
        """Say once that tokens are taken which are meant for the API server; its issuer is not known before."""
        found = find_api_audiences(self._settings.jwt_audience, keys.issuers, keys.own.audiences)
        if found and found != self._api_audiences:
            self._log.warning("setting", problem=warn_of_api_audiences(found))
        self._api_audiences = found

    def _warn_of_issuers(self, keys: FoundKeys) -> None:
        """Say once that this cluster's tokens are refused: it signs ours as it does those of clients."""
        refused = "" if keys.own.issuer in keys.issuers else keys.own.issuer
        if refused and refused != self._refused_issuer:
            self._log.warning("setting", problem=warn_of_refused_issuer(refused, keys.issuers))
        self._refused_issuer = refused

    def _take_note_of_list(self) -> None:
        self._announce(changed=self._readiness.note(Need.SERVICEACCOUNTS, is_met=True))
        self._let_workers_begin()

    def _take_note_of_workers(self, states: Collection[State]) -> None:
        self._announce(changed=self._readiness.note_workers(states))

    async def _take_note_of(self, stop: asyncio.Event) -> None:
        await stop.wait()
        self._readiness.note(Need.RUNNING, is_met=False)
        self._log.info("draining", limit_seconds=self._settings.drain_timeout)

    def _let_workers_begin(self) -> None:
        """Open the snapshot to the workers once both are in; who has brought the second tries again if it is full."""
        if self._readiness.may_begin and not self._begun:
            with self._snapshot.transaction() as transaction:
                transaction.set_ready()
            self._begun = True

    def _announce(self, *, changed: bool) -> None:
        """Say that readiness has changed, if it has; of one that stops the log tells in other words."""
        missing = self._readiness.missing
        if not changed or Need.RUNNING in missing:
            return
        if missing:
            self._log.warning("not ready", **describe(missing))
        else:
            self._was_ready = True
            self._log.info("ready", serviceaccounts=self._snapshot.stats().entries, workers=len(self._pool.states))

    def _remind(self) -> None:
        """Say what a start that hangs is waiting for."""
        missing = self._readiness.missing
        if not self._was_ready and Need.RUNNING not in missing:
            self._log.warning("still not ready", after_seconds=self._start_patience_s, **describe(missing))

    def _use_rules(self, rules: Rules) -> None:
        self._directory.use_rules(rules)
        self._source.list_anew()

    def _renew_workers(self) -> None:
        self._worker_settings = make_worker_settings(self._settings, self._workspace)
        self._ends = find_ends(self._settings)
        self._pool.replace_all()

    def _settings_for(self, number: int, metrics_id: int, status_file: Path) -> WorkerSettings:
        return msgspec.structs.replace(
            self._worker_settings, worker=number, metrics_id=metrics_id, status_file=str(status_file)
        )

    def _conclude(self, ended: Exit) -> int:
        if ended is Exit.DRAINED:
            self._log.info("stopped")
            return 0
        self._log.error("stopping: no worker can start")
        raise CommandError(explain_end(self._settings, ended), exit_code=EXIT_WRONG_USAGE)


def _failure(task: asyncio.Task[Any]) -> str:
    error = None if task.cancelled() else task.exception()
    return "it ended" if error is None else f"{type(error).__name__}: {error}"
