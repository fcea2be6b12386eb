"""docs/clients.md: the Python example does what the page says of it, and the page shows the examples as they are."""

import asyncio
import re
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from nats.aio.client import Client

from k8s.examples.clients.python.client import PodConnection, private_inbox
from tests.greeting_server import INFO, GreetingServer, say
from tests.interop.cast import CAST
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.interop.example_clients import (
    EXAMPLES,
    SETTINGS,
    STEP_SECONDS,
    insist_on_tls,
    outlive_changes,
    outlive_expiries,
    refuse_a_strange_token,
    speak_tls,
    start_environment,
)
from tests.pages import ROOT
from tests.waiting import until

PAGE = ROOT / "docs/clients.md"
PYTHON = (sys.executable, str(EXAMPLES / "python/client.py"))
TOLD = b'"auth_token"'
CODE = re.compile(r"(?:<!-- from: (\S+) -->\n)?```(python|go|js|yaml|json)\n(.*?)```", re.DOTALL)


@pytest.fixture(params=SETTINGS, ids=str)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    """A server of the test's own, since it is restarted."""
    with start_environment(request.param, tmp_path) as running:
        yield running


@pytest.mark.parametrize("static", [False, True], ids=["responses", "static"])
async def test_the_python_example_outlives_expiries(environment: Environment, tmp_path: Path, *, static: bool) -> None:
    """It gets in as soon as its file holds a good token, and each end of a login is followed by another login."""
    await outlive_expiries(environment, tmp_path, PYTHON, static=static)


async def test_the_python_example_outlives_changes(environment: Environment, tmp_path: Path) -> None:
    """A new signing key, a NATS server and a service that are started anew."""
    await outlive_changes(environment, tmp_path, PYTHON)


def test_the_python_example_refuses_a_strange_token(tmp_path: Path) -> None:
    """A line says what is wrong, and nothing of what was found."""
    refuse_a_strange_token(tmp_path, PYTHON)


async def test_the_python_example_insists_on_tls(tmp_path: Path) -> None:
    """A server that offers none does not see the token."""
    await insist_on_tls(tmp_path, PYTHON)


async def test_the_python_example_speaks_tls(tmp_path: Path) -> None:
    """It gets into a server that is set up as k8s/examples/tls says."""
    await speak_tls(tmp_path, PYTHON)


async def rest(_: Client) -> None:
    """Subscribe to nothing."""


@pytest.mark.parametrize("first", [True, False], ids=["tls-first", "tls"])
async def test_what_nats_py_shows_to_a_server_without_tls(
    cluster: ChangingCluster, tmp_path: Path, *, first: bool
) -> None:
    """The token, as the page says, unless it has to begin with TLS."""
    file = tmp_path / "token"
    file.write_text(cluster.token("orders", "checkout"))
    async with GreetingServer(say(INFO)) as server:
        options = {"tls": ssl.create_default_context(), "tls_handshake_first": first}
        pod = PodConnection([f"tls://127.0.0.1:{server.port}"], file, rest, **options)
        running = asyncio.create_task(pod.run())
        try:
            await until(lambda: server.connections > 1 or TOLD in server.heard, STEP_SECONDS, "it has tried")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
        assert first == (TOLD not in server.heard)


def test_the_private_inbox_is_that_of_the_policy(cluster: ChangingCluster) -> None:
    """As read from the token's claims."""
    inboxes = [private_inbox(cluster.token(account.namespace, account.name)) for account in CAST]
    assert [account.inbox for account in CAST] == inboxes


def test_the_page_shows_the_examples_as_they_are() -> None:
    """Each block of code is a part of the file that it names."""
    blocks = [(match[1], match[3]) for match in CODE.finditer(PAGE.read_text())]
    assert [] == [code for source, code in blocks if source is None]
    assert [] == [code for source, code in blocks if code not in (ROOT / source).read_text()]
    sources = {source for source, _ in blocks}
    assert sources >= {str(path.relative_to(ROOT)) for path in (EXAMPLES / "pod.yaml", EXAMPLES / "python/client.py")}


def test_the_pod_projects_a_token_that_the_service_takes() -> None:
    """Audience `nats`, where the examples look for it, and read-only."""
    pod = yaml.safe_load((EXAMPLES / "pod.yaml").read_text())["spec"]
    [volume], [container] = pod["volumes"], pod["containers"]
    [source] = volume["projected"]["sources"]
    [mount] = container["volumeMounts"]
    assert {"path": "token", "audience": "nats", "expirationSeconds": 3600} == source["serviceAccountToken"]
    assert {"name": volume["name"], "mountPath": "/var/run/secrets/nats", "readOnly": True} == mount


def test_the_lock_file_names_no_registry() -> None:
    """Packages come from where the configuration of npm says."""
    assert [] == re.findall(r'"resolved"|https?:', (EXAMPLES / "node/package-lock.json").read_text())
