"""The examples work as a whole, in both modes: NATS, the callout with the rights of its release, a client, NACK.

So do the plain manifests, in the place of the release.
What the official chart of NATS does with its values is done here by hand, as far as nats.conf goes: `config.merge` is
written into it as JSON, what stands in << >> as it is, and `container.env` is the server's environment.
"""

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec
import pytest
import yaml

from tests.e2e.chart.helm import CHART, RELEASE, Helm, container_of, pod_of, read_objects
from tests.e2e.cluster import Cluster
from tests.e2e.deployment import logged
from tests.e2e.nats_cli import NatsCli
from tests.e2e.pod import Pod, need_mounts
from tests.e2e.server_process import HeldPort, ServerProcess
from tests.interop.environments import BINARIES
from tests.pages import ROOT, blocks
from tests.service import SERVE, Service

NAMESPACE: Final = "nats-system"
CLIENT: Final = ("checkout", "orders")
KUSTOMIZATION: Final = ROOT / "k8s/examples/kustomize"
COMMAND_SECONDS: Final = 60
DOCTOR_SECONDS: Final = 120
CALLOUT: Final = SERVE[0]
_AS_IT_IS: Final = re.compile(r'"<< (.*?) >>"')


class System:
    """The example, running.

    Attributes:
        cluster: where it runs.
        nats: the CLI on its server.
        nack: the words with which NACK's user logs in.
        administrator: the same of the system account's user.
        service: the callout.
        home: where the page was followed.
    """

    def __init__(
        self,
        cluster: Cluster,
        nats: NatsCli,
        nack: tuple[str, ...],
        administrator: tuple[str, ...],
        service: Service,
        home: Path,
        within: Sequence[str],
    ) -> None:
        self.cluster = cluster
        self.nats = nats
        self.nack = nack
        self.administrator = administrator
        self.service = service
        self.home = home
        self._within = within

    def doctor(self, *words: str) -> dict[str, str]:
        """Run `callout doctor` where the service runs, as that client; return how bad it is, by check."""
        token = ("--live", "--json", "--token", "-", "--metrics-url", f"http://127.0.0.1:{self.service.port}/metrics")
        done = subprocess.run(
            [*self._within, CALLOUT, "doctor", *token, *words],
            env=self.service.variables,
            cwd=self.home,
            input=self.token(),
            capture_output=True,
            text=True,
            timeout=DOCTOR_SECONDS,
            check=False,
        )
        assert "" == done.stderr
        return {finding["check"]: finding["severity"] for finding in json.loads(done.stdout)["findings"]}

    def token(self) -> str:
        """A token of the example's client."""
        name, namespace = CLIENT
        return self.cluster.create_token(namespace, name, "--audience=nats")


class Example(msgspec.Struct, frozen=True):
    """One of the two modes, or the plain manifests for one.

    Attributes:
        mode: the part of docs/kubernetes.md that makes the Secrets.
        nats: values of the official chart; where it begins with `nats-setup`, `callout bootstrap` has written it.
        callout: values of our chart, in their order; without any it is k8s/examples/kustomize.
        nack: what NACK's user logs in with.
        system: the file with what the system account's user logs in with.
    """

    mode: str
    nats: str
    callout: tuple[str, ...]
    nack: tuple[str, ...]
    system: str = "sys"


EXAMPLES: Final = {
    "server-mode": Example(
        "server-mode",
        "k8s/examples/server-mode/1-nats.yaml",
        ("k8s/examples/server-mode/2-callout.yaml",),
        ("--nkey", "nack.nk"),
    ),
    "operator-mode": Example(
        "operator-mode",
        "nats-setup/helm/nats.yaml",
        ("nats-setup/helm/callout.yaml", "k8s/examples/operator-mode/2-callout.yaml"),
        ("--creds", "nats-setup/creds/nack.creds"),
        "nats-setup/creds/sys.creds",
    ),
    "without-helm": Example("server-mode", "k8s/examples/server-mode/1-nats.yaml", (), ("--nkey", "nack.nk")),
}


