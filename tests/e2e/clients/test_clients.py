"""docs/clients.md: the Go and Node examples and the commands of the nats CLI, on a real server with the service."""

import asyncio
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.commands import BASH, attempt, run
from tests.interop.environments import Environment
from tests.interop.example_clients import (
    EXAMPLES,
    POD,
    SETTINGS,
    insist_on_tls,
    open_shop,
    outlive_changes,
    outlive_expiries,
    refuse_a_strange_token,
    speak_tls,
    start_environment,
)
from tests.missing import leave_out
from tests.pages import ROOT, blocks
from tests.waiting import until

PAGE = ROOT / "docs/clients.md"
STORY_SECONDS = 180
"""A story that takes longer hangs; every wait inside has a shorter deadline of its own."""
BUILD_SECONDS = 600
"""The first time, packages are fetched and compiled."""
COMMAND_SECONDS = 60
LONG_TTL = "1h"
"""Commands come and go: no login may end between them."""
PYTHON = (sys.executable, str(EXAMPLES / "python/client.py"))


@pytest.fixture(params=SETTINGS, ids=str)
def environment(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Environment]:
    """A server of the test's own, since it is restarted."""
    with start_environment(request.param, tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def go_example(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """The command that runs the Go example, built here."""
    go = find("go")
    program = tmp_path_factory.mktemp("go") / "pod"
    make([go, "build", "-mod=readonly", "-buildvcs=false", "-o", str(program), "."], EXAMPLES / "go")
    return (str(program),)


@pytest.fixture(scope="module")
def node_example(tmp_path_factory: pytest.TempPathFactory) -> Sequence[str]:
    """The command that runs the Node example, with the packages of its lock file."""
    node, npm = find("node"), find("npm")
    folder = tmp_path_factory.mktemp("node") / "pod"
    shutil.copytree(EXAMPLES / "node", folder, ignore=shutil.ignore_patterns("node_modules"))
    make([npm, "ci", "--ignore-scripts", "--no-audit", "--no-fund"], folder)
    return (node, str(folder / "client.mjs"))


@pytest.mark.parametrize("static", [False, True], ids=["responses", "static"])
@pytest.mark.parametrize("language", ["go", "node"])
def test_an_example_outlives_expiries(
    request: pytest.FixtureRequest, environment: Environment, tmp_path: Path, language: str, *, static: bool
) -> None:
    """It gets in as soon as its file holds a good token, and each end of a login is followed by another login."""
    command = request.getfixturevalue(f"{language}_example")
    story = outlive_expiries(environment, tmp_path, command, static=static)
    asyncio.run(asyncio.wait_for(story, STORY_SECONDS))


@pytest.mark.parametrize("language", ["go", "node"])
def test_an_example_outlives_changes(
    request: pytest.FixtureRequest, environment: Environment, tmp_path: Path, language: str
) -> None:
    """A new signing key, a NATS server and a service that are started anew."""
    command = request.getfixturevalue(f"{language}_example")
    asyncio.run(asyncio.wait_for(outlive_changes(environment, tmp_path, command), STORY_SECONDS))


@pytest.mark.parametrize("language", ["go", "node"])
def test_an_example_refuses_a_strange_token(request: pytest.FixtureRequest, tmp_path: Path, language: str) -> None:
    """A line says what is wrong, and nothing of what was found."""
    refuse_a_strange_token(tmp_path, request.getfixturevalue(f"{language}_example"))


@pytest.mark.parametrize("language", ["go", "node"])
def test_an_example_insists_on_tls(request: pytest.FixtureRequest, tmp_path: Path, language: str) -> None:
    """A server that offers none does not see the token."""
    story = insist_on_tls(tmp_path, request.getfixturevalue(f"{language}_example"))
    asyncio.run(asyncio.wait_for(story, STORY_SECONDS))


@pytest.mark.parametrize("language", ["go", "node"])
def test_an_example_speaks_tls(request: pytest.FixtureRequest, tmp_path: Path, language: str) -> None:
    """It gets into a server that is set up as k8s/examples/tls says."""
    story = speak_tls(tmp_path, request.getfixturevalue(f"{language}_example"))
    asyncio.run(asyncio.wait_for(story, STORY_SECONDS))


def test_the_commands_of_the_page_work(tools: Path, environment: Environment, tmp_path: Path) -> None:
    """As they stand there, but for address, files and name: the order arrives, and requests are answered."""
    with_sentinel = environment.setting.mode == "operator-creds"
    marked = [block.commands for block in blocks(PAGE.read_text()) if block.run == "run: e2e"]
    chosen = [commands for commands in marked if ("--creds" in commands) == with_sentinel]
    assert chosen != []

    async def run() -> None:
        async with open_shop(environment, tmp_path, PYTHON, ttl=LONG_TTL) as shop:
            await shop.until_served()
            for commands in chosen:
                printed = await asyncio.to_thread(run_commands, adapt(commands, environment, tmp_path), tools, tmp_path)
                if "request" in commands:
                    assert "in stock" in printed
            if any("pub orders.created hello" in commands for commands in chosen):
                await until(lambda: shop.heard("hello"), COMMAND_SECONDS, "the order has arrived")

    asyncio.run(asyncio.wait_for(run(), STORY_SECONDS))


def adapt(commands: str, environment: Environment, folder: Path) -> str:
    """Put what there is here in the place of what a reader would have."""
    here = {
        "nats://nats.nats-system.svc.cluster.local:4222": environment.url(),
        "/var/run/secrets/nats/token": str(folder / f"{POD.name}.token"),
        "sentinel.creds": str(folder / "sentinel.creds"),
        "_INBOX_orders_checkout": POD.inbox,
    }
    for written, real in here.items():
        commands = commands.replace(written, real)
    return commands


def run_commands(commands: str, tools: Path, home: Path) -> str:
    """Run them with the nats CLI of `tools`, which keeps its contexts in `home`; return what they print."""
    variables = {"PATH": f"{tools}{os.pathsep}{os.defpath}", "HOME": str(home), "XDG_CONFIG_HOME": str(home / "config")}
    ended = attempt([*BASH, commands], env=variables, cwd=home)
    assert (0, ended.stderr) == (ended.returncode, ended.stderr)
    return ended.stdout + ended.stderr


def find(program: str) -> str:
    """The path of a program that this machine need not have."""
    path = shutil.which(program)
    if path is None:
        leave_out(f"{program} is not installed, and an example needs it: install Go, or Debian's nodejs and npm")
    return path


def make(command: Sequence[str], folder: Path) -> None:
    """Run a build; it fails with what the build said."""
    run(command, cwd=folder, timeout=BUILD_SECONDS)
