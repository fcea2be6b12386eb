"""The pages that a reader follows with a cluster at hand, each carried out from its first command to its last."""

import contextlib
import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.nack import StandIn, install_crds
from tests.e2e.walkthrough import PORTS, Walkthrough
from tests.http_serving import serving
from tests.pages import PAGES, ROOT, blocks, boxes
from tests.waiting import until_sync

ELSEWHERE = ("clients.md",)
"""Its blocks need no cluster, and are run one by one: tests/e2e/clients."""
WALKED = [
    page
    for page in PAGES
    if page.name not in ELSEWHERE and any(block.run == "run: e2e" for block in blocks(page.read_text()))
]
STARTING = [page for page in WALKED if re.search(r"callout serve\) .*&$", page.read_text(), re.MULTILINE)]
"""Those on which the service is started."""
SERVER_MODE, OPERATOR_MODE = (
    re.compile(r"signing\.key|from-file url|server-mode/"),
    re.compile("nats-setup"),
)
"""What is in blocks of one mode alone, on a page that is for both."""
WITHOUT_CLUSTER, WITH_CLUSTER = re.compile(r"\$\{DEMO:"), re.compile(r"kubectl [a-z]")
"""What is in blocks of who has none, and of who has one, on pages that are for both."""
OTHERS = {
    "kubernetes.md": {"-server-mode": OPERATOR_MODE, "-operator-mode": SERVER_MODE},
    "server-mode.md": {"": WITHOUT_CLUSTER},
    "operator-mode.md": {"": WITHOUT_CLUSTER},
}
"""The pages that are for several readers, and what is in the blocks that one of them leaves out."""
ROADS = {
    f"{page.name}{mode}": (page, other) for page in WALKED for mode, other in OTHERS.get(page.name, {"": None}).items()
}
"""Pages, and the blocks that are left out because the reader has taken the other mode, or has a cluster."""
WITH_SECRETS = [
    name
    for name, (page, _) in ROADS.items()
    if re.search(r"^kubectl create (secret generic nack|--filename nats-setup)", page.read_text(), re.MULTILINE)
]
MAKING = re.compile(r"^SERVER_PORT=|create namespace \$|signing\.key|bootstrap nats-setup --(xkey|nack)|secrets\.yaml")
"""What is in the blocks that make namespaces, keys and Secrets, and in the one that names the ports for them."""
CONFIGURING = re.compile(r"> nats\.conf|bootstrap nats-setup --xkey|offline\.tar")
"""What is in the blocks that make what nats-server is configured by, and in the one that takes a part of it away."""
STARTING_NATS = re.compile("nats-server --config")
"""What is in the block that starts it."""
NACK_OBJECTS = ("streams,consumers,keyvalues", "--all-namespaces")
MENDING = "--from-file system --dry-run"
"""What is in the block for a Secret of before."""
PROGRAMS = ("callout", "nats-server", "nats", "curl", "jq", "openssl", "kubectl", "helm")
"""What pages need that not every machine has."""
HERE = {"callout", "nats-server"}
"""Those of the virtual environment that the tests run in."""
LOOKING = re.compile(r"^type (.*) > /dev/null$", re.MULTILINE)
CHECKING = [page for page in WALKED if LOOKING.search(page.read_text())]
"""Those that begin with a look at what is installed."""
WITH_DEMO = [page for page in WALKED if WITHOUT_CLUSTER.search(page.read_text())]
"""The guides, which can be followed without a cluster."""
INVITATION = "Ctrl-C ends the demo."
NAMED = re.compile(r"^  (DEMO)=(\S+)$", re.MULTILINE)
"""The line by which the demo says what the guides are to call its folder."""
DEADLINE_S = 60


def has_cluster(commands: str) -> bool:
    """Whether a reader who has one runs a block."""
    return WITHOUT_CLUSTER.search(commands) is None


def needs_no_cluster(commands: str) -> bool:
    """Whether a reader who has none runs a block."""
    return WITH_CLUSTER.search(commands) is None


def is_for_everybody(commands: str) -> bool:
    """Whether a reader runs a block, with a cluster or without."""
    return has_cluster(commands) and needs_no_cluster(commands)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[dict[str, str]]:
    """What a demo that stays up has its user set; its ServiceAccounts may be edited."""
    accounts, output = tmp_path / "accounts", tmp_path / "output"
    shutil.copytree(ROOT / "k8s/examples/serviceaccounts", accounts)
    with output.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "callout", "demo", "--serviceaccounts", accounts],
            cwd=ROOT,
            env={**os.environ, "TMPDIR": str(tmp_path), "PYTHONUTF8": "1"},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        until_sync(lambda: INVITATION in output.read_text(), DEADLINE_S, "the demo stays up")
        yield dict(NAMED.findall(output.read_text()))
    finally:
        process.terminate()
        process.wait(DEADLINE_S)