@pytest.fixture(scope="module", params=EXAMPLES)
def system(request: pytest.FixtureRequest, tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """All of it, in a cluster of its own: the names are those of the example."""
    example = EXAMPLES[request.param]
    folder = tmp_path_factory.mktemp("system")
    mounted, home, state = (folder / name for name in ("mounted", "home", "cluster"))
    for one in (mounted, home, state):
        one.mkdir()
    (home / "k8s").symlink_to(ROOT / "k8s")
    need_mounts(mounted)
    with Cluster(tools, state) as cluster, HeldPort() as port:
        follow_page(cluster, tools, home, example.mode)
        objects = install(cluster, Helm(tools / "helm", home, cluster.kubectl.kubeconfig), home, example.callout)
        cluster.kubectl("create", "namespace", CLIENT[1])
        cluster.kubectl("apply", "-f", str(ROOT / "k8s/examples/client.yaml"))

        server = start_nats(cluster, home, home / example.nats, port.number)
        url = f"nats://127.0.0.1:{port.number}"
        pod = Pod(cluster, mounted)
        pod.renew_token(cluster.create_token(NAMESPACE, RELEASE))
        variables = adapt(read_variables(cluster, objects), home / "files", port.number) | pod.variables
        put_files(cluster, objects, home / "files")
        try:
            with Service(variables, command=pod.command) as service:
                logged(service, "ready")
                option, name = example.nack
                nack = (str(tools / "nats"), "--server", url, option, str(home / name))
                administrator = (str(tools / "nats"), "--server", url, *log_in(home / example.system))
                within = pod.command[: -len(SERVE)]
                yield System(cluster, NatsCli(tools / "nats", url, home), nack, administrator, service, home, within)
        finally:
            server.stop()


def install(cluster: Cluster, helm: Helm, home: Path, files: tuple[str, ...]) -> list[dict[str, Any]]:
    """Install the callout with these values, or without Helm if there are none, and give what was installed."""
    if not files:
        cluster.kubectl("apply", "-k", str(KUSTOMIZATION))
        return read_objects(cluster.kubectl("kustomize", str(KUSTOMIZATION)))
    values = (word for name in files for word in ("--values", str(home / name)))
    words = ("--namespace", NAMESPACE, *values, "--set", "image.repository=registry.internal/x")
    helm("install", RELEASE, str(CHART), *words)
    return read_objects(helm("get", "manifest", RELEASE, "--namespace", NAMESPACE))


def follow_page(cluster: Cluster, tools: Path, home: Path, mode: str) -> None:
    """Run the commands of docs/kubernetes.md that make namespaces and Secrets for a mode."""
    page = (ROOT / "docs/kubernetes.md").read_text()
    _, for_both, *parts = re.split("^##+ (?=2|[A-Z][a-z]+ mode$)", page.partition("\n## 3.")[0], flags=re.MULTILINE)
    [own] = (part for part in parts if part.startswith(mode.replace("-", " ").capitalize()))
    commands = "".join(block.commands for part in (for_both, own) for block in blocks(part))
    search = (str(Path(sys.prefix) / "bin"), str(tools), os.environ["PATH"])
    variables = {
        "PATH": os.pathsep.join(search),
        "HOME": str(home),
        "KUBECONFIG": str(cluster.kubectl.kubeconfig),
    }
    command = ["bash", "-euo", "pipefail", "-c", commands]
    subprocess.run(command, env=variables, cwd=home, check=True, capture_output=True, timeout=COMMAND_SECONDS)


def log_in(path: Path) -> tuple[str, ...]:
    """The words of the nats CLI for a file as `callout doctor --sys-creds` takes it."""
    if path.suffix == ".creds":
        return ("--creds", str(path))
    user, _, password = path.read_text().strip().partition(":")
    return ("--user", user, "--password", password)


def read_secret(cluster: Cluster, name: str) -> dict[str, str]:
    """What a Secret of the system holds."""
    data = cluster.kubectl.read("secret", name, "--namespace", NAMESPACE)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def start_nats(cluster: Cluster, folder: Path, path: Path, port: int) -> ServerProcess:
    """Start nats-server on a values file of the official chart."""
    values = yaml.safe_load(path.read_text())
    own = {"host": "127.0.0.1", "port": port, "jetstream": {"store_dir": str(folder / "jetstream")}}
    config = folder / "nats.conf"
    config.write_text(_AS_IT_IS.sub(r"\1", json.dumps(own | values["config"]["merge"])))
    variables = {
        name: read_secret(cluster, one["valueFrom"]["secretKeyRef"]["name"])[one["valueFrom"]["secretKeyRef"]["key"]]
        for name, one in values.get("container", {}).get("env", {}).items()
    }
    server = ServerProcess("nats-server", folder / "nats.log", variables)
    server.start([BINARIES[0].path, "-c", config], lambda: "Server is ready" in server.log_path.read_text())
    return server


def read_variables(cluster: Cluster, objects: list[dict[str, Any]]) -> dict[str, str]:
    """The variables of the container, those from Secrets among them."""
    variables = {}
    for one in container_of(objects)["env"]:
        source = one.get("valueFrom", {}).get("secretKeyRef")
        variables[one["name"]] = read_secret(cluster, source["name"])[source["key"]] if source else one["value"]
    return variables


def adapt(variables: Mapping[str, str], files: Path, port: int) -> dict[str, str]:
    """Put what is there on this machine in the place of what a pod would have: names of hosts, the mounted folder."""
    here = {"nats.nats-system.svc.cluster.local:4222": f"127.0.0.1:{port}", "/etc/nats-k8s-oidc-callout": str(files)}
    adapted = {"HTTP_HOST": "127.0.0.1", **variables, "PORT": "0", "NATS_WORKERS": "1"}
    for there, one in here.items():
        adapted = {name: value.replace(there, one) for name, value in adapted.items()}
    return adapted


def put_files(cluster: Cluster, objects: list[dict[str, Any]], folder: Path) -> None:
    """Put the files of the volume where the service looks for them."""
    folder.mkdir()
    [volume] = (one for one in pod_of(objects)["spec"]["volumes"] if one["name"] == "files")
    for source in volume["projected"]["sources"]:
        if "secret" in source:
            content = read_secret(cluster, source["secret"]["name"])
        else:
            content = cluster.kubectl.read("configmap", source["configMap"]["name"], "-n", NAMESPACE)["data"]
        for item in (source.get("secret") or source["configMap"])["items"]:
            path = folder / item["path"]
            path.touch(mode=0o600)
            path.write_text(content[item["key"]])


def test_the_client_is_let_in_with_what_it_asks_for(system: System) -> None:
    """What its namespace and its annotation name, nothing else; requests are sealed, for plain ones are refused."""
    for subject in ("orders.created", "audit.orders"):
        system.nats(system.token(), "pub", subject, "hello")
    refused = system.nats.attempt(system.token(), "pub", "payments.created", "hello")
    assert "Permissions Violation" in refused.stderr


def test_the_ceiling_bounds_what_annotations_bring(system: System) -> None:
    """Of two subjects that it asks for, the one within the ceiling is granted."""
    words = ("annotate", "serviceaccount", CLIENT[0], "--namespace", CLIENT[1], "--overwrite")
    system.cluster.kubectl(*words, "nats.io/allowed-pub-subjects=audit.orders,audit.payments")
    logged(system.service, "subject dropped from permissions", subject="audit.payments", reason="above_ceiling")
    system.nats(system.token(), "pub", "audit.orders", "hello")
    assert "Permissions Violation" in system.nats.attempt(system.token(), "pub", "audit.payments", "hello").stderr


def test_nack_logs_in_and_may_administer_streams(system: System) -> None:
    """With its own key, without the callout; that is all it may do."""

    def run(*words: str) -> str:
        done = subprocess.run(
            [*system.nack, "--inbox-prefix", "_INBOX", *words], capture_output=True, text=True, check=False
        )
        return done.stdout + done.stderr

    assert "Permissions Violation" not in run("stream", "add", "orders", "--subjects", "orders.>", "--defaults")
    system.nats(system.token(), "pub", "orders.created", "hello")
    assert "orders" in run("stream", "ls", "--names")
    assert "Permissions Violation" in run("pub", "orders.created", "hello")


def test_the_doctor_leaves_open_what_the_page_says(system: System) -> None:
    """With a client's token alone; with what it names besides nothing is open, and nothing wrong."""
    open_checks = {check for check, severity in system.doctor().items() if severity == "unknown"}
    operator = {"account key", "allowed account", "auth users", "sentinel"} if is_operator_mode(system) else set()
    assert {"responders"} | operator == open_checks
    evidence = ("--accounts", "nats-setup/jwt", "--sentinel", "nats-setup/creds/sentinel.creds") if operator else ()
    creds = "nats-setup/creds/sys.creds" if operator else "sys"
    found = system.doctor("--sys-creds", creds, *evidence)
    assert {} == {check: severity for check, severity in found.items() if severity not in {"ok", "notice"}}


def test_the_administrator_may_ask_what_the_doctor_asks(system: System) -> None:
    """In server mode nothing else; in operator mode it is the user of whoever looks after the servers."""
    for page in ("", ".CONNZ", ".STATSZ", ".SUBSZ"):
        assert '"server":' in ask(system, f"$SYS.REQ.SERVER.PING{page}")
    for subject in ("$SYS.REQ.SERVER.PING.VARZ", "$SYS.REQ.SERVER.X.RELOAD", "$SYS.REQ.SERVER.X.KICK"):
        assert is_operator_mode(system) != ("Permissions Violation" in ask(system, subject))


def test_the_page_replaces_no_keys(system: System, tools: Path) -> None:
    """Followed again, it stops at a file or a Secret that is there; `callout bootstrap` finds all as it is."""
    mode = "operator-mode" if is_operator_mode(system) else "server-mode"
    before = read_keys(system.home)
    with pytest.raises(subprocess.CalledProcessError):
        follow_page(system.cluster, tools, system.home, mode)
    assert set() != before.keys()
    assert before == read_keys(system.home)


def read_keys(home: Path) -> dict[str, bytes]:
    """What must not be replaced: seeds, and the passwords that Secrets have, too."""
    paths = (
        path for name in ("*.key", "*.nk", "password", "sys*", "url", "nats-setup/**/*.nk") for path in home.glob(name)
    )
    return {str(path): path.read_bytes() for path in paths}


def is_operator_mode(system: System) -> bool:
    """Tell the modes apart by what the service was told."""
    return "NATS_ACCOUNT_SIGNING_KEY_FILE" in system.service.variables


def ask(system: System, subject: str) -> str:
    """Ask something as the system account's user, and return all that is said."""
    words = ("--inbox-prefix", "_INBOX", "request", "--raw", "--timeout", "1s", subject, "{}")
    done = subprocess.run(
        [*system.administrator, *words], capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    return done.stdout + done.stderr
