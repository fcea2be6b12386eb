"""`perf.scale` on a deployed cluster: a real API server, nats-server and service, and few ServiceAccounts.

No figure is asserted: what is counted has to add up, and nothing is left behind.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callout.demo.server import find_binary, run_server
from callout.demo.service import run_service
from callout.errors import CommandError
from perf import local, scale
from perf.command import Progress
from perf.marks import MARKER, SELECTOR, STAMP
from perf.serviceaccounts import own_serviceaccounts
from tests.e2e.cluster import Cluster
from tests.e2e.kubectl import Kubectl
from tests.e2e.workloads import Workload, make_callout_with_rights, make_kubeconfig, unique
from tests.waiting import PATIENCE_SECONDS, until

ROOT = Path(__file__).parents[2]
SCRIPT = (sys.executable, "-m", "perf.scale")
RUN_SECONDS = 240
"""A run takes ten; an API server beside other tests much longer."""
TINY = ("--changes=3", "--churn=20", "--seconds=0.2", "--workers=1")


class Deployed(msgspec.Struct, frozen=True):
    """What runs, a namespace in it, and the ServiceAccount that every namespace has.

    Attributes:
        arguments: what the script is told of all this.
    """

    cluster: Cluster
    namespace: str
    theirs: Workload
    arguments: list[str]

    async def start(self, *more: str) -> asyncio.subprocess.Process:
        """Begin to measure."""
        return await asyncio.create_subprocess_exec(
            *SCRIPT, *self.arguments, *more, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )

    async def run(self, *more: str) -> tuple[int, str, str]:
        """Measure; return the exit code and what was said, on standard output and standard error."""
        return await end(await self.start(*more))

    async def measure(self, *more: str) -> list[dict[str, Any]]:
        """Measure, and return the rows of the report."""
        code, said, complaints = await self.run("--json", "--quiet", *TINY, *more)
        assert (0, "") == (code, complaints)
        assert "eyJ" not in said
        rows: list[dict[str, Any]] = json.loads(said)["rows"]
        return rows

    def read_own(self) -> dict[str, str]:
        """The uids of what the script has made and not deleted, by name."""
        found = self.cluster.kubectl.read("serviceaccounts", "--namespace", self.namespace, "--selector", SELECTOR)
        return {item["metadata"]["name"]: item["metadata"]["uid"] for item in found["items"]}

    async def until_made(self, number: int) -> None:
        """Wait until the script has made so many."""
        await until(lambda: len(self.read_own()) >= number, PATIENCE_SECONDS, f"{number} have been made")

    def read_theirs(self, name: str = "default") -> dict[str, Any]:
        """Somebody else's ServiceAccount, whole, with its version."""
        return self.cluster.kubectl.read("serviceaccount", name, "--namespace", self.namespace)

    def mark(self, name: str) -> None:
        """Give it all the marks that can be given afterwards, those of a run among them."""
        place = (name, "--namespace", self.namespace)
        stamps = {self.read_theirs(own)["metadata"]["annotations"][STAMP] for own in self.read_own()}
        (stamp,) = stamps or {"0123456789abcdef" * 2}
        self.cluster.kubectl("label", "serviceaccount", *place, SELECTOR)
        self.cluster.kubectl("annotate", "serviceaccount", *place, f"{STAMP}={stamp}")

    def make_again(self, name: str) -> dict[str, Any]:
        """Delete one, and make another under its name, without marks."""
        for verb in ("delete", "create"):
            self.cluster.kubectl(verb, "serviceaccount", name, "--namespace", self.namespace)
        return self.read_theirs(name)


