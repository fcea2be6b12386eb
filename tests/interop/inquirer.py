"""One who asks the service as a nats-server would, and reads its answers as the strictest of them would."""

import asyncio
import base64
import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.interop.clients import Injector
from tests.minting import (
    Answer,
    AuthorizationRequest,
    NatsKey,
    PretendServer,
    encode_nats_jwt,
    open_answer,
)
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until

LONG_SECONDS = 600
"""How long our requests are good for. True ones end after two seconds, which a busy machine may need to send them."""


class Inquiry(AuthorizationRequest, frozen=True):
    """A request that may be any bytes; `server` is whom it names, and so whom an answer has to be for."""

    server: str


class Inquirer:
    """Sends requests of a server that does not exist.

    Args:
        injector: the way to the service.
        service: whose log tells what was dropped.
        server: signs the requests, and seals them if it has a curve key.
        issuer: whom requests are addressed to, and who has to sign the answers.
        curve: the service's public curve key, if it has one.
    """

    def __init__(
        self, injector: Injector, service: Service, *, server: PretendServer, issuer: str, curve: str | None
    ) -> None:
        self.server = server
        self.curve = curve
        self._injector = injector
        self._service = service
        self._issuer = issuer

    def request(self, token: str | None, **changes: Any) -> AuthorizationRequest:
        """What a true server would ask about a client with that token, but for the `changes` (`PretendServer`)."""
        now = changes.get("now", time.time())
        defaults: dict[str, Any] = {
            "subject": self._issuer,
            "now": now,
            "exp": int(now + LONG_SECONDS),
            "token": token,
            "callout_curve": self.curve,
        }
        return self.server.request(**(defaults | changes))

    def reissue(self, claims: Mapping[str, Any]) -> AuthorizationRequest:
        """A request with exactly those claims, signed and if need be sealed by our server."""
        return self.wrap(encode_nats_jwt(claims, self.server.key).encode())

    def wrap(self, payload: bytes) -> AuthorizationRequest:
        """A message with that payload, sealed if that is how our server speaks."""
        user, server = _find_names(payload)
        if self.curve is None or self.server.curve is None:
            return Inquiry(payload, None, user, server)
        headers = {"Nats-Server-Xkey": self.server.curve.public}
        return Inquiry(self.server.curve.seal(payload, self.curve), headers, user, server)

    async def ask(self, request: AuthorizationRequest) -> Answer:
        """Ask, and wait for the answer."""
        return self._read(request, await self._injector.ask(request.payload, request.headers))

    async def ask_unread(self, request: AuthorizationRequest) -> bytes:
        """Ask, and return the answer's payload: that to a request of another server only that one could read."""
        return await self._injector.ask(request.payload, request.headers)

    async def ask_all(self, requests: Sequence[AuthorizationRequest]) -> list[Answer | None]:
        """Ask everything at once; None for those that the service has dropped, by its own account."""
        before = self.dropped()
        send = self._injector.send
        order = await asyncio.gather(*(send(request.payload, request.headers) for request in requests))
        pending = dict(zip(order, requests, strict=True))
        answers: dict[str, Answer] = {}

        async def complete() -> bool:
            while len(answers) + self.dropped() - before < len(order):
                try:
                    message = await self._injector.next_answer(timeout_s=0.05)
                except TimeoutError:
                    return False
                answers[message.subject] = self._read(pending.pop(message.subject), message.data)
            return True

        await until(complete, PATIENCE_SECONDS, f"an answer or a line in the log for each of {len(order)} requests")
        return [answers.get(subject) for subject in order]

    async def flood(self, payload: bytes, number: int) -> None:
        """Send the same message many times, as fast as it goes."""
        await self._injector.flood(payload, number)

    def dropped(self) -> int:
        """How many requests the service says that it has dropped."""
        return sum(line["requests"] for line in self._service.log_lines("requests dropped"))

    def _read(self, request: AuthorizationRequest, payload: bytes) -> Answer:
        named = request.server if isinstance(request, Inquiry) else self.server.key.public
        server = PretendServer(NatsKey(seed="", public=named), self.server.curve)
        return open_answer(payload, request, server=server, response_issuer=self._issuer, callout_curve=self.curve)


def _find_names(payload: bytes) -> tuple[str, str]:
    """The user and the server that a payload names, however wrong the rest of it is."""
    try:
        text = base64.urlsafe_b64decode(payload.split(b".")[1] + b"==").decode(errors="replace")
        body = json.loads(text, strict=False)["nats"]
        return str(body["user_nkey"]), str(body["server_id"]["id"])
    except (ValueError, LookupError, TypeError, RecursionError):
        return "", ""


def reason_of(answer: Answer | None) -> str | None:
    """The reason that an error names; "" for one that lets the client in, None for no answer."""
    if answer is None:
        return None
    if answer.error is None:
        return ""
    reason, _, number = answer.error.partition(" id=")
    assert answer.response["sub"].startswith(number), json.dumps(answer.response)
    return reason
