"""A message on its way into a stream of a real server."""

import asyncio
import json
from typing import Any

import msgspec
import pytest

from callout.doctor.bearer import Bearer
from callout.doctor.connections import Connection, log_in
from callout.doctor.delivery import MESSAGE, deliver
from callout.doctor.findings import Check, Finding, Severity, ok
from callout.doctor.logins import Door, Login
from callout.doctor.request import Request
from tests.callout.doctor.on_server import find_door
from tests.interop.environments import Environment
from tests.minting import NatsKey, user_jwt
from tests.waiting import PATIENCE_SECONDS
from workers.nkeys import decode_seed

BEARER = Bearer("a-token", ok(Check.TOKEN, "good"), "orders", "checkout")
REQUEST = Request(stream="EVENTS", subject="events.doctor")
NACK: dict[str, Any] = {"pub": {"allow": ["$JS.API.>"]}, "sub": {"allow": ["_INBOX.>"]}}
"""All that NACK needs, and so all that whoever looks at its stream needs."""


def make_login(environment: Environment, role: str = "clients", **permissions: Any) -> Login:
    """A new user of the account in that role."""
    key = NatsKey.generate("user")
    return Login(jwt=user_jwt(key.public, environment.keys.accounts[role], **permissions), key=decode_seed(key.seed))


async def administer(client: Connection, verb: str, **question: Any) -> None:
    """Have JetStream do something with the stream, and see that it was done."""
    (answer,) = await client.ask(f"$JS.API.STREAM.{verb}.EVENTS", question)
    assert "error" not in json.loads(answer), answer


def publish(
    environment: Environment, request: Request, *, publisher: Login | None = None, reader: Login | None = None
) -> tuple[Finding, int]:
    """What is found, and how many messages were published in the account that has the stream, wherever to."""

    async def go(door: Door) -> tuple[Finding, int]:
        administrator = await log_in(door, make_login(environment))
        client = await log_in(door, publisher or make_login(environment))
        async with administrator, client:
            await administer(administrator, "CREATE", name="EVENTS", subjects=["events.>"], storage="memory")
            try:
                asked = msgspec.structs.replace(request, stream_user=reader or make_login(environment, **NACK))
                async with administrator.overhear("*.doctor") as heard:
                    finding = await deliver(door, asked, client, BEARER)
                    await administrator.flush()
                return finding, [one.payload for one in heard].count(MESSAGE)
            finally:
                await administer(administrator, "DELETE")

    return asyncio.run(asyncio.wait_for(go(find_door(environment)), PATIENCE_SECONDS))


def test_a_message_arrives(in_operator_mode: Environment) -> None:
    """It is one, and who looks at the stream needs no more rights than NACK."""
    finding, published = publish(in_operator_mode, REQUEST)
    assert (Check.STREAM, Severity.OK, 1) == (finding.check, finding.severity, published)
    assert "EVENTS now ends with number 1" in finding.what


@pytest.mark.parametrize(
    ("request_", "role", "may", "words", "published"),
    [
        (msgspec.structs.replace(REQUEST, stream="OTHER"), "clients", ">", "there is no stream OTHER", 0),
        (REQUEST, "clients", "orders.>", "the client may not publish to events.doctor", 0),
        (REQUEST, "other", ">", "the stream is in another account", 0),
        (msgspec.structs.replace(REQUEST, subject="orders.doctor"), "clients", ">", "and not orders.doctor", 1),
    ],
    ids=["no stream", "no permission", "another account", "another subject"],
)
def test_a_message_does_not_arrive(
    in_operator_mode: Environment, request_: Request, role: str, may: str, words: str, published: int
) -> None:
    """Each cause is told from the others; where there is no stream nothing is published."""
    publisher = make_login(in_operator_mode, role, pub={"allow": [may]})
    finding, number = publish(in_operator_mode, request_, publisher=publisher)
    assert (Severity.WRONG, published) == (finding.severity, number)
    assert words in finding.what


def test_who_may_not_look_sees_no_stream(in_operator_mode: Environment) -> None:
    """The line says that this may be so."""
    finding, published = publish(in_operator_mode, REQUEST, reader=make_login(in_operator_mode, pub={"deny": [">"]}))
    assert (Severity.WRONG, 0) == (finding.severity, published)
    assert "or that user may not ask for it" in finding.what


def test_who_looks_has_to_log_in(in_operator_mode: Environment) -> None:
    """Nothing is published before."""
    stranger = NatsKey.generate("account")
    key = NatsKey.generate("user")
    reader = Login(jwt=user_jwt(key.public, stranger), key=decode_seed(key.seed))
    finding, published = publish(in_operator_mode, REQUEST, reader=reader)
    assert (Severity.WRONG, 0) == (finding.severity, published)
    assert finding.what.startswith("the user of --nack-creds cannot log in: ")
    assert finding.mend.startswith("nats server check connection --creds FILE")


def test_nobody_publishes_who_was_not_let_in(in_operator_mode: Environment) -> None:
    """Then it is not known whether a message would arrive."""
    finding = asyncio.run(deliver(find_door(in_operator_mode), REQUEST, None, BEARER))
    assert (Check.STREAM, Severity.UNKNOWN) == (finding.check, finding.severity)
    assert finding.mend
