"""The examples as a whole: NATS, the callout with the rights of its release, a client, NACK.

Every nats-server has an address of its own on loopback, and what a cluster's DNS says stands in a file of hosts that
they and the callout have: the name of a pod leads to its server, that of the Service to all of them, in their order.
"""

import base64
import contextlib
import json
import os
import re
import signal
import sys
from collections.abc import Iterator, Mapping
from functools import reduce
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from tests.commands import BASH, attempt, run
from tests.e2e.chart.helm import CHART, RELEASE, Helm, container_of, merge, pod_of, read_objects
from tests.e2e.chart.nats_chart import CLIENT_PORT, ROUTE_PORT, STORE, list_servers, render_config, write_config
from tests.e2e.cluster import Cluster
from tests.e2e.deployment import logged
from tests.e2e.nats_cli import NatsCli
from tests.e2e.pod import UNSHARE, Pod, need_mounts
from tests.e2e.server_process import HeldPort, ServerProcess
from tests.interop.environments import BINARIES
from tests.pages import ROOT, blocks
from tests.service import SERVE, Service

NAMESPACE: Final = "nats-system"
CLIENT: Final = ("checkout", "orders")
PAGE: Final = ROOT / "docs/kubernetes.md"
KUSTOMIZATION: Final = ROOT / "k8s/examples/kustomize"
THREE_SERVERS: Final = "k8s/examples/production/1-nats.yaml"
DOCTOR_SECONDS: Final = 120
CALLOUT: Final = SERVE[0]
SERVICE_NAME: Final = "nats.nats-system.svc.cluster.local"
HOSTS: Final = (*UNSHARE, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec "$@"')
"""Runs a program, named after a file, with that file for its hosts."""
DIES_WITH_US: Final = ("setpriv", "--pdeathsig", "KILL")
"""Once more, since a namespace of its own may cost a process what it was told of that before."""


class Example(msgspec.Struct, frozen=True):
    """One of the two modes, or the plain manifests for one.

    Attributes:
        mode: the part of docs/kubernetes.md that makes the Secrets.
        nats: values of the official chart, in their order; `callout bootstrap` has written what is in `nats-setup`.
        callout: values of our chart, in their order; without any it is k8s/examples/kustomize.
        nack: what NACK's user logs in with.
        system: the file with what the system account's user logs in with.
    """

    mode: str
    nats: tuple[str, ...]
    callout: tuple[str, ...]
    nack: tuple[str, ...]
    system: str = "sys"


SERVER_MODE: Final = Example(
    "server-mode",
    ("k8s/examples/server-mode/1-nats.yaml",),
    ("k8s/examples/server-mode/2-callout.yaml",),
    ("--nkey", "nack.nk"),
)
OPERATOR_MODE: Final = Example(
    "operator-mode",
    ("nats-setup/helm/nats.yaml",),
    ("nats-setup/helm/callout.yaml", "k8s/examples/operator-mode/2-callout.yaml"),
    ("--creds", "nats-setup/creds/nack.creds"),
    "nats-setup/creds/sys.creds",
)


class Server:
    """A nats-server: a pod of the chart's StatefulSet.

    Args:
        name: the pod's.
        address: where it listens.
        config: the members of its nats.conf.
        hosts: the file of hosts that it is started with.
        folder: an existing folder for its files.
        variables: its environment.

    Attributes:
        name: the pod's.
        url: for clients.
        config: the members of its nats.conf.
    """

    def __init__(
        self,
        name: str,
        address: str,
        config: Mapping[str, Any],
        hosts: Path,
        folder: Path,
        variables: Mapping[str, str],
    ) -> None:
        self.name = name
        self.url = f"nats://{address}:{config['port']}"
        self.config = config
        path = folder / f"{name}.conf"
        path.write_text(write_config(config))
        self._command = (*HOSTS, hosts, *DIES_WITH_US, BINARIES[0].path, "-c", path)
        self._process = ServerProcess(name, folder / f"{name}.log", variables)

    def start(self) -> None:
        """Start it, the first time or again, and wait until it takes clients."""
        seen = len(self.log())
        self._process.start(self._command, lambda: "Server is ready" in self.log()[seen:])

    def log(self) -> str:
        """All that it has logged, over all its starts."""
        path = self._process.log_path
        return path.read_text() if path.exists() else ""

    def send(self, one: signal.Signals) -> None:
        """Send it a signal."""
        os.kill(self._process.pid, one)

    def stop(self) -> None:
        """Ask it to end, and wait for it; nothing if it does not run."""
        self._process.stop()


class System(msgspec.Struct, frozen=True):
    """The example, running.

    Attributes:
        cluster: where it runs.
        servers: the nats-servers.
        nats: the CLI on the first of them.
        nack: the words with which NACK's user logs in.
        administrator: the same of the system account's user.
        service: the callout.
        home: where the page was followed.
        within: what a program is started with to be where the service is.
    """

    cluster: Cluster
    servers: tuple[Server, ...]
    nats: NatsCli
    nack: tuple[str, ...]
    administrator: tuple[str, ...]
    service: Service
    home: Path
    within: tuple[str, ...]

    @property
    def is_operator_mode(self) -> bool:
        """Tell the modes apart by what the service was told."""
        return "NATS_ACCOUNT_SIGNING_KEY_FILE" in self.service.variables

    def doctor(self, *words: str) -> dict[str, dict[str, Any]]:
        """Run `callout doctor` where the service runs, as that client; return what it found, by check."""
        token = ("--live", "--json", "--token", "-", "--metrics-url", f"http://127.0.0.1:{self.service.port}/metrics")
        done = attempt(
            [*self.within, CALLOUT, "doctor", *token, *words],
            env=self.service.variables,
            cwd=self.home,
            stdin=self.token(),
            timeout=DOCTOR_SECONDS,
        )
        assert "" == done.stderr
        return {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}

    def token(self) -> str:
        """A token of the example's client."""
        name, namespace = CLIENT
        return self.cluster.create_token(namespace, name, "--audience=nats")

    def ask(self, subject: str, *words: str) -> str:
        """Ask something as the system account's user, and return all that is said."""
        more = ("--inbox-prefix", "_INBOX", "request", "--raw", "--timeout", "1s", *words, subject, "{}")
        done = attempt([*self.administrator, *more])
        return done.stdout + done.stderr


@contextlib.contextmanager
def run_system(example: Example, tools: Path, folder: Path) -> Iterator[System]:
    """Run all of it inside the block, in a cluster of its own: the names are those of the example."""
    mounted, home, state = (folder / name for name in ("mounted", "home", "cluster"))
    for one in (mounted, home, state):
        one.mkdir()
    (home / "k8s").symlink_to(ROOT / "k8s")
    need_mounts(mounted)
    with contextlib.ExitStack() as running:
        cluster = running.enter_context(Cluster(tools, state))
        ports = {one: running.enter_context(HeldPort()).number for one in (CLIENT_PORT, ROUTE_PORT)}
        follow_page(cluster, tools, home, read_steps(example))
        objects = install(cluster, Helm(tools / "helm", home, cluster.kubectl.kubeconfig), home, example.callout)
        cluster.kubectl("create", "namespace", CLIENT[1])
        cluster.kubectl("apply", "-f", str(ROOT / "k8s/examples/client.yaml"))

        values = reduce(merge, [yaml.safe_load((home / name).read_text()) for name in example.nats])
        hosts = folder / "hosts"
        servers = make_servers(cluster, values, ports, hosts, home)
        for server in servers:
            running.callback(server.stop)
            server.start()
        pod = Pod(cluster, mounted)
        pod.renew_token(cluster.create_token(NAMESPACE, RELEASE))
        command = (*HOSTS, str(hosts), *pod.command)
        variables = adapt(read_variables(cluster, objects), home / "files", ports[CLIENT_PORT]) | pod.variables
        put_files(cluster, objects, home / "files")
        service = running.enter_context(Service(variables, command=command))
        logged(service, "ready")
        option, name = example.nack
        cli = (str(tools / "nats"), "--server", servers[0].url)
        yield System(
            cluster,
            servers,
            NatsCli(tools / "nats", servers[0].url, home),
            (*cli, option, str(home / name)),
            (*cli, *log_in(home / example.system)),
            service,
            home,
            command[: -len(SERVE)],
        )


def install(cluster: Cluster, helm: Helm, home: Path, files: tuple[str, ...]) -> list[dict[str, Any]]:
    """Install the callout with these values, or without Helm if there are none, and give what was installed."""
    if not files:
        cluster.kubectl("apply", "-k", str(KUSTOMIZATION))
        return read_objects(cluster.kubectl("kustomize", str(KUSTOMIZATION)))
    values = (word for name in files for word in ("--values", str(home / name)))
    words = ("--namespace", NAMESPACE, *values, "--set", "image.repository=registry.internal/x")
    helm("install", RELEASE, str(CHART), *words)
    return read_objects(helm("get", "manifest", RELEASE, "--namespace", NAMESPACE))


def read_steps(example: Example) -> str:
    """The commands of docs/kubernetes.md that make namespaces and Secrets for an example."""
    beginning = PAGE.read_text().partition("\n## 3.")[0]
    _, for_both, *parts = re.split("^##+ (?=2|[A-Z][a-z]+ mode$)", beginning, flags=re.MULTILINE)
    [own] = (part for part in parts if part.startswith(example.mode.replace("-", " ").capitalize()))
    more = read_section("Three servers") if THREE_SERVERS in example.nats else ""
    return _list_commands(for_both) + _list_commands(own) + more


def read_section(title: str) -> str:
    """The commands of one section of the page that tests run."""
    return _list_commands(PAGE.read_text().partition(f"\n## {title}\n")[2].partition("\n## ")[0])


def _list_commands(part: str) -> str:
    return "".join(block.commands for block in blocks(part) if block.run)


def follow_page(cluster: Cluster, tools: Path, home: Path, steps: str) -> str:
    """Run commands of the page and return what they print; `AssertionError` with what they said if one fails."""
    search = (str(Path(sys.prefix) / "bin"), str(tools), os.environ["PATH"])
    variables = {
        "PATH": os.pathsep.join(search),
        "HOME": str(home),
        "KUBECONFIG": str(cluster.kubectl.kubeconfig),
    }
    return run([*BASH, steps], env=variables, cwd=home)


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


def make_servers(
    cluster: Cluster, values: Mapping[str, Any], ports: Mapping[int, int], hosts: Path, folder: Path
) -> tuple[Server, ...]:
    """Make the servers that values of the official chart ask for; none of them is started."""
    names = list_servers(values)
    addresses = {name: address_of(number) for number, name in enumerate(names)}
    hosts.write_text(write_hosts(addresses))
    variables = read_environment(cluster, values)
    places = put_certificates(cluster, values, folder)
    return tuple(
        Server(
            name,
            addresses[name],
            settle(render_config(values, name), addresses[name], ports, {**places, STORE: str(folder / f"{name}-js")}),
            hosts,
            folder,
            variables,
        )
        for name in names
    )


def address_of(number: int) -> str:
    """Where that server listens: not on 127.0.0.1, where each takes a route for one to itself, and leaves it alone."""
    return f"127.0.0.{number + 2}"


def write_hosts(addresses: Mapping[str, str]) -> str:
    """What the cluster's DNS says of pods, by name, and of the Service."""
    lines = ["127.0.0.1 localhost"]
    for name, address in addresses.items():
        lines += [f"{address} {name}.nats-headless", f"{address} {SERVICE_NAME}"]
    return "".join(f"{line}\n" for line in lines)


def read_environment(cluster: Cluster, values: Mapping[str, Any]) -> dict[str, str]:
    """The variables of the servers' container, those from Secrets among them."""
    variables = {}
    for name, value in values.get("container", {}).get("env", {}).items():
        source = None if isinstance(value, str) else value["valueFrom"]["secretKeyRef"]
        variables[name] = read_secret(cluster, source["name"])[source["key"]] if source else value
    return variables


def put_certificates(cluster: Cluster, values: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """Put what the Secret for routes holds into a folder; return that by the folder of the pod, if there is any."""
    tls = values["config"].get("cluster", {}).get("tls", {})
    if not tls:
        return {}
    place = folder / "routes"
    place.mkdir()
    for name, content in read_secret(cluster, tls["secretName"]).items():
        (place / name).write_text(content)
    return {tls["dir"]: str(place)}


def settle(
    members: Mapping[str, Any], address: str, ports: Mapping[int, int], places: Mapping[str, str]
) -> dict[str, Any]:
    """Put what is there on this machine in the place of what a pod would have: address, ports, folders."""
    text = json.dumps(members).replace(f':{ROUTE_PORT}"', f':{ports[ROUTE_PORT]}"')
    for there, here in places.items():
        text = text.replace(f'"{there}', f'"{here}')
    settled: dict[str, Any] = json.loads(text) | {"host": address, "port": ports[CLIENT_PORT]}
    if "cluster" in settled:
        settled["cluster"] |= {"host": address, "port": ports[ROUTE_PORT]}
    return settled


def read_variables(cluster: Cluster, objects: list[dict[str, Any]]) -> dict[str, str]:
    """The variables of the container, those from Secrets among them."""
    variables = {}
    for one in container_of(objects)["env"]:
        source = one.get("valueFrom", {}).get("secretKeyRef")
        variables[one["name"]] = read_secret(cluster, source["name"])[source["key"]] if source else one["value"]
    return variables


def adapt(variables: Mapping[str, str], files: Path, port: int) -> dict[str, str]:
    """Put what is there on this machine in the place of what a pod would have: NATS's port, the mounted folder."""
    here = {f"{SERVICE_NAME}:{CLIENT_PORT}": f"{SERVICE_NAME}:{port}", "/etc/nats-k8s-oidc-callout": str(files)}
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
