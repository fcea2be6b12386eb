"""What the end-to-end tests share, and that they run only where they are asked for by path: `pytest tests/e2e`."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.tools.build import build
from tests.e2e.tools.running import BuildError

HERE = Path(__file__).parent


def pytest_ignore_collect(config: pytest.Config) -> bool | None:
    """Leave this folder out, unless an argument of pytest names it or something in it.

    They need real parts that take minutes to build the first time: not for `make test`.
    """
    start = config.invocation_params.dir
    asked = [(start / argument.partition("::")[0]).resolve() for argument in config.args]
    return None if any(path.is_relative_to(HERE) for path in asked) else True


@pytest.fixture(scope="session")
def tools() -> Path:
    """The folder with the real parts; the first time, they are built now."""
    try:
        return build()
    except BuildError as error:
        pytest.exit(str(error), returncode=2)


@pytest.fixture(scope="session")
def cluster(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A real Kubernetes API, shared: a test uses a namespace of its own, and leaves the API server running."""
    with Cluster(tools, tmp_path_factory.mktemp("cluster")) as running:
        yield running
