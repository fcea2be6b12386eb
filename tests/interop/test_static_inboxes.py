"""NATS_RESPONSE_MAX=0: the setting for tenants that do not trust each other, on every server."""

import asyncio
from collections.abc import Iterator

import pytest
from nats.aio.msg import Msg

from tests.interop.attempts import denied_subscriptions
from tests.interop.cast import FOREIGNER, PARTNER, PLAIN
from tests.interop.deployment import Deployment, serve
from tests.interop.environments import Environment
from tests.waiting import PATIENCE_SECONDS, until


@pytest.fixture(scope="module")
def strict(environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A service that grants no response permissions."""
    with serve(environment, tmp_path_factory.mktemp("strict"), NATS_WORKERS="1", NATS_RESPONSE_MAX="0") as deployment:
        asyncio.run(deployment.service.ready())
        yield deployment


async def test_nobody_grants_himself_a_subject_by_asking_himself(strict: Deployment) -> None:
    """A message to oneself that wants its answer elsewhere opens nothing; with response permissions it would."""
    async with await strict.connect(FOREIGNER) as thief:
        own = f"{FOREIGNER.namespace}.self"
        to_self = await thief.subscribe(own)
        await thief.publish(own, b"", reply="orders.commands")
        message = await to_self.next_msg(PATIENCE_SECONDS)
        assert "orders.commands" == message.reply
        await message.respond(b"forged")
        await until(lambda: thief.errors, PATIENCE_SECONDS, "the server's complaint")
        assert ['nats: permissions violation for publish to "orders.commands"'] == [str(each) for each in thief.errors]


@pytest.mark.parametrize("prefix", ["_INBOX", f"_INBOX_.{PARTNER.namespace}_{PARTNER.name}"])
async def test_requests_are_answered_into_inboxes(strict: Deployment, prefix: str) -> None:
    """The shared one and the private one."""
    async with (
        await strict.connect(PLAIN) as server,
        await strict.connect(PARTNER, inbox_prefix=prefix) as client,
    ):

        async def answer(request: Msg) -> None:
            await request.respond(b"here you are")

        await server.subscribe("orders.requests.y", cb=answer)
        await server.flush()
        reply = await client.request("orders.requests.y", b"please", timeout=PATIENCE_SECONDS)
        assert (b"here you are", []) == (reply.data, server.errors)


async def test_private_inboxes_are_private(strict: Deployment) -> None:
    """To nobody but their owner."""
    inbox = f"_INBOX_.{PARTNER.namespace}_{PARTNER.name}.>"
    async with await strict.connect(PARTNER) as owner, await strict.connect(PLAIN) as other:
        assert [] == await denied_subscriptions(owner, [inbox])
        wanted = [inbox, "_INBOX_.>", "_INBOX_.*.>", ">", "*.>"]
        assert wanted == await denied_subscriptions(other, wanted)
