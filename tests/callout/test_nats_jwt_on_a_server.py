"""callout.nats_jwt: a real nats-server takes what is made there, and understands it as it was meant."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest
from nats.aio.client import Client
from nats.errors import Error
from nats.js.errors import NotFoundError, ServiceUnavailableError

from callout.demo.config import Plan, draw_key, render_config, write_private
from callout.demo.server import Server, find_binary, run_server
from callout.nats_jwt import (
    EVERY_ACCOUNT,
    NEVER,
    Account,
    Export,
    Import,
    JetStreamLimits,
    Permissions,
    User,
    issue_account,
    issue_activation,
    issue_operator,
    issue_user,
    render_creds,
)
from callout.secret import Secret
from workers.nkeys import KeyPair, Kind

NOW = 1_700_000_000
DEADLINE_S = 30
OPERATOR, SYSTEM, CALLOUT, CLIENTS, SIGNING = (
    draw_key(kind) for kind in (Kind.OPERATOR, Kind.ACCOUNT, Kind.ACCOUNT, Kind.ACCOUNT, Kind.ACCOUNT)
)
PRIVATE = Export("secret.>", "stream", token_req=True)


class Bench:
    """A server whose accounts were made here: CLIENTS exports events and asks for help, CALLOUT is its counterpart."""

    def __init__(self, folder: Path, server: Server) -> None:
        self._folder = folder
        self._server = server
        self._clients: list[Client] = []
        self.errors: list[Exception] = []

    async def connect(self, signer: KeyPair, account: KeyPair, user: User) -> Client:
        """Log a new user in."""
        key = draw_key(Kind.USER)
        jwt = issue_user(signer, key.public, user, name="user", issued_at=NOW, account=account.public)
        creds = write_private(self._folder / f"{key.public}.creds", render_creds(jwt, Secret(key.encode_seed())))
        client = Client()

        async def note(error: Exception) -> None:
            self.errors.append(error)

        self._clients.append(client)
        await client.connect(self._server.url, user_credentials=creds, allow_reconnect=False, error_cb=note)
        return client

    async def close(self) -> None:
        """End all connections."""
        for client in self._clients:
            await client.close()


async def settle(client: Client) -> None:
    """Return when the server has seen all; nats-py's own flush may overtake what is waiting, a second one cannot."""
    await client.flush()
    await client.flush()


@asynccontextmanager
async def on_a_server(folder: Path, private: Export = PRIVATE, **token: str) -> AsyncIterator[Bench]:
    """A bench within the block; CALLOUT imports `private` by a token, if one is given."""
    export = (Export("events.>", "stream"), Export("help", "service"), private)
    imports = (
        Import("events.>", CLIENTS.public, "stream", local_subject="theirs.>"),
        Import("help", CLIENTS.public, "service", local_subject="ask"),
        Import(private.subject, CLIENTS.public, "stream", **token),
    )
    accounts = {
        SYSTEM: Account(),
        CLIENTS: Account(signing_keys=(SIGNING.public,), exports=export, jetstream=JetStreamLimits()),
        CALLOUT: Account(imports=imports),
    }
    members = {
        "operator": issue_operator(OPERATOR, name="test", system_account=SYSTEM.public, issued_at=NOW),
        "system_account": SYSTEM.public,
        "resolver": "MEMORY",
        "resolver_preload": {
            key.public: issue_account(OPERATOR, key.public, account, name="A", issued_at=NOW)
            for key, account in accounts.items()
        },
    }
    plan = Plan(render_config(members, folder), {}, Secret(""), {}, "")
    async with run_server(find_binary(), plan, folder) as server:
        bench = Bench(folder, server)
        try:
            yield bench
        finally:
            await bench.close()


async def test_a_real_server_takes_them(tmp_path: Path) -> None:
    """Users log in by either key, permissions hold, exports reach imports, and JetStream is where it was given."""
    async with on_a_server(tmp_path) as bench:
        theirs = await bench.connect(SIGNING, CLIENTS, User(pub=Permissions(deny=("secret.>",))))
        ours = await bench.connect(CALLOUT, CALLOUT, User())
        heard = await ours.subscribe("theirs.>")
        asked = await theirs.subscribe("help")
        for client in (theirs, ours):
            await settle(client)
        await theirs.publish("events.created", b"1")
        assert "theirs.created" == (await heard.next_msg(DEADLINE_S)).subject
        await ours.publish("ask", b"please")
        assert b"please" == (await asked.next_msg(DEADLINE_S)).data
        await theirs.publish("secret.x", b"1")
        await settle(theirs)
        assert 1 == len(bench.errors)
        assert 0 == (await theirs.jetstream().account_info()).streams
        with pytest.raises((NotFoundError, ServiceUnavailableError)):
            await ours.jetstream().account_info()


async def test_a_real_server_refuses_a_strangers_user(tmp_path: Path) -> None:
    """A key that the account does not name as its signing key signs nobody in."""
    async with on_a_server(tmp_path) as bench:
        with pytest.raises(Error, match=r"(?i)authorization violation"):
            await bench.connect(draw_key(Kind.ACCOUNT), CLIENTS, User())


def activate(importer: KeyPair, expires_at: int = NEVER) -> str:
    """An activation, by the signing key, for the export that wants one."""
    return issue_activation(
        SIGNING, importer.public, PRIVATE, issued_at=NOW, expires_at=expires_at, account=CLIENTS.public
    )


REVOKED = msgspec.structs.replace(PRIVATE, revocations={EVERY_ACCOUNT: NOW})


@pytest.mark.parametrize(
    ("export", "token", "heard"),
    [
        (PRIVATE, activate(CALLOUT), True),
        (PRIVATE, "", False),
        (PRIVATE, activate(CALLOUT, NOW + 1), False),
        (REVOKED, activate(CALLOUT), False),
        (msgspec.structs.replace(REVOKED, revocations={EVERY_ACCOUNT: NOW - 1}), activate(CALLOUT), True),
    ],
    ids=["its own", "none", "expired", "revoked", "issued since the revocation"],
)
async def test_a_private_export_reaches_who_has_an_activation(
    tmp_path: Path, export: Export, token: str, heard: bool
) -> None:
    """Nobody else hears it, on a real server; what any account may import arrives all the same."""
    async with on_a_server(tmp_path, export, token=token) as bench:
        theirs, ours = await bench.connect(CLIENTS, CLIENTS, User()), await bench.connect(CALLOUT, CALLOUT, User())
        subscription = await ours.subscribe(">")
        await settle(ours)
        for subject in ("secret.x", "events.x"):
            await theirs.publish(subject, b"1")
        arrived = [(await subscription.next_msg(DEADLINE_S)).subject for _ in range(2 if heard else 1)]
        assert (["secret.x"] if heard else []) + ["theirs.x"] == arrived


async def test_another_accounts_activation_spoils_the_account(tmp_path: Path) -> None:
    """A real server takes nobody of an account that shows what was made for somebody else."""
    async with on_a_server(tmp_path, token=activate(SYSTEM)) as bench:
        with pytest.raises(Error, match=r"(?i)authorization violation"):
            await bench.connect(CALLOUT, CALLOUT, User())
