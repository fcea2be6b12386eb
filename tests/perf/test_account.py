"""The account that may ask, in operator mode: nats-server learns of it, and forgets it again, as the command says."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from callout.doctor.nats_claims import read_account
from perf.account import ANSWERS, ASKS, BEFORE, FOLDER, VALUES
from tests.interop.bootstrapped import CHANGE_SECONDS, Server, bootstrap, read_env, serve
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import BINARIES
from tests.perf.deployed import INCLUDE, ROOT, add_account, complaint, report

SHORT = ("--windows=4", "--seconds=0.2")


@pytest.fixture
def cluster(tmp_path: Path) -> ChangingCluster:
    """A cluster with the ServiceAccount orders/checkout."""
    made = ChangingCluster(tmp_path)
    made.put("orders", "checkout")
    return made


def describe(server: Server, cluster: ChangingCluster, asking: dict[str, str]) -> dict[str, str]:
    """The arguments that say where to ask, and as whom."""
    tokens = server.folder.with_name("tokens")
    tokens.write_text(cluster.token("orders", "checkout"))
    return {"--nats-url": server.url, "--tokens": str(tokens)} | asking


async def ask(arguments: dict[str, str]) -> list[tuple[bool, bool]]:
    """Whether requests were let in, and whether some were not answered, at each point of a short load."""
    points = (await asyncio.to_thread(report, "load", arguments, *SHORT))["points"]
    return [(point["answered"] == point["allowed"] > 0, point["unanswered"] > 0) for point in points]


def test_a_memory_resolver_has_it_for_as_long_as_it_is_included(tmp_path: Path, cluster: ChangingCluster) -> None:
    """One line of nats.conf, and a reload; without that line the user is refused, and clients never notice."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--xkey")
    config = folder / "nats.conf"
    before = config.read_text()

    async def scenario() -> None:
        with Server(BINARIES[0].path, folder) as server:
            async with serve(server, cluster, read_env(folder)):
                arguments = describe(server, cluster, await asyncio.to_thread(add_account, folder))
                assert await server.lets_in(cluster.token("orders", "checkout"))
                for text, known in ((before, False), (before + INCLUDE, True), (before, False)):
                    config.write_text(text)
                    server.reload()
                    if known:
                        assert [(True, False)] * 2 == await ask(arguments)
                    else:
                        line = await asyncio.to_thread(complaint, "load", arguments, *SHORT)
                        assert line.endswith("cannot be asked: -ERR 'Authorization Violation'")
                    assert await server.lets_in(cluster.token("orders", "checkout"))

    asyncio.run(scenario())
    assert "nothing was changed" in bootstrap(folder)


def test_a_full_resolver_is_given_it_and_the_account_as_it_was(tmp_path: Path, cluster: ChangingCluster) -> None:
    """Three requests to the system account; after the last nobody hears who asks, and clients never notice."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--resolver", "full")

    async def scenario() -> None:
        with Server(BINARIES[0].path, folder) as server:
            async with serve(server, cluster, read_env(folder)):
                arguments = describe(server, cluster, await asyncio.to_thread(add_account, folder))
                for name in (ASKS, ANSWERS):
                    await push(server, name)
                assert [(True, False)] * 2 == await ask(arguments)
                assert await server.lets_in(cluster.token("orders", "checkout"))
                await push(server, BEFORE)
                assert [(False, True)] == await ask(arguments)
                assert await server.lets_in(cluster.token("orders", "checkout"))

    asyncio.run(scenario())


async def push(server: Server, name: str) -> None:
    """Give a server one of the JWTs, as the command says."""
    jwt = (server.folder / FOLDER / name).read_bytes()
    async with await server.connect("sys") as administrator:
        reply = await administrator.request("$SYS.REQ.CLAIMS.UPDATE", jwt, timeout=CHANGE_SECONDS)
    assert 200 == json.loads(reply.data)["data"]["code"]


def test_values_for_helm_hold_what_differs(tmp_path: Path) -> None:
    """Both accounts, by their keys; the others' JWTs stay those of the deployment's own values."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    add_account(folder)
    merged: dict[str, Any] = yaml.safe_load((folder / FOLDER / VALUES).read_text())
    preload = merged["config"]["merge"]["resolver_preload"]
    assert ["AUTH_SERVICE", "PERF"] == [read_account(jwt).name for jwt in preload.values()]
    assert list(preload) == [read_account(jwt).key for jwt in preload.values()]


def test_what_is_no_deployment_is_refused(tmp_path: Path) -> None:
    """One line says what is missing, and nothing is written."""
    done = subprocess.run(
        [sys.executable, "-m", "perf.account", str(tmp_path)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    (line,) = done.stderr.splitlines()
    assert (2, "") == (done.returncode, done.stdout)
    assert f"error: {tmp_path / 'bootstrap.json'} cannot be read" in line
    assert [] == list(tmp_path.iterdir())
