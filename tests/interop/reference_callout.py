"""A naive callout responder: proof that the environments work, and the tool for asking servers questions.

It verifies no token; the caller's `decide` says what is answered. It shares no line with the product.
"""

import contextlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from nats.aio.msg import Msg

from tests.callout_minting import make_answer, open_request
from tests.interop.environments import Environment
from tests.interop.server_configs import AUTH_SUBJECT
from tests.nats_minting import NO_LIMITS, CurveKey, NatsKey, encode_nats_jwt, override

Request = Mapping[str, Any]
Decide = Callable[["ReferenceCallout", Request], bytes | None]


class ReferenceCallout:
    """Answers the callouts of an environment within an `async with` block; `decide` returns the payload, or None.

    Attributes:
        requests: the claims of every request seen.
        decide: may be replaced while it runs.
    """

    def __init__(self, environment: Environment, decide: Decide) -> None:
        self.environment = environment
        self.requests: list[Request] = []
        self.decide = decide
        self._errors: list[Exception] = []
        self._connections = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Self:
        client = await self._connections.enter_async_context(await self.environment.connect_as_service())
        self._errors = client.errors
        await client.subscribe(AUTH_SUBJECT, queue="reference", cb=self._answer)
        await client.flush()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._connections.aclose()
        assert self._errors == []

    def allow(
        self,
        request: Request,
        *,
        pub: Sequence[str] = (),
        sub: Sequence[str] = (),
        claims: Mapping[str, Any] | None = None,
        signer: NatsKey | None = None,
        **members: Any,
    ) -> bytes:
        """An answer that lets the client in; `claims` and `members` replace parts of the user JWT and its `nats`.

        An empty side is refused entirely, as it would otherwise be allowed entirely. `signer` signs the response.
        """
        environment, keys = self.environment, self.environment.keys
        operator = environment.is_operator_mode
        parts = {
            "pub": {"allow": list(pub)} if pub else {"deny": [">"]},
            "sub": {"allow": list(sub)} if sub else {"deny": [">"]},
            **NO_LIMITS,
            "type": "user",
            "version": 2,
            **({"issuer_account": keys.accounts["clients"].public} if operator else {}),
        }
        user_signer = keys.clients_signing if operator else keys.issuer
        body = {
            "aud": "APP",
            "iat": request["iat"],
            "iss": user_signer.public,
            "sub": request["nats"]["user_nkey"],
            "nats": override(parts, members),
        }
        jwt = encode_nats_jwt(override(body, claims or {}), user_signer)
        return self.wrap(request, jwt=jwt, signer=signer or keys.issuer)

    def deny(self, request: Request, reason: str) -> bytes:
        """An answer that turns the client away."""
        return self.wrap(request, error=reason)

    def wrap(self, request: Request, **options: Any) -> bytes:
        """A response by the right key, sealed if this environment encrypts; `options` are `make_answer`'s."""
        return make_answer(request, **({"signer": self.environment.keys.issuer, "curve": self._curve} | options))

    @property
    def _curve(self) -> CurveKey | None:
        return self.environment.keys.curve if self.environment.setting.xkey else None

    async def _answer(self, message: Msg) -> None:
        request = open_request(message.data, message.headers, self._curve)
        self.requests.append(request)
        payload = self.decide(self, request)
        if payload is not None:
            await message.respond(payload)
