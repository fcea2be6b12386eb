"""Where ServiceAccounts and keys come from, as the settings say: the Kubernetes API, or files."""

import asyncio
from pathlib import Path
from typing import Final, Protocol

from callout.config.table import Settings
from callout.keys.source import KeySource, Publish
from callout.kube.client import KubeClient
from callout.kube.handover import MAX_STEP
from callout.kube.watch import ServiceAccountWatch
from callout.manifests.folder import Folder, FolderState
from callout.serviceaccounts import Sink
from workers.logs import Log
from workers.snapshot import SnapshotFullError

FOLDER_POLL_S: Final = 0.5  # an edit by hand should show at once; a look costs a stat for each file


class Source(Protocol):
    """Keeps a sink up to date for as long as it runs."""

    @property
    def connected(self) -> bool:
        """Whether what the sink holds is being kept up to date."""

    @property
    def restarts(self) -> int:
        """How often it had to begin anew."""

    async def run(self) -> None:
        """Deliver until cancelled."""

    def list_anew(self) -> None:
        """Deliver a full list again, with nothing having changed: the sink's rules have."""


class FolderSource:
    """ServiceAccounts from YAML files, read again when they change.

    Args:
        path: a folder, or one file.
        prefix: which annotations are kept.
        sink: where to deliver.
        log: where problems with the files are reported.
    """

    restarts = 0  # there is nothing to begin anew

    def __init__(self, path: Path, prefix: str, sink: Sink, log: Log) -> None:
        """Read nothing yet."""
        self._folder = Folder(path, prefix)
        self._sink = sink
        self._log = log
        self._state: FolderState | None = None
        self._delivered = True
        self.connected = False

    def list_anew(self) -> None:
        """Deliver what was read last once more."""
        self._delivered = self._state is None

    async def run(self) -> None:
        """Look, deliver what changed, and wait."""
        while True:
            state = await asyncio.to_thread(self._folder.poll)
            if state is not None:
                for problem in state.problems:
                    self._log.warning("problem with a ServiceAccount file", problem=problem)
                self.connected = self.connected and state.is_readable
                if state.is_readable:  # else what was delivered last stays: an unreadable folder is not an empty one
                    self._state, self._delivered = state, False
            if self._state is not None and not self._delivered:
                await self._deliver(self._state)
            elif self.connected:
                self._sink.touch()
            await asyncio.sleep(FOLDER_POLL_S)

    async def _deliver(self, state: FolderState) -> None:
        """Deliver a list in steps, between which the loop turns and `list_anew` may ask for another one."""
        self._delivered = True
        try:
            self._sink.begin_list()
            for start in range(0, len(state.service_accounts), MAX_STEP):
                self._sink.apply(state.service_accounts[start : start + MAX_STEP])
                await asyncio.sleep(0)
            self._sink.end_list()
        except SnapshotFullError as error:
            if self.connected:
                self._log.error("the snapshot is full; the last one goes on serving", error=str(error))
            self.connected = self._delivered = False
        else:
            self.connected = True


def make_client(settings: Settings) -> KubeClient | None:
    """Make the way to the API server; None if ServiceAccounts come from files: then it is not asked for anything."""
    if settings.serviceaccounts_path is not None:
        return None
    return KubeClient(in_cluster=settings.k8s_in_cluster, kubeconfig=settings.kubeconfig or "")


def make_source(settings: Settings, client: KubeClient | None, sink: Sink, log: Log) -> Source:
    """Make the source of ServiceAccounts."""
    if client is None:
        assert settings.serviceaccounts_path is not None
        return FolderSource(settings.serviceaccounts_path, settings.sa_annotation_prefix, sink, log)
    return ServiceAccountWatch(
        client, sink, settings.sa_annotation_prefix, namespace=settings.k8s_namespace or "", log=log
    )


def make_key_source(settings: Settings, client: KubeClient | None, publish: Publish, log: Log) -> KeySource:
    """Make the source of the key set and of the issuers."""
    return KeySource(
        publish, log, url=settings.jwks_url or "", path=settings.jwks_path, issuers=settings.jwt_issuer, client=client
    )
