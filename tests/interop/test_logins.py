"""Whoever shows a true token is let in, by every door that the server has, and stays as long as the token lasts."""

import asyncio
import contextlib
import itertools
import json
import time
from collections.abc import Callable

import pytest

from tests.interop.attempts import denied_publishes, denied_subscriptions
from tests.interop.cast import CAST, FOREIGNER, PLAIN
from tests.interop.clients import REFUSED, WorkloadClient
from tests.interop.deployment import Deployment
from tests.interop.environments import Transport, Via
from tests.interop.mqtt import ACCEPTED, NOT_AUTHORIZED, SUBSCRIBE_FAILED
from tests.minting import claims_of
from tests.waiting import PATIENCE_SECONDS, until

LIFE_SECONDS = 3600
"""Of a token, unless it is said otherwise."""
LIVES_SECONDS = (4, 10, 30)
"""What is left of a token that is to end soon. A machine too busy for one of them gets the next."""
LEEWAY_SECONDS = 60
"""What Kubernetes and the product grant beyond `exp`."""


@pytest.mark.parametrize("transport", ["nats", "websocket"])
@pytest.mark.parametrize("via", ["auth_token", "pass"])
async def test_a_true_token_opens_the_door(deployment: Deployment, via: Via, transport: Transport) -> None:
    """As token or as password, over TCP or WebSocket: the client lands in the clients' account and may do its part."""
    async with await deployment.connect(PLAIN, via=via, transport=transport) as client:
        assert "clients" == (await deployment.environment.connection(client))["account"]
        assert [] == await denied_publishes(client, ["orders.created"])
        assert ["billing.created"] == await denied_publishes(client, ["billing.created"])
        assert [] == await denied_subscriptions(client, ["orders.created"])
        assert ["billing.created"] == await denied_subscriptions(client, ["billing.created"])


async def test_an_mqtt_client_is_let_in_by_its_password(deployment: Deployment) -> None:
    """It may publish and hear what its ServiceAccount may, and nothing else; without a sentinel it has no way in."""
    async with await deployment.environment.connect_mqtt(deployment.token(PLAIN)) as client:
        if deployment.environment.setting.mode == "operator-creds":
            assert NOT_AUTHORIZED == client.return_code
            return
        assert ACCEPTED == client.return_code
        assert SUBSCRIBE_FAILED == await client.subscribe("billing/news")
        assert 0 == await client.subscribe("orders/news")
        async with await deployment.connect(PLAIN) as partner:
            heard = await partner.subscribe("orders.heard")
            await partner.flush()
            client.publish("billing/heard", b"denied")
            client.publish("orders/heard", b"hello")
            assert b"hello" == (await heard.next_msg(PATIENCE_SECONDS)).data
            await partner.publish("orders.news", b"news")
            assert ("orders/news", b"news") == await client.next_message()
    complaints = await until(
        lambda: deployment.environment.server.logged('Subject "billing.heard"'),
        PATIENCE_SECONDS,
        "the server's complaint",
    )
    assert "Publish Violation" in complaints[0]


async def test_an_mqtt_password_of_any_length_is_read(deployment: Deployment) -> None:
    """Only NATS' own CONNECT is capped at 4,096 bytes; the product refuses what is longer by itself."""
    refused = deployment.count("token_too_long")
    async with await deployment.environment.connect_mqtt(deployment.token(PLAIN) + "A" * 4096) as client:
        assert NOT_AUTHORIZED == client.return_code
    reached = deployment.environment.setting.mode != "operator-creds"
    await deployment.until_counted("token_too_long", refused + reached)


async def test_every_algorithm_opens_the_door(deployment: Deployment) -> None:
    """RS, PS and ES in all sizes, and EdDSA; the key set holds a key for each."""
    for issuer in deployment.issuers:
        async with await deployment.connect(PLAIN, issuer.sign(claims_of(deployment.token(PLAIN)))):
            pass


async def test_everyone_comes_in_at_once_and_again(deployment: Deployment) -> None:
    """A crowd that connects together is let in together; a token shown before is as good the second time."""
    crowd = [(account, deployment.token(account)) for account in CAST]
    for _ in range(2):
        clients = await asyncio.gather(*itertools.starmap(deployment.connect, crowd))
        assert [True] * len(crowd) == [client.is_connected for client in clients]
        await asyncio.gather(*(client.close() for client in clients))


async def test_an_unnamed_connection(deployment: Deployment) -> None:
    """The connection has no name of ours: a named one would not survive a reload of the server's configuration."""
    async with await deployment.connect(FOREIGNER, via="pass") as client:
        connection = await deployment.environment.connection(client)
    assert "anyone" == connection["authorized_user"]
    assert "billing" not in json.dumps(connection)


async def connect_in_time(deployment: Deployment, mint: Callable[[float], str]) -> WorkloadClient:
    """Log in with a token that ends soon, though not before the login was decided."""
    for life in LIVES_SECONDS:
        end = int(time.time() + life)
        with contextlib.suppress(*REFUSED):
            client = await deployment.connect(PLAIN, mint(life))
            if time.time() < end - 1:
                return client
            await client.close()
    raise AssertionError(f"no login was decided within {LIVES_SECONDS[-1]} s")


async def test_the_login_ends_with_the_token(deployment: Deployment) -> None:
    """The server then disconnects the client; a token in its leeway is good until that is over."""
    over = LIFE_SECONDS + LEEWAY_SECONDS
    async with (
        await connect_in_time(deployment, lambda life: deployment.token(PLAIN, ttl=life)) as soon,
        await connect_in_time(
            deployment, lambda life: deployment.token(PLAIN, now=time.time() - over + life)
        ) as in_leeway,
        await deployment.connect(PLAIN) as lasting,
    ):
        await until(lambda: soon.is_closed and in_leeway.is_closed, PATIENCE_SECONDS, "both are disconnected")
        # nats-py gives the server's words in lower case.
        assert ["nats: user authentication expired"] * 2 == [str(client.last_error) for client in (soon, in_leeway)]
        await lasting.flush()
        assert lasting.is_connected
