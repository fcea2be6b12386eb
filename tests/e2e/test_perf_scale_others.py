"""`perf.scale` on a deployed cluster: what is others' stays, whatever they call it and whenever they make it."""

import signal
from pathlib import Path

import pytest

from callout.errors import CommandError
from perf import scale
from perf.commandline.command import Progress
from perf.kube.serviceaccounts import own_serviceaccounts
from tests.e2e.cluster import Cluster
from tests.e2e.perf_scale import TINY, deploy, end
from tests.e2e.workloads import Workload


@pytest.mark.parametrize(("name", "is_marked"), [("theirs", False), ("theirs", True), ("perf-scale-3", False)])
async def test_a_namespace_with_others_in_it_is_refused(
    name: str, cluster: Cluster, tmp_path: Path, *, is_marked: bool
) -> None:
    """They are neither changed nor deleted, and nothing is made beside them: marks without a name, or the reverse."""
    async with deploy(cluster, tmp_path) as deployed:
        Workload(cluster, deployed.namespace, name)
        if is_marked:
            deployed.mark(name)
        before = deployed.read_theirs(name)
        code, said, lines = await deployed.run("--serviceaccounts=6", "--quiet", *TINY)
        assert (1, "", 1) == (code, said, len(lines.splitlines()))
        assert f"the ServiceAccount {name} of namespace {deployed.namespace} is somebody else's" in lines
        assert before == deployed.read_theirs(name)
        assert {name} >= set(deployed.read_own())


async def test_what_gets_the_marks_during_a_run_is_not_deleted(cluster: Cluster, tmp_path: Path) -> None:
    """Whoever may only label a ServiceAccount has nobody delete it who may, whatever it is called."""
    async with deploy(cluster, tmp_path) as deployed:
        names = ("perf-scale-7", "theirs")
        running = await deployed.start("--serviceaccounts=3", "--changes=10000")
        try:
            await deployed.until_made(4)
            for name in names:
                Workload(cluster, deployed.namespace, name)
                deployed.mark(name)
            before = [deployed.read_theirs(name) for name in names]
        finally:
            running.send_signal(signal.SIGTERM)
            code, _, _ = await end(running)
        assert (128 + signal.SIGTERM, set(names)) == (code, set(deployed.read_own()))
        assert before == [deployed.read_theirs(name) for name in names]


async def test_what_is_made_again_by_somebody_else_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    """It ends the run in one line, and stays as it is; what is left of the run's own is deleted."""
    async with deploy(cluster, tmp_path) as deployed:
        running = await deployed.start("--serviceaccounts=3", "--quiet", "--changes=10000")
        try:
            await deployed.until_changed("perf-scale-0")
            before = deployed.make_again("perf-scale-0")
        finally:
            code, said, lines = await end(running)
        assert (1, "", 1) == (code, said, len(lines.splitlines()))
        assert before == deployed.read_theirs("perf-scale-0")
        assert {} == deployed.read_own()


async def test_neither_a_change_nor_a_token_is_made_of_what_somebody_else_has_made_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Nor of one that is not there any more; the line says which."""
    async with deploy(cluster, tmp_path) as deployed:
        options, _ = scale.parse([*deployed.arguments, "--serviceaccounts=2"])
        async with own_serviceaccounts(options.place, Progress(silent=True)) as own:
            await own.settle(2)
            assert own.uids == [deployed.read_own()[f"perf-scale-{number}"] for number in range(2)]
            assert "." in await own.mint(0)
            before = deployed.make_again("perf-scale-0")
            cluster.kubectl("delete", "serviceaccount", "perf-scale-1", "--namespace", deployed.namespace)
            refused = {
                (own.mint, 0): 409,
                (own.mint, 1): 404,
                (lambda number: own.change(number, "a"), 0): 422,
                (lambda number: own.change(number, "a"), 1): 404,
            }
            for (ask, number), status in refused.items():
                with pytest.raises(
                    CommandError, match=rf"perf-scale-{number} .* another one in its place \({status}\)$"
                ):
                    await ask(number)
        assert before == deployed.read_theirs("perf-scale-0")
        assert {} == deployed.read_own()
