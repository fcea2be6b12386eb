"""What the tests against real servers share: the matrix as a fixture."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.deployment import Deployment, deploy
from tests.interop.environments import ENVIRONMENTS, Environment


def pytest_configure(config: pytest.Config) -> None:
    """Let nats-py open WebSockets, although it does so in a way that aiohttp has deprecated."""
    config.addinivalue_line("filterwarnings", "ignore:parameter 'timeout' of type 'float':DeprecationWarning:nats")


@pytest.fixture(scope="module", params=ENVIRONMENTS, ids=str)
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """Each environment of the matrix in turn, with its server running; one server at a time."""
    with Environment(request.param, tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(scope="session", params=ENVIRONMENTS, ids=lambda setting: f"{SHARED}-{setting}")
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The product beside each server of the matrix in turn, for all tests that leave it as they found it."""
    with deploy(request.param, tmp_path_factory.mktemp("deployment")) as running:
        yield running


@pytest.fixture
def cluster(tmp_path: Path) -> ChangingCluster:
    """A cluster of files that changes as the test wants, with the ServiceAccount orders/checkout."""
    made = ChangingCluster(tmp_path)
    made.put("orders", "checkout")
    return made
