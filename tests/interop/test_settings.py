"""Settings that change what a login may do: one service per environment that has them all, with one worker."""

import asyncio
import contextlib
import json
from collections.abc import Iterator

import pytest
from nats.aio.msg import Msg

from tests.interop.attempts import denied_publishes, denied_subscriptions
from tests.interop.cast import FOREIGNER, PARTNER, PLAIN, STREAMS
from tests.interop.deployment import Deployment, serve
from tests.interop.environments import Environment
from tests.waiting import PATIENCE_SECONDS, until

TTL_SECONDS = 600


@pytest.fixture(scope="module")
def liberal(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A service that keeps to none of the defaults, and in operator mode signs with the account's own key."""
    with serve(
        environment,
        tmp_path_factory.mktemp("liberal"),
        own_key=True,
        NATS_WORKERS="1",
        NATS_USER_NAME="true",
        NATS_USER_TTL=f"{TTL_SECONDS}s",
        NATS_USER_TTL_JITTER="0",
        NATS_SHARED_INBOX="false",
        NATS_STREAM_ADMIN="true",
        NATS_RESPONSE_MAX="2",
        NATS_RESPONSE_TTL="1m",
    ) as deployment:
        asyncio.run(deployment.service.ready())
        yield deployment


async def test_a_named_connection(liberal: Deployment) -> None:
    """NATS_USER_NAME: the server knows the connection by its ServiceAccount."""
    async with await liberal.connect(PLAIN) as client:
        connection = await liberal.environment.connection(client)
    assert ("clients", "orders:plain") == (connection["account"], connection["authorized_user"])


async def test_the_accounts_own_key(liberal: Deployment) -> None:
    """What the account itself has signed names no account besides; and the login has its full length."""
    keys = liberal.environment.keys
    async with liberal.inquirer() as inquirer:
        user = (await inquirer.ask(inquirer.request(liberal.token(PLAIN)))).user
    assert user is not None
    signer = keys.accounts["clients"] if liberal.environment.is_operator_mode else keys.issuer
    assert signer.public == user["iss"]
    assert "issuer_account" not in user["nats"]
    assert "orders:plain" == user["name"]
    assert TTL_SECONDS == user["exp"] - user["iat"]


async def test_no_shared_inbox(liberal: Deployment) -> None:
    """NATS_SHARED_INBOX=false: there are private inboxes only."""
    async with await liberal.connect(PLAIN) as client:
        wanted = ["_INBOX.>", "_INBOX.x", "_INBOX.*"]
        assert wanted == await denied_subscriptions(client, wanted)
        assert [] == await denied_subscriptions(client, [f"{PLAIN.inbox}.>"])


async def test_as_many_answers_as_are_set(liberal: Deployment) -> None:
    """NATS_RESPONSE_MAX: two answers pass, the third is denied."""
    async with await liberal.connect(PLAIN) as server, await liberal.connect(PARTNER) as client:

        async def answer_thrice(request: Msg) -> None:
            for answer in (b"first", b"second", b"third"):
                await request.respond(answer)

        await server.subscribe("orders.requests.x", cb=answer_thrice)
        await server.flush()
        inbox = client.new_inbox()
        answers = await client.subscribe(inbox)
        await client.publish("orders.requests.x", b"please", reply=inbox)
        received = [(await answers.next_msg(PATIENCE_SECONDS)).data for _ in range(2)]
        assert [b"first", b"second"] == received
        await until(lambda: server.errors, PATIENCE_SECONDS, "the server's complaint about the third answer")
        assert [f'nats: permissions violation for publish to "{inbox.lower()}"'] == [
            str(each) for each in server.errors
        ]


async def test_streams_may_be_made_when_the_administrator_says_so(liberal: Deployment) -> None:
    """NATS_STREAM_ADMIN: an annotation then grants all of JetStream's interface, and nothing without an annotation."""
    stream = json.dumps({"name": "orders", "subjects": ["orders.stored"], "storage": "memory"}).encode()
    async with await liberal.connect(STREAMS) as client:
        created = json.loads(
            (await client.request("$JS.API.STREAM.CREATE.orders", stream, timeout=PATIENCE_SECONDS)).data
        )
        assert "orders" == created["config"]["name"]
        await client.request("$JS.API.STREAM.DELETE.orders", b"", timeout=PATIENCE_SECONDS)
        assert [] == client.errors
    async with await liberal.connect(PLAIN) as client:
        assert ["$JS.API.STREAM.CREATE.x"] == await denied_publishes(client, ["$JS.API.STREAM.CREATE.x"])


async def test_who_makes_streams_says_anything_and_hears_everything(liberal: Deployment) -> None:
    """NATS_STREAM_ADMIN: a stream republishes to subjects that its maker may not publish to, and from inboxes."""
    ways = {"$JS.API.said.>": "billing.>", f"{FOREIGNER.inbox}.>": "orders.heard.>"}
    async with contextlib.AsyncExitStack() as connected:
        maker, asking, answering = [
            await connected.enter_async_context(await liberal.connect(who)) for who in (STREAMS, FOREIGNER, PARTNER)
        ]
        assert ["billing.invoices"] == await denied_publishes(maker, ["billing.invoices"])
        for number, (taken, sent) in enumerate(ways.items()):
            stream = {
                "name": f"way-{number}",
                "subjects": [taken],
                "no_ack": True,
                "republish": {"src": taken, "dest": sent},
                "storage": "memory",
            }
            created = await maker.request(
                f"$JS.API.STREAM.CREATE.way-{number}", json.dumps(stream).encode(), timeout=PATIENCE_SECONDS
            )
            assert "error" not in json.loads(created.data), created.data
        said, heard = await asking.subscribe("billing.invoices"), await maker.subscribe("orders.heard.>")

        async def answer(request: Msg) -> None:
            await request.respond(b"secret")

        await answering.subscribe("billing.questions", cb=answer)
        for client in (maker, asking, answering):
            await client.flush()
        await maker.publish("$JS.API.said.invoices", b"pay")
        assert b"pay" == (await said.next_msg(PATIENCE_SECONDS)).data
        assert b"secret" == (await asking.request("billing.questions", timeout=PATIENCE_SECONDS)).data
        assert b"secret" == (await heard.next_msg(PATIENCE_SECONDS)).data
        for number in range(len(ways)):
            await maker.request(f"$JS.API.STREAM.DELETE.way-{number}", timeout=PATIENCE_SECONDS)
