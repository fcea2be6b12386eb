"""Clients of the test bench's servers, and ways to hear what a server says about them."""

import itertools
import json
from collections.abc import Mapping, Sequence
from typing import Any, Self

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error

from tests.interop.server_configs import AUTH_ERROR_SUBJECT, INJECT_REPLIES, INJECT_SUBJECT
from tests.waiting import until

CONNECT_SECONDS = 30
"""Beyond the 2 s that the server waits for the callout, however busy the machine is."""
REFUSED = (Error, OSError)
"""What nats-py raises when a login is refused: its own error, or the end of the connection."""


class WorkloadClient(Client):
    """A nats-py client that keeps the server's asynchronous errors in `errors`.

    It sends user and password beside credentials too: nats-py sends a token beside them but no password, nats.go both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.errors: list[Exception] = []

    async def collect(self, error: Exception) -> None:
        """Keep an error; it is the client's `error_cb`."""
        self.errors.append(error)

    async def __aenter__(self) -> Self:
        return self

    async def flush(self, timeout: int = CONNECT_SECONDS) -> None:  # noqa: ASYNC109  # nats-py's signature
        """Return when the server has seen all that was sent, which nats-py's own flush does not ensure.

        It writes its PING past the buffer in which a SUB or PUB may still wait. While the first round trip lasts, that
        buffer is written; the second PING follows it.
        """
        await super().flush(timeout)
        await super().flush(timeout)

    def _connect_command(self) -> bytes:
        command: bytes = super()._connect_command()
        verb, _, sent = command.partition(b" ")
        if self.options["password"] is None or "jwt" not in (members := json.loads(sent)):
            return command
        members |= {"user": self.options["user"], "pass": self.options["password"]}
        return verb + b" " + json.dumps(members).encode() + b"\r\n"


async def open_client(url: str, options: dict[str, Any]) -> WorkloadClient:
    """Connect; one of `REFUSED` if the server does not want it. It does not reconnect unless `options` say so."""
    client = WorkloadClient()
    defaults: dict[str, Any] = {
        "allow_reconnect": False,
        "max_reconnect_attempts": 1,  # the first connection too is tried this often when nobody listens
        "reconnect_time_wait": 0,
        "connect_timeout": CONNECT_SECONDS,
        "error_cb": client.collect,
    }
    try:
        await client.connect(url, **(defaults | options))
        if not client.is_connected:
            # The server's first PING comes 2 s after CONNECT, which is also when it gives up on the callout; nats-py
            # takes it for the PONG it waits for and reports success. The server's verdict follows.
            await until(lambda: client.is_closed, CONNECT_SECONDS, "the server's verdict on the login")
            raise client.last_error or Error("nats: the server hung up")
    except BaseException:  # whatever it was, the half-open connection must go
        await client.close()
        raise
    return client


class Injector:
    """Sends anything as if a server had asked; `async with` closes its two connections."""

    def __init__(self, sender: WorkloadClient, listener: WorkloadClient, answers: Subscription) -> None:
        self._sender = sender
        self._listener = listener
        self._answers = answers
        self._numbers = itertools.count()

    @classmethod
    async def open(cls, sender: WorkloadClient, listener: WorkloadClient) -> Self:
        """Take over two connected clients: one in the exporting account, one in the callout's account."""
        answers = await listener.subscribe(f"{INJECT_REPLIES}.>")
        await listener.flush()
        return cls(sender, listener, answers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._sender.close()
        await self._listener.close()

    async def send(self, payload: bytes, headers: Mapping[str, str] | None = None) -> str:
        """Send a request; returns the reply subject that goes with it, which no other request has."""
        reply = f"{INJECT_REPLIES}.{next(self._numbers)}"
        await self._sender.publish(INJECT_SUBJECT, payload, reply=reply, headers=dict(headers) if headers else None)
        await self._sender.flush()
        return reply

    async def send_all(self, payloads: Sequence[bytes]) -> list[str]:
        """Send many at once, as fast as it goes; returns their reply subjects."""
        replies = [f"{INJECT_REPLIES}.{next(self._numbers)}" for _ in payloads]
        for payload, reply in zip(payloads, replies, strict=True):
            await self._sender.publish(INJECT_SUBJECT, payload, reply=reply)
        await self._sender.flush()
        return replies

    async def flood(self, payload: bytes, number: int, headers: Mapping[str, str] | None = None) -> None:
        """Send the same message many times, as fast as it goes; answers would have one reply subject."""
        reply = f"{INJECT_REPLIES}.flood"
        for _ in range(number):
            await self._sender.publish(INJECT_SUBJECT, payload, reply=reply, headers=dict(headers) if headers else None)
        await self._sender.flush()

    async def next_answer(self, timeout_s: float = CONNECT_SECONDS) -> Msg:
        """The next answer to any of the requests; `nats.errors.TimeoutError` if there is none."""
        return await self._answers.next_msg(timeout=timeout_s)

    async def ask(self, payload: bytes, headers: Mapping[str, str] | None = None) -> bytes:
        """Send a request and return its answer's payload, passing over answers to earlier ones."""
        reply = await self.send(payload, headers)
        while (answer := await self.next_answer()).subject != reply:
            pass
        return answer.data


async def listen(client: Client, subject: str) -> list[dict[str, Any]]:
    """A list that grows with each JSON message on `subject`; when this returns, the server knows of the wish."""
    heard: list[dict[str, Any]] = []

    async def take(message: Msg) -> None:
        heard.append(json.loads(message.data))

    await client.subscribe(subject, cb=take)
    await client.flush()
    return heard


async def listen_refusals(listener: Client) -> list[dict[str, Any]]:
    """The server's advisories about refused logins, heard in the callout's account; the service does without them."""
    return await listen(listener, AUTH_ERROR_SUBJECT)


async def listen_disconnects(system: Client) -> list[dict[str, Any]]:
    """The server's advisories about clients that went away, heard in the system account."""
    return await listen(system, "$SYS.ACCOUNT.*.DISCONNECT")
