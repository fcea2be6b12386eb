"""Where ServiceAccounts and keys come from, as the settings say: the Kubernetes API, or files."""

from typing import Protocol

from callout.config.table import Settings
from callout.keys.reader import KeyReader
from callout.keys.source import KeySource, Publish
from callout.kube.client import KubeClient
from callout.kube.watch import ServiceAccountWatch
from callout.manifests.source import FolderSource
from callout.serviceaccounts import Sink
from workers.logs import Log


class Source(Protocol):
    """Keeps a sink up to date for as long as it runs."""

    @property
    def connected(self) -> bool:
        """Whether what the sink holds is being kept up to date."""

    @property
    def restarts(self) -> int:
        """How often it had to begin anew."""

    @property
    def garbage(self) -> int:
        """How many answers and lines could not be read."""

    @property
    def skipped(self) -> int:
        """How many objects could not be read, or were none that a cluster can hold."""

    async def run(self) -> None:
        """Deliver until cancelled."""

    def list_anew(self) -> None:
        """Deliver a full list again, with nothing having changed: the sink's rules have."""


def make_client(settings: Settings) -> KubeClient | None:
    """Make the way to the API server; None if ServiceAccounts come from files: then it is not asked for anything."""
    if settings.serviceaccounts_path is not None:
        return None
    return KubeClient(in_cluster=settings.k8s_in_cluster, kubeconfig=settings.kubeconfig or "")


def make_source(settings: Settings, client: KubeClient | None, sink: Sink, log: Log) -> Source:
    """Make the source of ServiceAccounts."""
    namespace = settings.k8s_namespace or ""
    if client is None:
        assert settings.serviceaccounts_path is not None
        return FolderSource(settings.serviceaccounts_path, settings.sa_annotation_prefix, sink, log, namespace)
    return ServiceAccountWatch(client, sink, settings.sa_annotation_prefix, namespace=namespace, log=log)


def make_key_source(settings: Settings, client: KubeClient | None, publish: Publish, log: Log) -> KeySource:
    """Make the source of the key set and of the issuers."""
    return KeySource(make_key_reader(settings, client), publish, log)


def make_key_reader(settings: Settings, client: KubeClient | None) -> KeyReader:
    """Make what reads the key set and the issuers once."""
    return KeyReader(url=settings.jwks_url or "", path=settings.jwks_path, issuers=settings.jwt_issuer, client=client)
