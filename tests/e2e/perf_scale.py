"""`perf.scale` on a deployed cluster: a real API server, nats-server and service, in a namespace of a test's own."""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec

from callout.demo.server import find_binary, run_server
from callout.demo.service import run_service
from perf.here.plan import ASKER, make_plan
from perf.kube.marks import SELECTOR, STAMP
from tests.e2e.cluster import Cluster
from tests.e2e.kubectl import Kubectl
from tests.e2e.workloads import Workload, make_callout_with_rights, make_kubeconfig, unique
from tests.pages import ROOT
from tests.waiting import PATIENCE_SECONDS, until

SCRIPT = (sys.executable, "-m", "perf.scale")
RUN_SECONDS = 240
"""A run takes ten; an API server beside other tests much longer."""
KUBECTL_POLL_SECONDS = 0.5
"""Each look is a process."""
TINY = ("--changes=3", "--churn=20", "--seconds=0.2")


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
        return {item["metadata"]["name"]: item["metadata"]["uid"] for item in self._list()}

    def _list(self, *names: str) -> list[dict[str, Any]]:
        """All that the script has made and not deleted, or what of it has one of these names."""
        found = self.cluster.kubectl.read("serviceaccounts", "--namespace", self.namespace, "--selector", SELECTOR)
        return [item for item in found["items"] if not names or item["metadata"]["name"] in names]

    async def until_made(self, number: int) -> None:
        """Wait until the script has made so many."""
        await until(
            lambda: len(self.read_own()) >= number, PATIENCE_SECONDS, f"{number} have been made", KUBECTL_POLL_SECONDS
        )

    async def until_changed(self, name: str) -> None:
        """Wait until the script has changed one of its own: then it measures."""

        def is_changed() -> bool:
            rights = [item["metadata"]["annotations"]["nats.io/allowed-pub-subjects"] for item in self._list(name)]
            return any(".perf." in allowed for allowed in rights)

        await until(is_changed, PATIENCE_SECONDS, f"{name} is changed", KUBECTL_POLL_SECONDS)

    def read_theirs(self, name: str = "default") -> dict[str, Any]:
        """A ServiceAccount, whole, with its version; somebody else's, unless the name is of the script's own."""
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
    made = make_plan(folder)
    plan = made.plan
    login = folder / "perf.login"
    login.write_text(f"{ASKER}:{made.password}\n")
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
                "--callout-account": made.issuer,
                "--namespace": namespace,
                "--kubeconfig": make_tester(cluster, namespace).kubeconfig,
                "--metrics-url": f"{service.url}/metrics",
            }
            words = [f"{name}={value}" for name, value in arguments.items()]
            yield Deployed(cluster, namespace, theirs, words)
