"""The image's service at work: as its user, with nothing to write to but what Kubernetes gives it, on a real server.

Without a container engine: the steps are those of the Dockerfile (`tests.image.stand_in`), the user is changed by
setpriv, and what an engine does with a read-only root is done in a mount namespace, where the kernel allows one.
"""

import asyncio
import os
import tempfile
from collections.abc import Iterator, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Final

import pytest

from tests.commands import attempt
from tests.image.mounted import mount
from tests.image.stand_in import Image, as_user, python_of
from tests.interop.attempts import denied_publishes
from tests.interop.cast import PLAIN
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.pages import ROOT
from tests.service import Service
from tests.test_packaging import DISTRIBUTION, PACKAGES
from tools.sbom import read_pins

# What the kubelet and the runtime do: a tmpfs for the snapshot, everything else read-only; $1 is the mount point.
CONFINE: Final = """
mount -t tmpfs -o mode=0777 tmpfs "$1"
mount -o remount,bind,ro /
mount -o remount,bind,ro /dev/shm
shift
exec "$@"
"""
NAMESPACE: Final = ("unshare", "--mount", "--", "sh", "-euc", CONFINE, "confine")


def are_mounts_allowed() -> bool:
    """Tell whether this process may make a mount namespace of its own."""
    return attempt([*NAMESPACE[:2], "true"]).returncode == 0


pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root may become another user")


@pytest.fixture
def decoys(folder: Path) -> Iterator[Path]:
    """A folder with packages that are called as ours, and tell when they are imported."""
    with tempfile.TemporaryDirectory(dir=folder) as made:
        place = Path(made)
        place.chmod(0o755)
        for package in PACKAGES:
            (place / package).mkdir()
            (place / package / "__init__.py").write_text("raise SystemExit('the decoy was run')\n")
        yield place


def run(image: Image, *command: str, folder: Path) -> tuple[int, str, str]:
    """Run a command of the image as its user; return exit code, output and errors."""
    done = attempt([*as_user(image), *command], cwd=folder, env=image.variables)
    return done.returncode, done.stdout, done.stderr


def list_tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file and folder of a tree, with what a change would change."""
    return {
        str(path.relative_to(folder)): (path.lstat().st_mtime_ns, path.lstat().st_size) for path in folder.rglob("*")
    }


async def check_service(
    image: Image, environment: Environment, cluster: ChangingCluster, confine: Sequence[str] = (), **variables: str
) -> None:
    """Start the image's service as its user, log in, and stop it; nothing of the image may have changed."""
    settings = mount(environment, cluster, image.user)
    before = list_tree(image.root)
    with Service(
        image.variables | settings | variables,
        command=(*confine, *as_user(image), *image.command),
        folder=image.folder,
    ) as service:
        await service.ready()
        assert (200, 200) == (service.get("/readyz")[0], service.get("/livez")[0])
        for pid in (service.pid, *service.worker_pids()):
            assert (image.user, "1", "0") == read_rights(pid)
        async with await environment.connect(cluster.token(PLAIN.namespace, PLAIN.name)) as client:
            denied = await denied_publishes(client, ["orders.created", "billing.created"])
        assert ["billing.created"] == denied
        await environment.refusal(cluster.token(PLAIN.namespace, "nobody"))
        assert 2 == len(service.worker_pids())
        assert 0 == await service.stop()
        assert 1 == len(service.log_lines("draining"))
        assert 1 == len(service.log_lines("stopped"))
    assert [] == service.plain_lines
    assert [] == service.log_lines(level="error")
    assert before == list_tree(image.root)


def read_rights(pid: int) -> tuple[str, str, str]:
    """User and group of a process, whether it can gain rights no more, and the capabilities that it has left."""
    status = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = {name: value.split() for name, _, value in (line.partition(":") for line in status)}
    capabilities = int(fields["CapEff"][0], 16) | int(fields["CapBnd"][0], 16)
    return f"{fields['Uid'][1]}:{fields['Gid'][1]}", fields["NoNewPrivs"][0], f"{capabilities:x}"


def test_it_serves_from_a_tree_that_is_not_its_own(
    image: Image, environment: Environment, cluster: ChangingCluster
) -> None:
    """Ready, a login answered, a stranger refused, drained: as user 65532, and without a trace in the image."""
    asyncio.run(check_service(image, environment, cluster))


@pytest.mark.skipif(not are_mounts_allowed(), reason="the kernel lets nobody mount anything here")
def test_it_serves_with_nothing_to_write_to_but_the_snapshot(
    image: Image, environment: Environment, cluster: ChangingCluster
) -> None:
    """A read-only root, /tmp and /dev/shm included, and a tmpfs as SNAPSHOT_DIR."""
    place = image.root.parent / "snapshot"
    place.mkdir(exist_ok=True)
    asyncio.run(check_service(image, environment, cluster, (*NAMESPACE, str(place)), SNAPSHOT_DIR=str(place)))
    assert [] == list(place.iterdir())


@pytest.mark.skipif(not are_mounts_allowed(), reason="the kernel lets nobody mount anything here")
def test_the_confinement_holds(image: Image) -> None:
    """Of the test before: even root can write nowhere but into the snapshot's folder."""
    place = image.root.parent / "snapshot"
    place.mkdir(exist_ok=True)
    folders = (tempfile.gettempdir(), "/dev/shm", str(image.root), str(place))
    command = 'for folder do (: > "$folder/probe") 2>/dev/null && echo "$folder" || true; done'
    done = attempt([*NAMESPACE, str(place), "sh", "-c", command, "probe", *folders])
    assert (0, [str(place)]) == (done.returncode, done.stdout.split()), done.stderr


def test_its_user_can_change_nothing_of_it(image: Image) -> None:
    """No file and no folder of the image belongs to that user, or may be written to by everybody."""
    user, group = map(int, image.user.split(":"))
    found = [path for path in (image.root, *image.root.rglob("*")) if not path.is_symlink()]
    states = [(path, path.stat()) for path in found]
    assert [] == [path for path, state in states if user == state.st_uid or group == state.st_gid]
    assert [] == [path for path, state in states if state.st_mode & 0o002]


def test_its_commands_run_where_decoys_stand(image: Image, decoys: Path) -> None:
    """The installed modules answer, also when Python is told to run one by its name."""
    said = f"callout {version(DISTRIBUTION)}\n"
    assert (0, said, "") == run(image, image.command[0], "--version", folder=decoys)
    assert (0, said, "") == run(image, python_of(image), "-m", "callout", "--version", folder=decoys)


def test_it_holds_what_is_locked_and_nothing_else(image: Image) -> None:
    """The pins of requirements.txt and our own wheel: no pip, no build backend, no tests."""
    code = "from importlib.metadata import distributions as all; print(*(f'{d.name}=={d.version}' for d in all()))"
    ended, said, errors = run(image, python_of(image), "-c", code, folder=image.folder)
    assert (0, "") == (ended, errors)
    pins = {pin.purl for pin in read_pins((ROOT / "requirements.txt").read_text())}
    assert {*pins, f"pkg:pypi/{DISTRIBUTION}@{version(DISTRIBUTION)}"} == {
        f"pkg:pypi/{name.lower().replace('_', '-').replace('.', '-')}@{number}"
        for name, _, number in (word.partition("==") for word in said.split())
    }
    assert not (image.root / "build").exists()
