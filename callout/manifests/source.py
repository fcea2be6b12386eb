"""ServiceAccounts from YAML files, delivered to a sink when they change: what a watch is to an API server.

Rules kept here:
- What was delivered last stays when the folder cannot be read, or the snapshot is full: neither is an empty folder.
- Between two steps of a delivery the loop turns. Whoever asks for another list meanwhile gets one, from the beginning.
- A folder without a single ServiceAccount is believed, and said aloud: nobody can log in.
- That the snapshot is full is one line, whether or not it has ever held everything, and that it is over another.
"""

import asyncio
from pathlib import Path
from typing import Final

from callout.manifests.folder import Folder, FolderState
from callout.serviceaccounts import Sink, divide
from workers.logs import Log
from workers.snapshot import SnapshotFullError

FOLDER_POLL_S: Final = 0.5  # an edit by hand should show at once; a look costs a stat for each file


class FolderSource:
    """Keeps a sink up to date with a folder, or with one file.

    Args:
        path: the folder or the file.
        prefix: which annotations are kept.
        sink: where to deliver.
        log: where problems with the files are reported.
        namespace: whose ServiceAccounts are delivered; empty for those of all.

    Attributes:
        connected: whether what the sink holds is what the files say.
    """

    restarts = 0  # there is nothing to begin anew
    garbage = 0  # what cannot be read is named in the log, file by file, and may be read the next time
    skipped = 0

    def __init__(self, path: Path, prefix: str, sink: Sink, log: Log, namespace: str = "") -> None:
        """Read nothing yet."""
        self._path = path
        self._namespace = namespace
        self._folder = Folder(path, prefix, namespace)
        self._sink = sink
        self._log = log
        self._state: FolderState | None = None
        self._delivered = True
        self._had_problems = False
        self._is_full = False
        self.connected = False

    def list_anew(self) -> None:
        """Deliver what was read last once more."""
        self._delivered = self._state is None

    async def run(self) -> None:
        """Look, deliver what changed, and wait."""
        while True:
            state = await asyncio.to_thread(self._folder.poll)
            if state is not None:
                self._take(state)
            if self._state is not None and not self._delivered:
                await self._deliver(self._state)
            elif self.connected:
                self._sink.touch()
            await asyncio.sleep(FOLDER_POLL_S)

    def _take(self, state: FolderState) -> None:
        for problem in state.problems:
            self._log.warning("problem with a ServiceAccount file", problem=problem)
        if self._had_problems and not state.problems:
            self._log.info("ServiceAccount files are in order again")
        self._had_problems = bool(state.problems)
        self.connected = self.connected and state.is_readable
        if not state.is_readable:
            return
        if not state.service_accounts:
            remedy = "put manifests there, *.yaml or *.yml, each document with kind: ServiceAccount"
            self._log.warning(
                "nobody can log in: there is no ServiceAccount in SERVICEACCOUNTS_PATH",
                path=str(self._path),
                remedy=f"{remedy}, of K8S_NAMESPACE {self._namespace}" if self._namespace else remedy,
            )
        self._state, self._delivered = state, False

    async def _deliver(self, state: FolderState) -> None:
        self._delivered = True
        try:
            self._sink.begin_list()
            for step in divide(state.service_accounts):
                self._sink.apply(step)
                await asyncio.sleep(0)
            more = True
            while more:
                more = self._sink.end_list()
                await asyncio.sleep(0)
        except SnapshotFullError as error:
            if not self._is_full:
                self._log.error("the snapshot has no room for all ServiceAccounts", error=str(error))
            self._is_full = True
            self.connected = self._delivered = False
        else:
            if self._is_full:
                self._log.info("the snapshot has room for all ServiceAccounts again")
            self._is_full = False
            self.connected = True
