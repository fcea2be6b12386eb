"""One who asks the service as a nats-server would, and reads its answers as the strictest of them would."""

import json
import time
from collections.abc import Sequence
from typing import Any

from tests.interop.clients import Injector
from tests.minting import Answer, AuthorizationRequest, PretendServer, encode_nats_jwt, open_answer
from tests.service import Service
from tests.waiting import until

VERDICT_SECONDS = 10
"""An answer takes a millisecond; that a request was dropped is in the log within half a second."""


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
        defaults = {"subject": self._issuer, "now": time.time(), "token": token, "callout_curve": self.curve}
        return self.server.request(**(defaults | changes))

    def reissue(self, claims: dict[str, Any]) -> AuthorizationRequest:
        """A request with exactly those claims, signed and if need be sealed by our server."""
        body = claims.get("nats")
        user = body.get("user_nkey") if isinstance(body, dict) else None
        return self.wrap(encode_nats_jwt(claims, self.server.key).encode(), user=str(user))

    def wrap(self, payload: bytes, *, user: str = "") -> AuthorizationRequest:
        """A message with that payload, sealed if that is how our server speaks; `user` is whom an answer must name."""
        if self.curve is None or self.server.curve is None:
            return AuthorizationRequest(payload, None, user)
        headers = {"Nats-Server-Xkey": self.server.curve.public}
        return AuthorizationRequest(self.server.curve.seal(payload, self.curve), headers, user)

    async def ask(self, request: AuthorizationRequest) -> Answer:
        """Ask, and wait for the answer."""
        return self._read(request, await self._injector.ask(request.payload, request.headers))

    async def ask_all(self, requests: Sequence[AuthorizationRequest]) -> list[Answer | None]:
        """Ask everything at once; None for those that the service has dropped, by its own account."""
        before = self.dropped()
        pending = {await self._injector.send(request.payload, request.headers): request for request in requests}
        order = list(pending)
        answers: dict[str, Answer] = {}

        async def complete() -> bool:
            while len(answers) + self.dropped() - before < len(order):
                try:
                    message = await self._injector.next_answer(timeout_s=0.05)
                except TimeoutError:
                    return False
                answers[message.subject] = self._read(pending.pop(message.subject), message.data)
            return True

        await until(complete, VERDICT_SECONDS, f"an answer or a line in the log for each of {len(order)} requests")
        return [answers.get(subject) for subject in order]

    async def flood(self, payload: bytes, number: int) -> None:
        """Send the same message many times, as fast as it goes."""
        await self._injector.flood(payload, number)

    def dropped(self) -> int:
        """How many requests the service says that it has dropped."""
        return sum(line["requests"] for line in self._service.log_lines("requests dropped"))

    def _read(self, request: AuthorizationRequest, payload: bytes) -> Answer:
        return open_answer(
            payload, request, server=self.server, envelope_issuer=self._issuer, callout_curve=self.curve
        )


def reason_of(answer: Answer | None) -> str | None:
    """The reason that an error names; "" for one that lets the client in, None for no answer."""
    if answer is None:
        return None
    if answer.error is None:
        return ""
    reason, _, number = answer.error.partition(" id=")
    assert answer.envelope["sub"].startswith(number), json.dumps(answer.envelope)
    return reason
