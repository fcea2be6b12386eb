"""`perf.scale` on a deployed cluster: a real API server, nats-server and service, and few ServiceAccounts.

No figure is asserted: what is counted has to add up, and nothing is left behind.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import Awaitable
from pathlib import Path

import pytest

from callout.errors import CommandError
from perf import scale
from perf.commandline.command import Progress
from perf.kube.marks import MARKER
from tests.e2e.cluster import Cluster
from tests.e2e.perf_scale import TINY, Deployed, deploy, end
from tests.e2e.workloads import Workload


async def test_every_change_is_seen_and_nothing_is_left_behind(cluster: Cluster, tmp_path: Path) -> None:
    """Changes arrive, decisions are made, the size of the snapshot is known; what others have is as it was."""
    async with deploy(cluster, tmp_path) as deployed:
        before = deployed.read_theirs()
        rows = await deployed.measure("--serviceaccounts=6,3")
        assert [3, 6] == [row["serviceaccounts"] for row in rows]
        for row in rows:
            assert 3 == row["change_ms"]["count"] == row["change_ms"]["from_sending"]["count"]
            assert min(row["snapshot_mib"], row["seconds_to_know"], row["changes_a_second"]) > 0
            for load in ("at_rest", "at_rest_half_load", "while_changing", "while_changing_half_load"):
                assert row[load]["answered"] == row[load]["allowed"] > 0
                assert 0 == row[load]["unanswered"]
            assert {"generator", "others", "wall"} == set(row["at_rest"]["cpu_s"])
            assert {"changer", "generator", "others", "wall"} == set(row["while_changing"]["cpu_s"])
        assert {} == deployed.read_own()
        assert before == deployed.read_theirs()


async def test_what_was_kept_is_used_again(cluster: Cluster, tmp_path: Path) -> None:
    """By the next run, which deletes what is too much; and what is not to be had is a dash."""
    async with deploy(cluster, tmp_path) as deployed:
        await deployed.measure("--serviceaccounts=3", "--keep")
        assert ["perf-scale-0", "perf-scale-1", "perf-scale-2"] == sorted(deployed.read_own())
        (row,) = await deployed.measure("--serviceaccounts=2", "--keep")
        assert row["seconds_to_know"] is None
        assert ["perf-scale-0", "perf-scale-1"] == sorted(deployed.read_own())
        code, said, progress = await deployed.run("--serviceaccounts=2", *TINY)
        assert (0, {}) == (code, deployed.read_own())
        assert "deleting what was made" in progress
        heads, first, *_ = said.splitlines()
        assert ("ServiceAccounts", "2", "-") == (heads.split()[0], *first.split()[:2])
        assert "goals" not in said


async def test_a_signal_ends_it_in_good_order(cluster: Cluster, tmp_path: Path) -> None:
    """In the midst of making them, and in the midst of measuring."""
    async with deploy(cluster, tmp_path) as deployed:
        running = await deployed.start("--serviceaccounts=5000")
        await end_by_signal(deployed, running, deployed.until_made(20))
        running = await deployed.start("--serviceaccounts=3", "--changes=10000")
        await end_by_signal(deployed, running, deployed.until_changed("perf-scale-0"))


async def end_by_signal(deployed: Deployed, running: asyncio.subprocess.Process, moment: Awaitable[None]) -> None:
    """Send the script SIGTERM at a moment: it ends with that, and nothing of it is left."""
    try:
        await moment
    finally:
        running.send_signal(signal.SIGTERM)
        code, _, _ = await end(running)
    assert (128 + signal.SIGTERM, {}) == (code, deployed.read_own())


async def test_what_a_killed_run_has_left_is_removed_by_the_commands_that_the_help_names(
    cluster: Cluster, tools: Path, tmp_path: Path
) -> None:
    """With the namespace put in, and with the rights of whoever ran it; what only bears the label stays."""
    async with deploy(cluster, tmp_path) as deployed:
        running = await deployed.start("--serviceaccounts=5", "--changes=10000")
        try:
            await deployed.until_made(6)
        finally:
            running.kill()
            await end(running)
        labelled = Workload(cluster, deployed.namespace, "labelled")
        deployed.mark(labelled.name)
        _, page, _ = await deployed.run("--help")
        lines = page.splitlines()
        (begin,) = (number for number, line in enumerate(lines) if line.strip().startswith("kubectl get "))
        command = "\n".join(lines[begin : begin + 2]).replace("NAME", deployed.namespace)
        (kubeconfig,) = (word for word in deployed.arguments if word.startswith("--kubeconfig="))
        variables = {
            "PATH": f"{tools}:{os.defpath}",
            "KUBECONFIG": kubeconfig.partition("=")[2],
            "HOME": str(tmp_path),
        }
        shell = await asyncio.create_subprocess_exec(
            "sh", "-c", command, env=variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        code, _, complaints = await end(shell)
        assert (0, "") == (code, complaints)
        assert [labelled.name] == list(deployed.read_own())
        assert "default" == deployed.read_theirs()["metadata"]["name"]


async def test_what_cannot_be_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    """No such namespace, no rights, no API server, no page of the service."""
    async with deploy(cluster, tmp_path) as deployed:
        nobody = cluster.kubectl_as(deployed.theirs.token()).kubeconfig  # not even for this audience
        nowhere = tmp_path / "nowhere"
        nowhere.write_text(cluster.kubectl.kubeconfig.read_text().replace(cluster.url, "https://127.0.0.1:1"))
        complaints = {
            (
                f"--kubeconfig={cluster.kubectl.kubeconfig}",
                "--namespace=no-such-one",
            ): "there is no namespace no-such-one",
            (f"--kubeconfig={nobody}",): "the API server does not accept our credentials (401)",
            (f"--kubeconfig={nowhere}",): "no connection to the API server",
            ("--metrics-url=http://127.0.0.1:1/metrics",): "http://127.0.0.1:1/metrics cannot be read: no connection",
        }
        for more, complaint in complaints.items():
            code, said, lines = await deployed.run("--serviceaccounts=1", "--quiet", *TINY, *more)
            assert (1, "", 1) == (code, said, len(lines.splitlines()))
            assert lines.startswith(f"error: {complaint}")
            assert {} == deployed.read_own()


async def test_a_second_run_in_the_same_namespace_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    """The first does not notice; and if the first was killed, the line says how its marker goes."""
    async with deploy(cluster, tmp_path) as deployed:
        running = await deployed.start("--serviceaccounts=3", "--changes=10000")
        try:
            await deployed.until_made(4)
            before = deployed.read_own()
            code, said, lines = await deployed.run("--serviceaccounts=1", "--quiet", *TINY)
            assert (1, "", 1) == (code, said, len(lines.splitlines()))
            assert "another run is under way" in lines
            assert (None, before) == (running.returncode, deployed.read_own())
        finally:
            running.kill()
            await end(running)
        _, *words = lines.partition("let it be forgotten: ")[2].split()
        cluster.kubectl(*words)
        assert before.keys() - {MARKER} == deployed.read_own().keys()
        await deployed.measure("--serviceaccounts=2")
        assert {} == deployed.read_own()


async def test_a_service_that_wants_other_tokens_is_found_out(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it for ever, and what was made is deleted."""
    monkeypatch.setattr(scale, "KNOWN_S", 1.0)  # in earnest fifty, in which nothing happens
    async with deploy(cluster, tmp_path) as deployed:
        options, target = scale.parse([*deployed.arguments, "--serviceaccounts=1", "--audience=else"])
        assert target is not None
        with pytest.raises(CommandError, match="does not let in what was made"):
            await scale.measure_target(target, options, Progress(silent=True))
        assert {} == deployed.read_own()
