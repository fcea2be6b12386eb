"""The demo's clients: nats-py connections that carry the scenarios out and tell what came of them.

Rules kept here:
- What is shown is what a real client met: a message counts as sent when somebody has received it, and as denied when
  the server has said so.
- Why a login was refused the client does not learn, so that is taken from the service's log, as an operator would.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, Self

import msgspec
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error
from nats.errors import TimeoutError as NoMessageError

from callout.demo.scenarios import ALLOWED, DENIED, NOT_IN, ONE_ANSWER, Flaw, Row, Scenario, Verb
from callout.policy.decision import make_inbox_prefix
from callout.secret import Secret

CONNECT_S: Final = 5  # the server gives the callout 2
MESSAGE_S: Final = 2.0  # how long a message may take that is on its way over the loopback


class Surroundings(msgspec.Struct, frozen=True):
    """What the clients need of the rest of the demo.

    Attributes:
        url: of the NATS server.
        account: the name of the account that clients should be in.
        mint: makes the token of `<namespace>/<name>` with a flaw.
        find_account: tells the name of the account that a connection is in, by its number.
        find_reason: tells why the latest login of `<namespace>/<name>` was refused.
    """

    url: str
    account: str
    mint: Callable[[str, Flaw], Secret]
    find_account: Callable[[int | None], Awaitable[str]]
    find_reason: Callable[[str], Awaitable[str]]


class Clients:
    """Carries the scenarios out. Whoever logged in without a flaw stays connected; `async with` ends them all."""

    def __init__(self, surroundings: Surroundings) -> None:
        """Connect nobody yet."""
        self._surroundings = surroundings
        self._connected: dict[str, _Workload] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for client in self._connected.values():
            await client.close()

    async def perform(self, scenario: Scenario) -> Row:
        """Carry one out."""
        deeds = {
            Verb.LOG_IN: self._log_in,
            Verb.PUBLISH: self._publish,
            Verb.SUBSCRIBE: self._subscribe,
            Verb.REQUEST: self._request,
        }
        try:
            outcome = await deeds[scenario.verb](scenario)
        except (Error, OSError) as error:  # a time-out is an OSError, too
            outcome = f"failed: {error or type(error).__name__}"
        expected = scenario.expected.format(account=self._surroundings.account)
        return Row(scenario.who, scenario.deed, outcome, expected)

    async def _log_in(self, scenario: Scenario) -> str:
        who = scenario.who
        try:
            client = await _Workload.connect(self._surroundings.url, self._surroundings.mint(who, scenario.flaw), who)
        except (Error, OSError) as error:
            return await self._explain_refusal(who, error)
        account = await self._surroundings.find_account(client.nats.client_id)
        if scenario.flaw:
            await client.close()
        else:
            self._connected[who] = client
        return f"in account {account}"

    async def _explain_refusal(self, who: str, error: Exception) -> str:
        if "authorization violation" not in str(error).lower():
            return f"failed: {error or type(error).__name__}"
        return f"refused: {await self._surroundings.find_reason(who)}"

    async def _publish(self, scenario: Scenario) -> str:
        subject, receiver = scenario.subject, scenario.partner
        client, listener = self._connected.get(scenario.who), self._connected.get(receiver)
        if client is None:
            return NOT_IN
        subscription = await listener.subscribe(subject) if listener else None
        await client.nats.publish(subject, b"hello")
        if await client.was_denied():
            return DENIED
        if subscription is None:
            return f"{receiver} is {NOT_IN}" if receiver else ALLOWED
        return f"received by {receiver}" if await _arrives(subscription) else f"not received by {receiver}"

    async def _subscribe(self, scenario: Scenario) -> str:
        client = self._connected.get(scenario.who)
        if client is None:
            return NOT_IN
        await client.subscribe(scenario.subject)
        return DENIED if await client.was_denied() else ALLOWED

    async def _request(self, scenario: Scenario) -> str:
        client, partner = self._connected.get(scenario.who), self._connected.get(scenario.partner)
        if client is None or partner is None:
            return NOT_IN
        answered = asyncio.Event()

        async def answer_twice(request: Msg) -> None:
            await request.respond(b"first")
            await request.respond(b"second")
            answered.set()

        await partner.subscribe(scenario.subject, answer_twice)
        inbox = client.nats.new_inbox()
        answers = await client.subscribe(inbox)
        await client.nats.publish(scenario.subject, b"please", reply=inbox)
        if await client.was_denied():
            return DENIED
        if not await _arrives(answers):
            return "no answer"
        async with asyncio.timeout(MESSAGE_S):
            await answered.wait()
        denied = await partner.was_denied()
        await client.flush()  # what was sent here before has come before the answer to this
        return ONE_ANSWER if denied and not answers.pending_msgs else f"{1 + answers.pending_msgs} answers"


class _Workload:
    """A pod's client: its inbox is its own, and it notices what the server denies it."""

    def __init__(self, denials: list[Exception]) -> None:
        """Keep the list that the connection adds to."""
        self.nats = Client()
        self._denials = denials

    @classmethod
    async def connect(cls, url: str, token: Secret, who: str) -> Self:
        """Log in with the token of `<namespace>/<name>`.

        Raises:
            nats.errors.Error, OSError: the server did not want it.
        """
        denials: list[Exception] = []

        async def note(error: Exception) -> None:
            denials.append(error)

        client = cls(denials)
        namespace, _, name = who.partition("/")
        try:
            await client.nats.connect(
                url,
                token=token.reveal(),
                name=who,
                inbox_prefix=make_inbox_prefix(namespace, name).encode(),
                connect_timeout=CONNECT_S,
                allow_reconnect=False,
                max_reconnect_attempts=1,
                error_cb=note,
            )
        except BaseException:  # whatever it was, no half-open connection is left behind
            await client.close()
            raise
        denials.clear()
        return client

    async def subscribe(self, subject: str, answer: Callable[[Msg], Awaitable[None]] | None = None) -> Subscription:
        """Subscribe; when this returns, the server has heard of it."""
        subscription = await self.nats.subscribe(subject, cb=answer)
        await self.flush()
        return subscription

    async def flush(self) -> None:
        """Return when the server has seen all that was sent.

        nats-py 2.16 sends the ping of its own flush ahead of what it still holds back; that of a second one it cannot.
        """
        await self.nats.flush(CONNECT_S)
        await self.nats.flush(CONNECT_S)

    async def was_denied(self) -> bool:
        """Tell whether the server has denied anything since the last time, up to what was sent just now."""
        await self.flush()  # a denial is sent before the answer to this
        denied = bool(self._denials)
        self._denials.clear()
        return denied

    async def close(self) -> None:
        """Leave."""
        await self.nats.close()


async def _arrives(subscription: Subscription) -> bool:
    """Tell whether a message comes in."""
    try:
        await subscription.next_msg(MESSAGE_S)
    except NoMessageError:
        return False
    return True
