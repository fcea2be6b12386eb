"""A user JWT out of an answer, shown to a real server by itself: what it is worth to who may ask the service.

An answer goes to nobody but the server that asked, and to an account that was let in to measure (perf.account). In
operator mode such a JWT is a login by itself, past the callout, with the key that the request named.
"""

import contextlib
import time
from pathlib import Path

import pytest

from callout.bootstrap.loading import load
from callout.bootstrap.record import Deployment as Bootstrapped
from tests.interop.bootstrapped import Server, bootstrap, read_env, serve
from tests.interop.cast import PLAIN
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import REFUSED, open_client
from tests.interop.deployment import Deployment
from tests.interop.environments import BINARIES
from tests.interop.intruder import LEAFNODE, intrude
from tests.minting import NatsKey, creds, decode_nats_jwt, encode_nats_jwt
from tests.waiting import PATIENCE_SECONDS, until
from workers.user_jwt import Mode, Signer, issue_user, render_permissions

SUBJECT = "orders.created"
"""Which the JWT allows, both ways."""
FOREIGN = "payments.created"
"""Which it does not."""
HOUR = 3600


async def ask_for_jwt(deployment: Deployment, key: NatsKey) -> str:
    """Ask as a server would, about a client whose key is ours."""
    async with deployment.inquirer() as inquirer:
        answer = await inquirer.ask(inquirer.request(deployment.token(PLAIN), user=key.public))
    jwt: str = answer.response["nats"]["jwt"]
    return jwt


async def is_overheard(deployment: Deployment, jwt: str, key: NatsKey) -> bool:
    """Tell whether the JWT lets somebody hear what a workload publishes."""
    async with (
        await deployment.connect(PLAIN) as workload,
        intrude(deployment.environment.server.ports.client, {"jwt": jwt}, key=key) as intruder,
    ):
        await intruder.say(f"SUB {SUBJECT} 1".encode())
        await workload.publish(SUBJECT, b"overheard")
        await workload.flush()
        await intruder.say()
    return intruder.has_heard(b"MSG ")


async def test_by_itself_it_is_the_login_that_was_asked_about(deployment: Deployment, tmp_path: Path) -> None:
    """In operator mode, past the callout: with what the token's ServiceAccount may hear and say, and nothing else.

    Its limits are -1, since nats-server 2.15.3 enforces those of an answer and takes absent ones for 0; absent they
    would be worth nothing here, and nobody could log in there.
    """
    key, port = NatsKey.generate("user"), deployment.environment.server.ports.client
    jwt = await ask_for_jwt(deployment, key)
    if not deployment.environment.is_operator_mode:  # whose server takes no JWTs but from the callout
        credentials = tmp_path / "user.creds"
        credentials.write_text(creds(jwt, key.seed))
        with pytest.raises(REFUSED):
            await open_client(deployment.environment.url(), {"user_credentials": str(credentials)})
        return
    assert await is_overheard(deployment, jwt, key)
    async with intrude(port, {"jwt": jwt}, key=key) as intruder:
        await intruder.say(f"SUB {FOREIGN} 1".encode(), f"PUB {FOREIGN} 7\r\nforeign".encode())
    assert intruder.has_heard(b"-ERR 'Permissions Violation for Subscription")
    assert intruder.has_heard(b"-ERR 'Permissions Violation for Publish")


async def test_for_another_key_it_is_worth_nothing(deployment: Deployment) -> None:
    """As whoever only sees an answer has one: the key that it names has never left nats-server."""
    if deployment.environment.is_operator_mode:
        jwt = await ask_for_jwt(deployment, NatsKey.generate("user"))
        port = deployment.environment.server.ports.client
        async with intrude(port, {"jwt": jwt}, key=NatsKey.generate("user")) as intruder:
            assert [b"-ERR 'Authorization Violation'\r\n"] == intruder.heard


async def gets_through_as_leafnode(deployment: Deployment, jwt: str, key: NatsKey) -> bool:
    """Tell whether somebody with the JWT can be a leafnode, and send a workload something by that; else he is out."""
    async with await deployment.connect(PLAIN) as workload:
        heard = await workload.subscribe(SUBJECT)
        await workload.flush()
        commands = (f"LS+ {SUBJECT}".encode(), f"LMSG {SUBJECT} 7\r\nforeign".encode())
        members = {**LEAFNODE, "jwt": jwt}
        port = deployment.environment.server.ports.leafnode
        async with intrude(port, members, *commands, key=key) as intruder:
            await workload.flush()
            assert intruder.has_heard(b"PONG") != intruder.has_heard(b"-ERR 'Authorization Violation'")
            return heard.pending_msgs > 0