@pytest.mark.parametrize("page", CHECKING, ids=lambda page: page.name)
def test_what_a_page_runs_is_looked_for(page: Path) -> None:
    """All of it and nothing else, whoever follows the page."""
    commands = "\n".join(block.commands for block in blocks(page.read_text()) if block.run == "run: e2e")
    used = {
        name
        for name in PROGRAMS
        if re.search(rf"(?:^|[\"|&;({{]|\b(?:do|exec|then|until)\b) *{name} (?!\S* > /dev)", commands, re.MULTILINE)
    }
    looked_for = LOOKING.search(commands)
    assert looked_for is not None
    assert used == set(looked_for[1].split())


@pytest.mark.parametrize("page", CHECKING, ids=lambda page: page.name)
def test_programs_that_are_missing_are_named(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, before anything is made."""
    installed, folder = tmp_path / "installed", tmp_path / "reader"
    installed.mkdir()
    folder.mkdir()
    for name in ("bash", "setpriv"):
        (installed / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setenv("PATH", str(installed))
    with Walkthrough(page, installed, folder, tmp_path / "none") as walk, pytest.raises(AssertionError, match="failed"):
        walk.run()
    looked_for = LOOKING.search(page.read_text())
    assert looked_for is not None
    missing = re.findall(r"type: (\S+): not found", (folder / "page.log").read_text())
    assert sorted(set(looked_for[1].split()) - HERE) == sorted(missing)
    assert {"page.sh", "page.log"} == {path.name for path in folder.iterdir()}


@pytest.mark.parametrize("page", WITH_DEMO, ids=lambda page: page.name)
def test_a_page_can_be_followed_without_a_cluster(
    page: Path, tools: Path, demo: dict[str, str], tmp_path: Path
) -> None:
    """The demo issues the token, and its ServiceAccounts are annotated: the client gets what it asks, all is well."""
    folder = tmp_path / "reader"
    folder.mkdir()
    with Walkthrough(page, tools, folder, tmp_path / "none", needs_no_cluster, demo) as walk:
        said = walk.run()
        assert walk.left == []
    assert "audit.orders" in said
    assert "\n?      issuer" in said
    assert "Nothing wrong was found, 1 could not be checked" in said


@pytest.mark.parametrize("page", STARTING, ids=lambda page: page.name)
def test_a_port_that_is_taken_stops_a_page(page: Path, tools: Path, tmp_path: Path) -> None:
    """Somebody else's pages are not taken for the service's, which is not started beside them."""
    with Walkthrough(page, tools, tmp_path, tmp_path / "none", is_for_everybody) as walk:
        taken = int(walk.ports["8080"])
        with (
            serving(HTTPServer(("127.0.0.1", taken), SimpleHTTPRequestHandler)),
            pytest.raises(AssertionError, match=f"port {taken} is taken: "),
        ):
            walk.run()
        assert [] == [command for command in walk.left if not command.startswith("nats-server ")]


@pytest.mark.parametrize("port", PORTS)
@pytest.mark.parametrize("page", WITH_DEMO, ids=lambda page: page.name)
def test_who_holds_a_port_is_said_before_anything_is_made(page: Path, port: str, tools: Path, tmp_path: Path) -> None:
    """Be it that of NATS or that of the service's pages."""
    with Walkthrough(page, tools, tmp_path, tmp_path / "none", is_for_everybody) as walk:
        taken = int(walk.ports[port])
        with (
            socket.create_server(("127.0.0.1", taken)),
            pytest.raises(AssertionError, match=rf"port {taken} is taken: .*\n.*,pid={os.getpid()},"),
        ):
            walk.run()
        assert [] == walk.left
    assert {"page.sh", "page.log"} == {path.name for path in tmp_path.iterdir()}


@pytest.mark.parametrize("page", WITH_DEMO, ids=lambda page: page.name)
def test_a_server_that_does_not_start_stops_a_guide(page: Path, tools: Path, tmp_path: Path) -> None:
    """Its last words are said where it was started, and no service is started after it."""

    def is_taken(commands: str) -> bool:
        return is_for_everybody(commands) and not CONFIGURING.search(commands)

    with Walkthrough(page, tools, tmp_path, tmp_path / "none", is_taken) as walk:
        with pytest.raises(AssertionError, match=r"nats-server: open \S*nats\.conf: no such file or directory\n$"):
            walk.run()
        assert [] == walk.left


@pytest.mark.parametrize("page", WITH_DEMO, ids=lambda page: page.name)
def test_no_service_stays_without_its_server(page: Path, tools: Path, demo: dict[str, str], tmp_path: Path) -> None:
    """Where nats-server has ended meanwhile the guide stops, and leaves nothing that runs."""
    folder = tmp_path / "reader"
    folder.mkdir()
    ended = subprocess.Popen(["true"])
    ended.wait()

    def is_taken(commands: str) -> bool:
        return needs_no_cluster(commands) and not STARTING_NATS.search(commands)

    more = {**demo, "SERVER": str(ended.pid)}
    with Walkthrough(page, tools, folder, tmp_path / "none", is_taken, more) as walk:
        with pytest.raises(AssertionError, match=rf"\({ended.pid}\) - No such process"):
            walk.run()
        # The look at the settings, if it had begun, comes to its end by itself, and nothing follows it.
        assert [] == [command for command in walk.left if not command.endswith("callout config")]


@pytest.mark.parametrize("page", STARTING, ids=lambda page: page.name)
def test_a_service_that_does_not_start_is_not_waited_for(page: Path, tools: Path, tmp_path: Path) -> None:
    """One line says why, and the next command that it has ended."""
    kubeconfig = tmp_path / "broken"
    kubeconfig.write_text("{")
    with (
        Walkthrough(page, tools, tmp_path, kubeconfig, is_for_everybody) as walk,
        pytest.raises(AssertionError, match="failed with 1:"),
    ):
        walk.run()
    assert 1 == (tmp_path / "page.log").read_text().count(f"callout: KUBECONFIG: the kubeconfig {kubeconfig} ")


@pytest.mark.parametrize("name", ["signing.key", "password", "sys", "nats.conf", "callout.env"])
def test_a_file_that_is_there_stays(name: str, tools: Path, tmp_path: Path) -> None:
    """Server mode in a folder that is not empty: it stops, and makes nothing beside it."""
    [page] = (page for page in WALKED if page.name == "server-mode.md")
    (tmp_path / name).write_text("mine")
    with (
        Walkthrough(page, tools, tmp_path, tmp_path / "none", is_for_everybody) as walk,
        pytest.raises(AssertionError, match=name),
    ):
        walk.run()
    assert "mine" == (tmp_path / name).read_text()
    assert {name, "page.sh", "page.log"} == {path.name for path in tmp_path.iterdir()}


def test_another_terminal_takes_the_password_of_before(tools: Path, tmp_path: Path) -> None:
    """Server mode, each file made in a terminal of its own: server and service have the same, and nobody else."""
    [page] = (page for page in WALKED if page.name == "server-mode.md")

    def follow(making: str) -> None:
        def is_taken(commands: str) -> bool:
            return commands.startswith("SERVER_PORT=") or making in commands

        with Walkthrough(page, tools, tmp_path, tmp_path / "none", is_taken) as walk:
            walk.run()

    for making in ("> password", "cat > nats.conf", "cat > callout.env"):
        follow(making)
    password = (tmp_path / "password").read_text().strip()
    assert f'user: callout, password: "{password}"' in (tmp_path / "nats.conf").read_text()
    assert f"//callout:{password}@" in (tmp_path / "callout.env").read_text()
    modes = {name: (tmp_path / name).stat().st_mode & 0o777 for name in ("password", "nats.conf", "callout.env")}
    assert dict.fromkeys(modes, 0o600) == modes


def test_what_a_page_shows_has_to_be_printed(tools: Path, tmp_path: Path) -> None:
    """By the block above it, in a page whose commands all succeed."""
    page = tmp_path / "page.md"
    page.write_text("<!-- run: e2e -->\n```bash\necho hello\n```\n\n<!-- shown -->\n```text\n…llo\nworld\n```\n")
    with (
        Walkthrough(page, tools, tmp_path, tmp_path / "none") as walk,
        pytest.raises(AssertionError, match=r"not printed: \['world'\]$"),
    ):
        walk.run()


@pytest.mark.parametrize("page", WALKED, ids=lambda page: page.name)
def test_all_that_is_marked_as_shown_is_looked_for(page: Path) -> None:
    """Below a block that is run."""
    text = page.read_text()
    run = {block.line for block in blocks(text) if block.run == "run: e2e"}
    assert text.count("<!-- shown -->") == len([box for box in boxes(text) if box.line in run])


def test_the_chart_of_another_clone_is_not_taken(tools: Path, tmp_path: Path) -> None:
    """Operator mode in a folder that has a k8s: it stops, and says which one it is."""
    [page] = (page for page in WALKED if page.name == "operator-mode.md")
    other = tmp_path / "another/k8s"
    other.mkdir(parents=True)
    (tmp_path / "k8s").symlink_to(other)
    with (
        Walkthrough(page, tools, tmp_path, tmp_path / "none", lambda one: "ln -s" in one) as walk,
        pytest.raises(AssertionError, match=f"another clone: {other}\n$"),
    ):
        walk.run()


@pytest.mark.parametrize(("page", "other"), ROADS.values(), ids=ROADS)
def test_a_page_can_be_followed(page: Path, other: re.Pattern[str] | None, tools: Path, tmp_path: Path) -> None:
    """Each command works as it stands, on a cluster that nobody else has used."""
    folder = tmp_path / "reader"
    folder.mkdir()
    (tmp_path / "cluster").mkdir()
    with contextlib.ExitStack() as running:
        cluster = running.enter_context(Cluster(tools, tmp_path / "cluster"))
        walk = running.enter_context(
            Walkthrough(
                page,
                tools,
                folder,
                cluster.kubectl.kubeconfig,
                lambda commands: other is None or not other.search(commands),
            )
        )
        if page.name == "kubernetes.md":
            (folder / "k8s").symlink_to(ROOT / "k8s")
        if page.name == "upgrade.md":
            make_secret_of_before(cluster)
        if page.name == "nack.md":
            install_crds(cluster)
            address = f"nats://127.0.0.1:{walk.ports['4222']}"
            creds = folder / "nats-setup/creds/nack.creds"
            running.enter_context(StandIn(cluster, tools, tmp_path, address, creds))
        said = walk.run()
    assert page not in WITH_DEMO or "\nAll well" in said


@pytest.mark.parametrize("road", WITH_SECRETS)
def test_a_page_makes_no_secret_beside_others(road: str, tools: Path, tmp_path: Path) -> None:
    """Followed again in an empty folder, it stops before it makes or replaces any, as long as one is there."""
    page, other = ROADS[road]

    def is_taken(commands: str) -> bool:
        return MAKING.search(commands) is not None and (other is None or not other.search(commands))

    def follow(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        with Walkthrough(page, tools, folder, cluster.kubectl.kubeconfig, is_taken) as walk:
            walk.run()

    (tmp_path / "cluster").mkdir()
    with Cluster(tools, tmp_path / "cluster") as cluster:
        follow("first")
        made = read_secrets(cluster)
        assert 3 == len(made)
        while made:
            with pytest.raises(AssertionError, match="AlreadyExists"):
                follow(f"beside-{len(made)}")
            assert made == read_secrets(cluster)
            last = made.pop()["metadata"]
            cluster.kubectl("delete", "secret", last["name"], "--namespace", last["namespace"])


def test_a_password_that_is_there_is_kept(tools: Path, tmp_path: Path) -> None:
    """A Secret of before gets one, and keeps it, whatever folder the page is followed in."""
    [page] = (page for page in WALKED if page.name == "upgrade.md")

    def follow(name: str) -> list[str]:
        folder = tmp_path / name
        folder.mkdir()
        with Walkthrough(page, tools, folder, cluster.kubectl.kubeconfig, lambda one: MENDING in one) as walk:
            walk.run()
        return sorted(path.name for path in folder.iterdir() if path.suffix == "" and path.is_file())

    (tmp_path / "cluster").mkdir()
    with Cluster(tools, tmp_path / "cluster") as cluster:
        make_secret_of_before(cluster)
        assert ["sys", "system"] == follow("first")
        [made] = read_secrets(cluster)
        assert {"password", "system"} == set(made["data"])
        assert [] == follow("second")
        assert [made] == read_secrets(cluster)


def test_a_stream_of_others_stays(tools: Path, tmp_path: Path) -> None:
    """NACK's objects are made only where none of their names is taken, and what is there is not changed."""
    [page] = (page for page in WALKED if page.name == "nack.md")
    folder = tmp_path / "reader"
    folder.mkdir()
    (tmp_path / "cluster").mkdir()
    with Cluster(tools, tmp_path / "cluster") as cluster:
        install_crds(cluster)
        cluster.kubectl.apply(
            {
                "apiVersion": "jetstream.nats.io/v1beta2",
                "kind": "Stream",
                "metadata": {"name": "events", "namespace": "default"},
                "spec": {"name": "events", "subjects": ["events.>"]},
            }
        )
        before = cluster.kubectl.read(*NACK_OBJECTS)["items"]
        kubeconfig = cluster.kubectl.kubeconfig
        with (
            Walkthrough(page, tools, folder, kubeconfig, lambda one: "kind: KeyValue" in one) as walk,
            pytest.raises(AssertionError, match="AlreadyExists"),
        ):
            walk.run()
        assert before == cluster.kubectl.read(*NACK_OBJECTS)["items"]


def make_secret_of_before(cluster: Cluster) -> None:
    """What step 2 of the page on the chart made when the servers' account had no user."""
    cluster.kubectl("create", "namespace", "nats-system")
    cluster.kubectl("create", "secret", "generic", "nats-server", "-n", "nats-system", "--from-literal=password=p")


def read_secrets(cluster: Cluster) -> list[dict[str, Any]]:
    """All Secrets, ordered by namespace and name."""
    items: list[dict[str, Any]] = cluster.kubectl.read("secrets", "--all-namespaces")["items"]
    return items
