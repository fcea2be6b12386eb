"""Changed files put in force while the service runs: what workers are started with, and the ceiling.

(The key set and the folder of ServiceAccounts have followers of their own, `callout.keys.source` and
`callout.manifests.source`.)

Rules kept here:
- A file that cannot be used changes nothing: what was read last stays in force, and the log says so.
- Made before the files are read for the first time, so that no change is missed.
"""

import asyncio
from collections.abc import Callable
from pathlib import Path

from callout.config.credentials import CredentialError
from callout.config.file_checks import check_worker_files
from callout.config.loading import ConfigError
from callout.config.policy_rules import read_rules
from callout.config.table import Settings
from callout.files import POLL_S, FileWatch
from callout.policy.decision import Rules
from callout.pool.settings import worker_files
from workers.logs import Log


class FileFollower:
    """Looks at the files again and again.

    Args:
        settings: name the files.
        renew_workers: replaces the workers by others, which read their files anew.
        use_rules: puts other rules in force.
        log: where changes are reported, and files that cannot be used.
    """

    def __init__(
        self,
        settings: Settings,
        renew_workers: Callable[[], None],
        use_rules: Callable[[Rules], None],
        log: Log,
    ) -> None:
        """Take note of what the files hold now."""
        self._settings = settings
        self._renew_workers = renew_workers
        self._use_rules = use_rules
        self._log = log
        self._of_workers = set(worker_files(settings))
        self._ceiling = settings.nats_ceiling_file
        ceiling = {self._ceiling} if self._ceiling else set()
        self._watch = FileWatch(self._of_workers | ceiling, self._report_unreadable)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(POLL_S)
            self.look()

    def look(self) -> None:
        """Put in force what has changed since the last look."""
        changed = self._watch.changed()
        if changed & self._of_workers:
            self._follow_workers(changed & self._of_workers)
        if self._ceiling in changed:
            self._follow_ceiling()

    def _follow_workers(self, changed: set[Path]) -> None:
        names = ", ".join(sorted(str(path) for path in changed))
        try:
            check_worker_files(self._settings)  # what else there is has no part in this
            self._renew_workers()
        except (ConfigError, CredentialError) as error:
            self._log.error("changed file not taken; the last one stays in force", files=names, error=str(error))
        else:
            self._log.info("key or credentials changed; replacing the workers in turn", files=names)

    def _follow_ceiling(self) -> None:
        try:
            rules = read_rules(self._settings)
        except ValueError as error:
            self._log.error("changed ceiling not taken; the last one stays in force", error=str(error))
            return
        self._log.info("ceiling changed; applying it to all ServiceAccounts")
        self._use_rules(rules)

    def _report_unreadable(self, path: Path, reason: str) -> None:
        self._log.error("a watched file cannot be read; the last content stays in force", file=str(path), error=reason)
