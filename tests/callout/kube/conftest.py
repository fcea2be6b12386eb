"""What the tests of the way to the Kubernetes API are given."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from callout.kube.client import KubeClient
from tests.callout.kube.watching import LogLines
from tests.fake_kube_api import FakeKubeApi


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[LogLines]:
    """The log of the watch."""
    made = LogLines(tmp_path / "log")
    yield made
    made.read()


@pytest.fixture
def api() -> Iterator[FakeKubeApi]:
    """A server that speaks plain HTTP."""
    with FakeKubeApi() as server:
        yield server


@pytest.fixture
def client(api: FakeKubeApi, tmp_path: Path) -> KubeClient:
    """The way to it."""
    return KubeClient(in_cluster=False, kubeconfig=str(api.write_kubeconfig(tmp_path / "config", token="t")))
