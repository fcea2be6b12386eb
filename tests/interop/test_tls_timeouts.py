"""How long nats-server waits for clients that speak TLS: for their handshakes, and then for the callout's verdict.

By default two seconds for the one, and one second more than that for the other, whatever the callout takes. With the
values of k8s/examples/tls a storm of handshakes has ten seconds, and a verdict two, as without TLS.
"""

import asyncio
import contextlib
import json
import ssl
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.authority import Authority
from tests.interop.environments import BINARIES, Environment, Setting
from tests.interop.operation import PLAIN, on
from tests.interop.residents import read, write
from tests.pages import ROOT
from tests.waiting import PATIENCE_SECONDS

CONFIG = yaml.safe_load((ROOT / "k8s/examples/tls/1-nats.yaml").read_text())["config"]
HANDSHAKE = {"timeout": CONFIG["nats"]["tls"]["merge"]["timeout"]}
VERDICT = CONFIG["merge"]["authorization"]
EACH = on(*(Setting(mode, xkey=False, binary=binary) for binary in BINARIES for mode in ("server", "operator-creds")))


def encrypt(authority: Authority, tls: dict[str, Any], verdict: dict[str, Any]) -> Callable[[str], str]:
    """Let clients speak TLS, with further members of that block and of `authorization`."""

    def edit(config: str) -> str:
        members, chain = read(config), str(authority.chain_file)
        members["tls"] = {"cert_file": chain, "key_file": chain, **tls}
        members["authorization"] = members.get("authorization", {}) | verdict
        return write(members)

    return edit


@contextlib.asynccontextmanager
async def connect(environment: Environment) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that the server has greeted, and that has said nothing yet."""
    reader, writer = await asyncio.open_connection("127.0.0.1", environment.server.ports.client)
    try:
        assert (await reader.readline()).startswith(b"INFO ")
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def hear_verdict(environment: Environment, context: ssl.SSLContext) -> list[bytes]:
    """What a client hears after its handshake and a token, until the server has hung up."""
    connection = {"auth_token": "a token", "verbose": False, "pedantic": False}
    if environment.is_operator_mode:
        connection["jwt"] = environment.keys.sentinel_jwt()
    async with connect(environment) as (reader, writer):
        await writer.start_tls(context, server_hostname="localhost")
        writer.write(b"CONNECT " + json.dumps(connection).encode() + b"\r\nPING\r\n")
        return [line async for line in reader]


@EACH
@pytest.mark.parametrize("verdict", [{}, VERDICT], ids=["default", "as the example has it"])
async def test_the_server_speaks_before_its_verdict_unless_that_is_bounded(
    environment: Environment, tmp_path: Path, verdict: dict[str, Any]
) -> None:
    """Its own first PING comes after two seconds and a little, which clients take for a broken login.

    Before 2.15 it hangs up in operator mode without a word.
    """
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=authority.ca_file)
    environment.server.restart(encrypt(authority, HANDSHAKE if verdict else {}, verdict))
    heard = await asyncio.wait_for(hear_verdict(environment, context), PATIENCE_SECONDS)
    assert (not verdict) == (b"PING\r\n" in heard)
    assert [] == [line for line in heard if not line.startswith((b"PING", b"-ERR 'Authorization Violation'", b"INFO "))]


@pytest.mark.parametrize("binary", BINARIES, ids=lambda binary: binary.line)
async def test_a_handshake_has_the_time_that_the_example_gives(tmp_path: Path, binary: Any) -> None:
    """In a storm all handshakes go on at once, so that all are late together; by default all are cut off together."""
    authority = Authority(tmp_path)
    context = ssl.create_default_context(cafile=authority.ca_file)
    with contextlib.ExitStack() as stack:
        servers = []
        for name, tls in (("default", {}), ("example", HANDSHAKE)):
            folder = tmp_path / name
            folder.mkdir()
            server = Environment(Setting(PLAIN.mode, xkey=False, binary=binary), folder)
            stack.callback(server.server.release)
            stack.callback(server.server.stop)
            server.server.start(encrypt(authority, tls, VERDICT))
            servers.append(server)
        hasty, patient = servers
        async with connect(patient) as (reader, writer):
            async with connect(hasty) as (hung_up, _):
                assert b"" == await asyncio.wait_for(hung_up.readline(), PATIENCE_SECONDS)
            await writer.start_tls(context, server_hostname="localhost")
            writer.write(b"PING\r\n")
            assert await asyncio.wait_for(reader.readline(), PATIENCE_SECONDS)
