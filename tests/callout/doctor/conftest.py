"""What the tests of the doctor share: real servers, one of each mode, and a page."""

from collections.abc import Iterator

import pytest

from tests.callout.doctor.on_server import OPERATOR, SERVER
from tests.callout.doctor.site import Site
from tests.http_serving import serving
from tests.interop.environments import Environment


@pytest.fixture(scope="module")
def in_server_mode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A server with accounts in its configuration; tests leave it as they found it."""
    with Environment(SERVER, tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture(scope="module")
def in_operator_mode(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """A server with accounts in JWTs; tests leave it as they found it."""
    with Environment(OPERATOR, tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
def site() -> Iterator[Site]:
    """One that runs."""
    made = Site()
    with serving(made.server):
        yield made
