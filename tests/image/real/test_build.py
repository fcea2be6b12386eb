"""The image that buildah makes of the Dockerfile is what the Dockerfile promises, and its service works."""

import asyncio
import os
import shutil
import signal
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.image.mounted import mount
from tests.image.real.buildah import IMAGE, NEEDED, Buildah
from tests.interop.attempts import denied_publishes
from tests.interop.cast import PLAIN
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.missing import needs
from tests.pages import ROOT
from tests.service import Service
from tests.test_packaging import DISTRIBUTION

MISSING = [name for name in NEEDED if shutil.which(name) is None]

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="only root may build in a chroot"),
    needs(f"no {' and no '.join(MISSING)}: Debian has both as packages", there=not MISSING),
]


@pytest.fixture(scope="module")
def buildah(tmp_path_factory: pytest.TempPathFactory) -> Buildah:
    """A store with the image in it."""
    made = Buildah(tmp_path_factory.mktemp("buildah"))
    made.make_base()
    made.build(ROOT)
    return made


@pytest.fixture(scope="module")
def container(buildah: Buildah) -> Iterator[str]:
    """A container of the image."""
    name = buildah("from", "--pull-never", IMAGE).strip()
    yield name
    buildah("rm", name)


def test_the_image_says_what_the_dockerfile_says(buildah: Buildah) -> None:
    """User, command, signal, port, labels; and no health check."""
    config = buildah.inspect()
    said = {name: config[name] for name in ("User", "Entrypoint", "Cmd", "StopSignal", "WorkingDir", "ExposedPorts")}
    assert {
        "User": "65532:65532",
        "Entrypoint": ["callout"],
        "Cmd": ["serve"],
        "StopSignal": "SIGTERM",
        "WorkingDir": "/",
        "ExposedPorts": {"8080/tcp": {}},
    } == said
    assert "PYTHONSAFEPATH=1" in config["Env"]
    assert "PATH=/opt/callout/bin:/usr/local/bin:/usr/bin:/bin" in config["Env"]
    assert version(DISTRIBUTION) == config["Labels"]["org.opencontainers.image.version"]
    assert "Healthcheck" not in config


def test_the_command_runs_in_it(buildah: Buildah, container: str) -> None:
    """As the image's user."""
    assert f"callout {version(DISTRIBUTION)}\n" == run_in(buildah, container, "callout", "--version")
    assert "65532\n" == run_in(buildah, container, "python", "-c", "import os; print(os.getuid())")


def test_nothing_of_the_build_is_left(buildah: Buildah, container: str) -> None:
    """No source tree, no build backend, no cache."""
    look = (
        "import importlib.util as u, os; print(u.find_spec('hatchling'), u.find_spec('pip'), os.path.exists('/build'))"
    )
    assert "None None False\n" == run_in(buildah, container, "python", "-c", look)


def test_its_service_answers_a_login_and_drains(
    buildah: Buildah, container: str, environment: Environment, cluster: ChangingCluster
) -> None:
    """As in a pod: the image's user, keys that it may read and not change, the signal that ends it."""
    variables = mount(environment, cluster, buildah.inspect()["User"]) | {"PORT": "0"}
    settings = (word for name, value in variables.items() for word in ("--env", f"{name}={value}"))
    volume = ("--volume", f"{environment.folder}:{environment.folder}:ro")
    command = buildah.words("run", "--isolation", "chroot", *volume, *settings, container, "--", "callout", "serve")
    asyncio.run(check_service(environment, cluster, command))


async def check_service(environment: Environment, cluster: ChangingCluster, command: list[str]) -> None:
    """Start the service, log in, and stop it by its own process: buildah kills what it runs when it is to end."""
    with Service(dict(os.environ), command=command) as service:
        await service.ready()
        async with await environment.connect(cluster.token(PLAIN.namespace, PLAIN.name)) as client:
            assert ["billing.created"] == await denied_publishes(client, ["orders.created", "billing.created"])
        await environment.refusal(cluster.token(PLAIN.namespace, "nobody"))
        [supervisor] = find_supervisors(service.pid)
        os.kill(supervisor, signal.SIGTERM)
        assert 0 == await service.ended()
        assert 1 == len(service.log_lines("stopped"))
    assert [] == service.plain_lines


def find_supervisors(pid: int) -> list[int]:
    """The processes below one that are `callout serve` itself (from Linux's /proc)."""
    found = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, children.read_text().split()):
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            is_ours = words[1:3] == ["/opt/callout/bin/callout", "serve"] and words[0].endswith("/python")
            found += [child] if is_ours else find_supervisors(child)
    return found


def run_in(buildah: Buildah, container: str, *command: str) -> str:
    """Run a command in a container."""
    return buildah("run", "--isolation", "chroot", container, "--", *command)
