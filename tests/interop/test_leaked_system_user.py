"""What the system account's credentials are good for in strange hands: docs/runbook.md says it of `sys.creds`."""

import json
from pathlib import Path
from typing import Any

import pytest

from callout.bootstrap.loading import load
from tests.interop.bootstrapped import CHANGE_SECONDS, Server, bootstrap
from tests.interop.environments import BINARIES, ServerBinary
from tests.interop.intruder import intrude
from tests.minting import NatsKey
from tests.nats_minting import user_jwt
from tests.waiting import PATIENCE_SECONDS, until

LINES = pytest.mark.parametrize("binary", BINARIES[:2], ids=lambda binary: binary.line)
"""Those that know what `callout bootstrap` writes."""
UPDATES = {"memory": "$SYS.REQ.ACCOUNT.{account}.CLAIMS.UPDATE", "full": "$SYS.REQ.CLAIMS.UPDATE"}
"""Where an account's JWT is handed to a server, by its resolver."""


async def ask(server: Server, subject: str, payload: bytes = b"") -> Any:
    """Ask the server as the system account's user, and return what it says."""
    async with await server.connect("sys") as administrator:
        reply = await administrator.request(subject, payload, timeout=CHANGE_SECONDS)
    return json.loads(reply.data)


async def is_let_in(server: Server, jwt: str) -> bool:
    """Try to log in by a bearer's JWT."""
    async with intrude(int(server.url.rpartition(":")[2]), {"jwt": jwt}) as intruder:
        return intruder.has_heard(b"PONG")


@pytest.mark.parametrize("resolver", UPDATES)
@LINES
async def test_an_older_account_brings_a_retired_key_back(tmp_path: Path, binary: ServerBinary, resolver: str) -> None:
    """It is signed as well as the newer one, and no secret: so that key's users come in again."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--resolver", resolver)
    made = load(folder)
    account = made.record.account("AUTH_SERVICE")
    key = made.material.signing[account.signing[-1].public]
    signing = NatsKey(key.encode_seed(), key.public)
    jwt = user_jwt(made.record.users["callout"], signing, account=account.public, bearer_token=True)
    update, older = UPDATES[resolver].format(account=account.public), _read(folder)
    for options in (("--rotate", "AUTH_SERVICE"), ("--retire", "AUTH_SERVICE", "--now")):
        bootstrap(folder, *options)
    with Server(binary.path, folder) as server:
        await ask(server, update, _read(folder))
        assert not await is_let_in(server, jwt)
        said = await ask(server, update, older)
        assert 200 == said["data"]["code"], said
        assert await is_let_in(server, jwt)


@LINES
async def test_it_deletes_the_streams_of_another_account(tmp_path: Path, binary: ServerBinary) -> None:
    """All of them, by one request."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--nack", "inside")
    account = load(folder).record.account("AUTH_ACCOUNT").public
    with Server(binary.path, folder) as server:
        async with await server.connect("nack") as owner:
            stream = owner.jetstream()
            await stream.add_stream(name="ORDERS", subjects=["orders.>"])
            said = await ask(server, f"$JS.API.ACCOUNT.PURGE.{account}")
            assert said["initiated"], said

            async def is_gone() -> bool:
                return not await stream.streams_info()

            await until(is_gone, PATIENCE_SECONDS, "the stream is gone")


def _read(folder: Path) -> bytes:
    return (folder / "jwt/AUTH_SERVICE.jwt").read_bytes().strip()