async def test_by_itself_it_makes_no_leafnode(deployment: Deployment) -> None:
    """nats-server 2.10 lets a leafnode publish to anything, whatever limits and permissions its JWT has."""
    key = NatsKey.generate("user")
    jwt = await ask_for_jwt(deployment, key)
    assert not await gets_through_as_leafnode(deployment, jwt, key)


async def test_without_its_kinds_of_connections_it_would(deployment: Deployment) -> None:
    """The same claims but for them: so they are what holds."""
    key = NatsKey.generate("user")
    claims = decode_nats_jwt(await ask_for_jwt(deployment, key))
    del claims["nats"]["allowed_connection_types"]
    if deployment.environment.is_operator_mode:
        jwt = encode_nats_jwt(claims, deployment.environment.keys.clients_signing)
        assert await gets_through_as_leafnode(deployment, jwt, key)


def issue(deployment: Bootstrapped, key: NatsKey, issued_at: int) -> str:
    """What the service would have issued then for that key, with what `callout bootstrap` has made."""
    record = deployment.record
    clients = record.account(record.choices.client_account)
    signing = deployment.material.signing[clients.signing[-1].public]
    return issue_user(
        Signer(Mode.OPERATOR, signing, signing, record.account(record.choices.service_account).public),
        user_nkey=key.public,
        account=clients.public,
        permissions=render_permissions(["orders.>"], ["orders.>"], None),
        issued_at=issued_at,
        expires_at=issued_at + HOUR,
        request_id="test",
        name=None,
    ).decode()


def revoke_users(deployment: Bootstrapped, folder: Path, until_then: int) -> None:
    """Let the clients' account revoke all users that were issued until then; no command of ours does so."""
    operator = deployment.material.signing[deployment.record.operator.signing[-1].public]
    path = folder / "jwt/AUTH_ACCOUNT.jwt"
    claims = decode_nats_jwt(path.read_text().strip())
    claims["nats"]["revocations"] = {"*": until_then}
    claims |= {"iat": claims["iat"] + 1, "jti": "another"}
    path.write_text(encode_nats_jwt(claims, NatsKey(operator.encode_seed(), operator.public)))


@pytest.mark.parametrize("by", ["revocation", "another signing key"])
async def test_it_ends_before_its_time(tmp_path: Path, cluster: ChangingCluster, by: str) -> None:
    """Users issued before the client's login are revoked, so that this one stays; or the signing key is replaced."""
    folder = tmp_path / "nats"
    bootstrap(folder, "--resolver", "full")
    key, issued_at = NatsKey.generate("user"), int(time.time()) - 1
    jwt = issue(load(folder), key, issued_at)
    with Server(BINARIES[0].path, folder) as server:
        port = int(server.url.rpartition(":")[2])
        async with contextlib.AsyncExitStack() as connections:
            async with serve(server, cluster, read_env(folder)):  # which is not to miss the key that is taken away
                login = await server.log_in(cluster.token("orders", "checkout"))
                client = await connections.enter_async_context(login)
            intruder = await connections.enter_async_context(intrude(port, {"jwt": jwt}, key=key))
            assert intruder.has_heard(b"PONG")
            if by == "revocation":
                revoke_users(load(folder), folder, issued_at)
            else:
                for options in (("--rotate", "AUTH_ACCOUNT"), ("--retire", "AUTH_ACCOUNT", "--now")):
                    bootstrap(folder, *options)
            await server.push("AUTH_ACCOUNT")
            if by == "revocation":
                await intruder.listen()  # until the server hangs up; now and then it does so without a word
                await client.flush()
                assert client.is_connected
            else:
                await until(lambda: client.is_closed, PATIENCE_SECONDS, "logins by the old key have ended")
        async with serve(server, cluster, read_env(folder)):
            async with intrude(port, {"jwt": jwt}, key=key) as intruder:
                assert [b"-ERR 'Authorization Violation'\r\n"] == intruder.heard
            assert await server.lets_in(cluster.token("orders", "checkout"))
