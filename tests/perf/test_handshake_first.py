"""A nats-server with `handshake_first`: with `true` no script can measure it, and says so; `auto` is as any other."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from callout.demo.config import draw_key
from tests.authority import Authority
from tests.interop.bootstrapped import Server
from tests.interop.environments import BINARIES
from tests.perf.deployed import complaint
from workers.nkeys import Kind

STORM = ("--at-once=1", "--clients=1", "--retry=no")


@contextmanager
def run_server(folder: Path, handshake_first: object) -> Iterator[dict[str, str]]:
    """Run one that knows nobody who comes; give the arguments of a script that is to measure it."""
    home = folder / "nats"
    home.mkdir()
    authority = Authority(folder)
    files = {"cert_file": str(authority.chain_file), "key_file": str(authority.chain_file)}
    members = {
        "listen": "127.0.0.1:4222",
        "tls": {**files, "handshake_first": handshake_first},
        "authorization": {"token": "another"},
    }
    (home / "nats.conf").write_text("".join(f"{name}: {json.dumps(value)}\n" for name, value in members.items()))
    tokens = folder / "tokens"
    tokens.write_text("a.b.c\n")
    with Server(BINARIES[0].path, home) as server:
        port = server.url.rpartition(":")[2]
        yield {
            "--nats-url": f"tls://127.0.0.1:{port}",
            "--ca-file": str(authority.ca_file),
            "--tokens": str(tokens),
        }


@pytest.fixture
def asking(tmp_path: Path) -> dict[str, str]:
    """The arguments that say who asks."""
    login = tmp_path / "perf.login"
    login.write_text("perf:secret\n")
    return {"--creds": str(login), "--callout-account": draw_key(Kind.ACCOUNT).public}


def test_a_server_that_begins_with_tls_is_named(tmp_path: Path, asking: dict[str, str]) -> None:
    """It has said nothing when it ends the connection: the cause is in the line, with what would do."""
    with run_server(tmp_path, handshake_first=True) as place:
        lines = complaint("storm", place, *STORM), complaint("load", place | asking)
    for line in lines:
        assert "the server has ended the connection without a greeting: with handshake_first: true in its tls" in line
        assert line.endswith("with auto it can")


def test_a_server_that_waits_for_tls_for_a_moment_is_measured(tmp_path: Path, asking: dict[str, str]) -> None:
    """It greets who says nothing meanwhile; here it refuses who comes then, by its own verdict."""
    with run_server(tmp_path, handshake_first="auto") as place:
        lines = complaint("storm", place, *STORM), complaint("load", place | asking)
    for line in lines:
        assert "-ERR 'Authorization Violation'" in line
