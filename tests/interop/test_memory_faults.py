"""The memory for the snapshot runs out: what was there before goes on serving, and the log says so."""

import json
import os
import resource
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

import pytest

from callout.errors import EXIT_WRONG_USAGE
from tests.commands import attempt, run
from tests.fake_kube_api import FakeKubeApi
from tests.interop.changing_cluster import ApiCluster, ChangingCluster, replace
from tests.interop.environments import Environment
from tests.interop.operation import (
    PLAIN,
    WORKERS,
    is_let_in,
    serve,
    until_let_in,
    until_reasons,
    until_refused,
    until_serving,
    until_workers,
)
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until

MIB = 1 << 20
SIZE = 4 * MIB
ROOM = MIB // 2
"""Enough for a service that knows few ServiceAccounts."""
LITTLE = MIB * 5 // 32
"""Enough for a snapshot, and not for what a worker needs besides."""
MANY = 3000
"""ServiceAccounts that take more than the pages which LMDB has to spare."""
CROWD = json.dumps(
    {
        "kind": "List",
        "items": [
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": f"sa-{number}"}}
            for number in range(MANY)
        ],
    }
)
NOT_READY = b'{"ready":false,"missing":["ServiceAccounts","worker subscribed to NATS"]}\n'
FULL = "the snapshot has no room for all ServiceAccounts"
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

    def leave(self, room: int) -> None:
        """Leave that many bytes, of a file system that is empty."""
        self._filler.write_bytes(bytes(SIZE - room))

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
    mounted = attempt(mounting)
    if mounted.returncode != 0:  # root of a container that was not given the right to
        pytest.skip(f"here not even root may mount: {mounted.stderr.strip()}")
    yield Tmpfs(folder)
    run(["umount", str(folder)])


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """One environment: none of this depends on the server."""
    with Environment(PLAIN, tmp_path_factory.mktemp("nats")) as running:
        yield running


def has_failed_to_write(service: Service) -> bool:
    """Tell whether the watch has said that the snapshot is full."""
    lines = service.log_lines("the watch of ServiceAccounts has failed and goes on")
    return any("the snapshot could not be written" in line["error"] for line in lines)


only_tmpfs = pytest.mark.parametrize("memory", ["tmpfs"], indirect=True)


async def test_the_last_snapshot_serves_when_memory_is_full(
    environment: Environment, cluster: ChangingCluster, memory: Memory
) -> None:
    """Who was known is let in, deleted or not, who came too late is not, until there is room again; nothing ends."""
    cluster.put("orders", "gone")
    async with serve(environment, cluster, SNAPSHOT_DIR=str(memory.folder / "service")) as service:
        token, gone = (cluster.token("orders", name) for name in ("checkout", "gone"))
        memory.fill(service)
        cluster.put("orders", "late")
        replace(cluster.file("orders", "gone"), CROWD)
        await service.logged(FULL)
        assert await is_let_in(environment, token)
        assert await is_let_in(environment, gone)
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
        await until_refused(environment, gone)
        assert 1 == service.metric("nats_auth_watch_connected")
        assert 0 == await service.stop()


@only_tmpfs
async def test_a_limit_is_told_before_it_is_reached(
    environment: Environment, cluster: ChangingCluster, memory: Tmpfs
) -> None:
    """It is what there is for the snapshot, and no more than what it has once nothing is left beside it."""
    async with serve(environment, cluster, SNAPSHOT_DIR=str(memory.folder / "service")) as service:

        def measure() -> tuple[float, float]:
            return service.metric("nats_auth_snapshot_bytes"), service.metric("nats_auth_snapshot_limit_bytes")

        used, limit = measure()
        assert used < limit / 2
        assert limit <= SIZE
        memory.fill(service)
        used, limit = measure()
        assert used > 0.8 * limit


@only_tmpfs
async def test_a_service_that_cannot_take_the_whole_list_is_not_ready(
    environment: Environment, tmp_path: Path, memory: Tmpfs
) -> None:
    """A start is no change that can be left out: it waits, and says for what, until there is room."""
    with FakeKubeApi() as api:
        cluster = ApiCluster(tmp_path, api)
        for number in range(MANY):
            cluster.put("orders", f"sa-{number}")
        api.token = "of somebody else"  # so that there is no list before the workers have taken their room
        memory.leave(ROOM)
        async with serve(environment, cluster, wait=False, SNAPSHOT_DIR=str(memory.folder / "service")) as service:
            await until_workers(service, {"waiting": WORKERS})
            api.token = None
            await service.logged("key set in force")
            await until(lambda: has_failed_to_write(service), PATIENCE_SECONDS, "the list does not fit")
            assert (503, NOT_READY) == service.get("/readyz")
            memory.free(service)
            await service.ready()
            assert MANY == service.metric("nats_auth_snapshot_serviceaccounts")


@only_tmpfs
async def test_a_start_without_room_for_workers_ends(
    environment: Environment, cluster: ChangingCluster, memory: Tmpfs
) -> None:
    """It cannot do with less, and says so."""
    memory.leave(LITTLE)
    async with serve(environment, cluster, wait=False, SNAPSHOT_DIR=str(memory.folder / "service")) as service:
        assert EXIT_WRONG_USAGE == await service.ended()
        assert "No space left on device" in service.log_lines("worker cannot start")[0]["error"]
        assert [] == service.log_lines("ready")
        [line] = service.plain_lines
        assert "SNAPSHOT_DIR has no room" in line