async def end(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    """Wait until the script has ended; never for ever."""
    try:
        async with asyncio.timeout(RUN_SECONDS):
            said, complaints = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    assert b"Traceback" not in complaints
    return process.returncode, said.decode(), complaints.decode()


def make_tester(cluster: Cluster, namespace: str) -> Kubectl:
    """Somebody with the rights that the script's help names, and no others."""
    tester = Workload(cluster, unique("testers"), "tester")
    rules = {
        "perf": ("serviceaccounts", "list,create,patch,delete"),
        "perf-tokens": ("serviceaccounts/token", "create"),
    }
    for name, (resource, verbs) in rules.items():
        place = ("--namespace", namespace)
        cluster.kubectl("create", "role", name, f"--verb={verbs}", f"--resource={resource}", *place)
        member = f"--serviceaccount={tester.namespace}:{tester.name}"
        cluster.kubectl("create", "rolebinding", name, f"--role={name}", member, *place)
    return cluster.kubectl_as(cluster.create_token(tester.namespace, tester.name))


@asynccontextmanager
async def deploy(cluster: Cluster, folder: Path) -> AsyncIterator[Deployed]:
    """Run server and service inside the block; who may ask is as docs/measure-a-cluster.md has it."""
    namespace = unique("measured")
    theirs = Workload(cluster, namespace, "default")  # elsewhere a controller makes it
    theirs.annotate(pub="events.>")
    plan, account, password = local._make_plan(folder)
    login = folder / "perf.login"
    login.write_text(f"{local.ASKER}:{password}\n")
    login.chmod(0o600)
    own = folder / "service"
    own.mkdir()
    async with run_server(find_binary(), plan, folder) as server:
        address = server.url.replace("://", f"://{plan.login.reveal()}")
        variables = make_kubeconfig(cluster, make_callout_with_rights(cluster))
        async with run_service(plan.settings | variables | {"NATS_URL": address, "NATS_WORKERS": "1"}, own) as service:
            arguments = {
                "--nats-url": server.url,
                "--creds": login,
                "--callout-account": account,
                "--namespace": namespace,
                "--kubeconfig": make_tester(cluster, namespace).kubeconfig,
                "--metrics-url": f"{service.url}/metrics",
            }
            words = [f"{name}={value}" for name, value in arguments.items()]
            yield Deployed(cluster, namespace, theirs, words)


def on(cluster: Cluster, folder: Path, scenario: Callable[[Deployed], Awaitable[None]]) -> None:
    """Play a scenario on a deployment of its own."""

    async def play() -> None:
        async with deploy(cluster, folder) as deployed:
            await scenario(deployed)

    asyncio.run(play())


def test_every_change_is_seen_and_nothing_is_left_behind(cluster: Cluster, tmp_path: Path) -> None:
    """Changes arrive, decisions are made, the size of the snapshot is known; what others have is as it was."""

    async def scenario(deployed: Deployed) -> None:
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

    on(cluster, tmp_path, scenario)


def test_what_was_kept_is_used_again(cluster: Cluster, tmp_path: Path) -> None:
    """By the next run, which deletes what is too much; and what is not to be had is a dash."""

    async def scenario(deployed: Deployed) -> None:
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

    on(cluster, tmp_path, scenario)


def test_a_signal_ends_it_in_good_order(cluster: Cluster, tmp_path: Path) -> None:
    """In the midst of making them, and in the midst of measuring."""

    async def scenario(deployed: Deployed) -> None:
        for number, wanted in ((2000, 20), (3, 4)):
            running = await deployed.start(f"--serviceaccounts={number}", "--changes=10000")
            try:
                await deployed.until_made(wanted)
            finally:
                running.send_signal(signal.SIGTERM)
                code, _, _ = await end(running)
            assert (128 + signal.SIGTERM, {}) == (code, deployed.read_own())

    on(cluster, tmp_path, scenario)


def test_what_a_killed_run_has_left_is_removed_by_the_commands_that_the_help_names(
    cluster: Cluster, tools: Path, tmp_path: Path
) -> None:
    """With the namespace put in, and with the rights of whoever ran it; what only bears the label stays."""

    async def scenario(deployed: Deployed) -> None:
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

    on(cluster, tmp_path, scenario)


def test_what_cannot_be_is_one_line(cluster: Cluster, tmp_path: Path) -> None:
    """No such namespace, no rights, no API server, no page of the service."""

    async def scenario(deployed: Deployed) -> None:
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

    on(cluster, tmp_path, scenario)


@pytest.mark.parametrize(("name", "is_marked"), [("theirs", False), ("theirs", True), ("perf-scale-3", False)])
def test_a_namespace_with_others_in_it_is_refused(
    name: str, cluster: Cluster, tmp_path: Path, *, is_marked: bool
) -> None:
    """They are neither changed nor deleted, and nothing is made beside them: marks without a name, or the reverse."""

    async def scenario(deployed: Deployed) -> None:
        Workload(cluster, deployed.namespace, name)
        if is_marked:
            deployed.mark(name)
        before = deployed.read_theirs(name)
        code, said, lines = await deployed.run("--serviceaccounts=6", "--quiet", *TINY)
        assert (1, "", 1) == (code, said, len(lines.splitlines()))
        assert f"the ServiceAccount {name} of namespace {deployed.namespace} is somebody else's" in lines
        assert before == deployed.read_theirs(name)
        assert {name} >= set(deployed.read_own())

    on(cluster, tmp_path, scenario)


def test_what_gets_the_marks_during_a_run_is_not_deleted(cluster: Cluster, tmp_path: Path) -> None:
    """Whoever may only label a ServiceAccount has nobody delete it who may, whatever it is called."""

    async def scenario(deployed: Deployed) -> None:
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

    on(cluster, tmp_path, scenario)


def test_what_is_made_again_by_somebody_else_is_left_alone(cluster: Cluster, tmp_path: Path) -> None:
    """It ends the run in one line, and stays as it is; what is left of the run's own is deleted."""

    async def scenario(deployed: Deployed) -> None:
        running = await deployed.start("--serviceaccounts=3", "--quiet", "--changes=10000")
        try:
            await deployed.until_made(4)
            await until(lambda: has_changed(deployed.read_theirs("perf-scale-0")), PATIENCE_SECONDS, "it is changed")
            before = deployed.make_again("perf-scale-0")
        finally:
            code, said, lines = await end(running)
        assert (1, "", 1) == (code, said, len(lines.splitlines()))
        assert before == deployed.read_theirs("perf-scale-0")
        assert {} == deployed.read_own()

    def has_changed(found: dict[str, Any]) -> bool:
        return ".perf." in found["metadata"]["annotations"]["nats.io/allowed-pub-subjects"]

    on(cluster, tmp_path, scenario)


def test_neither_a_change_nor_a_token_is_made_of_what_somebody_else_has_made_again(
    cluster: Cluster, tmp_path: Path
) -> None:
    """Nor of one that is not there any more; the line says which."""

    async def scenario(deployed: Deployed) -> None:
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

    on(cluster, tmp_path, scenario)


def test_a_second_run_in_the_same_namespace_is_refused(cluster: Cluster, tmp_path: Path) -> None:
    """The first does not notice; and if the first was killed, the line says how its marker goes."""

    async def scenario(deployed: Deployed) -> None:
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

    on(cluster, tmp_path, scenario)


def test_a_service_that_wants_other_tokens_is_found_out(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody waits for it for ever, and what was made is deleted."""
    monkeypatch.setattr(scale, "KNOWN_S", 1.0)

    async def scenario(deployed: Deployed) -> None:
        options, target = scale.parse([*deployed.arguments, "--serviceaccounts=1", "--audience=else"])
        assert target is not None
        with pytest.raises(CommandError, match="does not let in what was made"):
            await scale.measure_target(target, options, Progress(silent=True))
        assert {} == deployed.read_own()

    on(cluster, tmp_path, scenario)
