"""The memory for the snapshot runs out: what was there before goes on serving, and the log says so."""

import json
import os
import resource
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.interop.operation import PLAIN, is_let_in, serve, until_let_in, until_reasons, until_serving
from tests.service import Service

SIZE = "4m"
MANY = 3000
"""ServiceAccounts that take more than the pages which LMDB has to spare."""
BLOCK = bytes(4096)


class Memory(Protocol):
    """Where the snapshot is kept, and how it is used up."""

    folder: Path

    def fill(self, service: Service) -> None:
        """Leave no room in it."""

    def free(self, service: Service) -> None:
        """Give the room back."""


class Tmpfs:
    """A file system in memory, which something else fills."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._filler = folder / "filler"

    def fill(self, service: Service) -> None:
        """Leave no room in it."""
        del service
        with self._filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(BLOCK)
            except OSError:
                return

    def free(self, service: Service) -> None:
        """Give the room back."""
        del service
        self._filler.unlink()


class Limit:
    """A limit to the size of the supervisor's files: what remains for those who may not mount."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, service: Service) -> None:
        """Let no file grow."""
        resource.prlimit(
            service.pid, resource.RLIMIT_FSIZE, ((self.folder / "service/snapshot/data.mdb").stat().st_size, -1)
        )

    def free(self, service: Service) -> None:
        """Let all files grow."""
        resource.prlimit(service.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


@pytest.fixture(params=["tmpfs", "limit"])
def memory(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Memory]:
    """A place for the snapshot that can be filled, in two ways."""
    folder = tmp_path / "memory"
    folder.mkdir()
    if request.param == "limit":
        yield Limit(folder)
        return
    mounting = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(folder)]
    if os.geteuid() != 0:
        pytest.skip("only root may mount")
    mounted = subprocess.run(mounting, capture_output=True, text=True, check=False)
    if mounted.returncode != 0:  # root of a container that was not given the right to
        pytest.skip(f"here not even root may mount: {mounted.stderr.strip()}")
    yield Tmpfs(folder)
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """One environment: none of this depends on the server."""
    with Environment(PLAIN, tmp_path_factory.mktemp("nats")) as running:
        yield running


async def test_the_last_snapshot_serves_when_memory_is_full(
    environment: Environment, cluster: ChangingCluster, memory: Memory
) -> None:
    """Who was known is let in, who came too late is not, until there is room again; nothing ends."""
    async with serve(environment, cluster, SNAPSHOT_DIR=str(memory.folder / "service")) as service:
        token = cluster.token("orders", "checkout")
        memory.fill(service)
        crowd = [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": f"sa-{number}"}}
            for number in range(MANY)
        ]
        (cluster.manifests / "many.yaml").write_text(json.dumps({"kind": "List", "items": crowd}))
        cluster.put("orders", "late")
        await service.logged("the snapshot is full; the last one goes on serving")
        assert await is_let_in(environment, token)
        late = cluster.token("orders", "late")
        assert not await is_let_in(environment, late)
        await until_reasons(service, ["serviceaccount_unknown"])
        assert 200 == service.get("/readyz")[0]
        assert 0 == service.metric("nats_auth_watch_connected")
        os.kill(service.worker_pids()[0], signal.SIGKILL)
        await service.logged("worker ended", exit_code=-signal.SIGKILL)
        await until_serving(service)
        assert await is_let_in(environment, token)
        memory.free(service)
        await until_let_in(environment, late)
        assert 1 == service.metric("nats_auth_watch_connected")
        assert 0 == await service.stop()
