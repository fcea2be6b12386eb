"""The pages that a reader follows: where they stop, and as a whole where no cluster is needed."""

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from tests.e2e.walked_pages import WALKED, WITH_CLUSTER, WITH_DEMO, WITHOUT_CLUSTER
from tests.e2e.walkthrough import PORTS, Walkthrough
from tests.http_serving import serving
from tests.pages import ROOT, blocks, boxes
from tests.waiting import until_sync

STARTING = [page for page in WALKED if re.search(r"callout serve\) .*&$", page.read_text(), re.MULTILINE)]
"""Those on which the service is started."""
CONFIGURING = re.compile(r"> nats\.conf|bootstrap nats-setup --xkey|offline\.tar")
"""What is in the blocks that make what nats-server is configured by, and in the one that takes a part of it away."""
STARTING_NATS = re.compile("nats-server --config")
"""What is in the block that starts it."""
PROGRAMS = ("callout", "nats-server", "nats", "curl", "jq", "openssl", "kubectl", "helm")
"""What pages need that not every machine has."""
HERE = {"callout", "nats-server"}
"""Those of the virtual environment that the tests run in."""
LOOKING = re.compile(r"^type (.*) > /dev/null$", re.MULTILINE)
CHECKING = [page for page in WALKED if LOOKING.search(page.read_text())]
"""Those that begin with a look at what is installed."""
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
