"""What the tests of the image share: the Dockerfile's steps, followed once, and a server for its service."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.image.base import copy_python
from tests.image.stand_in import Image, build
from tests.interop.cast import PLAIN
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import BINARIES, Environment, Setting
from tests.pages import ROOT


@pytest.fixture(scope="session")
def folder() -> Iterator[Path]:
    """A folder that every user gets to: those of pytest are their owner's alone."""
    made = Path(tempfile.mkdtemp(prefix="image-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="session")
def base(folder: Path) -> Path:
    """What stands for the image's base."""
    copy_python(folder / "base")
    return folder / "base"


@pytest.fixture(scope="session")
def image(base: Path, folder: Path) -> Image:
    """The image."""
    work = folder / "image"
    work.mkdir()
    return build((ROOT / "Dockerfile").read_text(), ROOT, base, work)


@pytest.fixture(params=["plain", "xkey"])
def environment(request: pytest.FixtureRequest, folder: Path) -> Iterator[Environment]:
    """A real server, with its files where the image's user gets to them."""
    with tempfile.TemporaryDirectory(dir=folder) as home:
        Path(home).chmod(0o755)
        with Environment(Setting("server", xkey=request.param == "xkey", binary=BINARIES[0]), Path(home)) as running:
            yield running


@pytest.fixture
def cluster(environment: Environment) -> ChangingCluster:
    """A cluster with one ServiceAccount."""
    made = ChangingCluster(environment.folder)
    made.put(PLAIN.namespace, PLAIN.name)
    return made
