"""What seeds and credentials of operator mode are good for in strange hands, and what ends that: docs/runbook.md."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from callout.bootstrap.loading import load
from tests.interop.bootstrapped import Server, bootstrap
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import REFUSED
from tests.interop.environments import BINARIES, Environment, ServerBinary, Setting
from tests.interop.intruder import Intruder, intrude
from tests.interop.operation import on, serve
from tests.interop.server_configs import AUTH_SUBJECT, CALLOUT, EVERYBODY, amend_account
from tests.minting import NatsKey, decode_nats_jwt, make_answer
from tests.nats_minting import user_jwt

EACH_LINE = tuple(Setting("operator-creds", xkey=False, binary=binary) for binary in BINARIES)
ANSWER = "by somebody else"


def restart(environment: Environment, **members: Any) -> None:
    """Start the server anew, with members in the JWT of the callout's account."""
    environment.server.restart(lambda config: amend_account(config, environment.keys, "callout", **members))


@contextlib.asynccontextmanager
async def impersonate(environment: Environment, signing: NatsKey) -> AsyncIterator[Intruder]:
    """Let somebody in who has a signing key of the callout's account and nothing else: he is its service's user."""
    user, account = environment.keys.users[CALLOUT].public, environment.keys.issuer.public
    jwt = user_jwt(user, signing, account=account, bearer_token=True)
    async with intrude(environment.server.ports.client, {"jwt": jwt}, f"SUB {AUTH_SUBJECT} 1".encode()) as intruder:
        assert intruder.has_heard(b"PONG")
        yield intruder


async def hear_request(intruder: Intruder) -> tuple[str, dict[str, Any]]:
    """The next request that a server sends: where its answer goes, and its claims."""
    while not (line := await intruder.read_line()).startswith(b"MSG "):
        assert line, "the server has hung up"
    payload = await intruder.read_line()
    return line.split()[3].decode(), decode_nats_jwt(payload.strip().decode())


@on(*EACH_LINE)
async def test_the_services_signing_key_lets_its_holder_hear_tokens(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """By itself, with neither the credentials of the service's user nor its seed: a bearer proves no key."""
    signing, token = NatsKey.generate("account"), cluster.token("orders", "checkout")
    restart(environment, signing_keys=[signing.public])
    async with (
        serve(environment, cluster),
        impersonate(environment, signing) as intruder,
        await environment.connect(token),
    ):
        _, request = await hear_request(intruder)
    assert token == request["nats"]["connect_opts"]["auth_token"]


@on(*EACH_LINE)
async def test_the_services_signing_key_lets_its_holder_answer(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """In the service's place, so that nobody gets in."""
    signing, token = NatsKey.generate("account"), cluster.token("orders", "checkout")
    restart(environment, signing_keys=[signing.public])
    async with impersonate(environment, signing) as intruder:
        login = asyncio.create_task(environment.refusal(token))
        reply, request = await hear_request(intruder)
        answer = make_answer(request, signing, error=ANSWER, nats={"issuer_account": environment.keys.issuer.public})
        await intruder.say(f"PUB {reply} {len(answer)}\r\n".encode() + answer)
        await login
    assert environment.server.logged(ANSWER)


@pytest.mark.parametrize("whose", ["its key", EVERYBODY])
@on(*EACH_LINE)
async def test_a_revocation_ends_a_fixed_user(environment: Environment, whose: str) -> None:
    """Of its key, or of all users of the account; the account's own key has signed the credentials, with no end."""
    environment.server.restart()
    async with await environment.connect_as_service() as client:
        assert client.is_connected
    revoked = EVERYBODY if whose == EVERYBODY else environment.keys.users[CALLOUT].public
    restart(environment, revocations={revoked: int(time.time())})
    with pytest.raises(REFUSED):
        await environment.connect_as_service()


@pytest.mark.parametrize("binary", BINARIES[:2], ids=lambda binary: binary.line)
async def test_another_signing_key_ends_what_the_old_one_was_good_for(tmp_path: Path, binary: ServerBinary) -> None:
    """By `callout bootstrap`, with its two commands; the credentials that it has made go on."""
    folder = tmp_path / "nats"
    bootstrap(folder)
    made = load(folder)
    service = made.record.account("AUTH_SERVICE")
    key = made.material.signing[service.signing[-1].public]
    signing = NatsKey(key.encode_seed(), key.public)
    jwt = user_jwt(made.record.users["callout"], signing, account=service.public, bearer_token=True)
    with Server(binary.path, folder) as server:
        port = int(server.url.rpartition(":")[2])
        async with intrude(port, {"jwt": jwt}) as intruder:
            assert intruder.has_heard(b"PONG")
            for options in (("--rotate", "AUTH_SERVICE"), ("--retire", "AUTH_SERVICE", "--now")):
                bootstrap(folder, *options)
            server.reload()
            await intruder.listen()  # until the server hangs up
        async with intrude(port, {"jwt": jwt}) as intruder:
            assert [b"-ERR 'Authorization Violation'\r\n"] == intruder.heard
        async with await server.connect("callout") as client:
            assert client.is_connected
