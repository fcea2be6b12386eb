"""What the tests of `callout.keys` share: a server with a key set, and the way to it."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from callout.kube.client import KubeClient
from tests.fake_kube_api import FakeKubeApi
from tests.minting import Issuer

FIRST, SECOND = (Issuer.generate("ES256", kid=kid) for kid in ("first", "second"))
OLD, NEW = (json.dumps(document).encode() for document in (FIRST.jwks(), FIRST.jwks(SECOND)))


@pytest.fixture
def old() -> bytes:
    """The key set that the server has at first: one key."""
    return OLD


@pytest.fixture
def new() -> bytes:
    """The key set after a rotation: that key and another."""
    return NEW


@pytest.fixture
def api() -> Iterator[FakeKubeApi]:
    """A server that speaks plain HTTP, with a key set of one key."""
    with FakeKubeApi() as server:
        server.jwks = OLD
        yield server


@pytest.fixture
def client(api: FakeKubeApi, tmp_path: Path) -> KubeClient:
    """The way to it, as an API server."""
    return KubeClient(in_cluster=False, kubeconfig=str(api.write_kubeconfig(tmp_path / "config", token="our-token")))
