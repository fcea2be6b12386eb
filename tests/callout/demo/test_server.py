"""The demo's nats-server: a real one is started, asked, and complained of if it does not start."""

import asyncio
import re
from pathlib import Path

import msgspec
import pytest
from nats.aio.client import Client

from callout.demo.config import Plan, render_config
from callout.demo.server import Server, find_binary, run_server
from callout.errors import CommandError
from callout.secret import Secret


def plan(folder: Path, **members: object) -> Plan:
    """A server with these members in its configuration, and nothing else to speak of."""
    return Plan(render_config(members, folder), {}, Secret(""), {}, "")


def test_it_says_where_it_is_and_which_it_is(tmp_path: Path) -> None:
    """On ports that were free; and it ends with the block."""

    async def run() -> Server:
        async with run_server(find_binary(), plan(tmp_path), tmp_path) as server:
            assert server.process.returncode is None
            return server

    server = asyncio.run(run())
    assert re.fullmatch(r"nats://127\.0\.0\.1:\d+", server.url)
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.monitoring_url)
    assert re.fullmatch(r"2\.\d+\.\d+.*", server.version)
    assert server.process.returncode is not None


def test_it_tells_the_account_of_a_connection(tmp_path: Path) -> None:
    """By the connection's number; of one that there is not, and of a server that is gone, nothing."""

    async def run() -> tuple[str, str, str]:
        accounts = {"APP": {"users": [{"user": "u", "password": "p"}]}}
        async with run_server(find_binary(), plan(tmp_path, accounts=accounts), tmp_path) as server:
            client = Client()
            await client.connect(server.url, user="u", password="p")
            found = await server.find_account(client.client_id), await server.find_account(12_345)
            await client.close()
        return (*found, await server.find_account(1))

    assert ("APP", "", "") == asyncio.run(run())


def test_a_server_that_does_not_start_says_why(tmp_path: Path) -> None:
    """Its own last words, in one line."""

    async def run() -> None:
        async with run_server(find_binary(), plan(tmp_path, port="nonsense"), tmp_path):
            raise AssertionError("it has started")

    with pytest.raises(CommandError, match=r"^nats-server does not start; the last thing it said: .*[^\n]$") as caught:
        asyncio.run(run())
    assert "nats.conf:" in str(caught.value)


def test_a_server_that_hangs_is_told_by_its_silence(tmp_path: Path) -> None:
    """A program that says nothing and ends is complained of all the same."""
    silent = tmp_path / "nats-server"
    silent.write_text("#!/bin/sh\nexit 1\n")
    silent.chmod(0o700)

    async def run() -> None:
        async with run_server(silent, plan(tmp_path), tmp_path):
            raise AssertionError("it has started")

    with pytest.raises(CommandError, match=r"the last thing it said: nothing$"):
        asyncio.run(run())


def test_the_configuration_is_private(tmp_path: Path) -> None:
    """It holds the service's password."""

    async def run() -> int:
        async with run_server(find_binary(), plan(tmp_path), tmp_path):
            return (tmp_path / "nats.conf").stat().st_mode & 0o777

    assert 0o600 == asyncio.run(run())
    assert msgspec.structs.asdict(plan(tmp_path))["login"] == Secret("")
