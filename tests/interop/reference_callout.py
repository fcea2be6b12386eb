"""A naive callout responder: proof that the environments work, and the tool for asking servers questions.

It verifies no token; the caller's `decide` says what is answered. It shares no line with the product.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

from nats.aio.msg import Msg

from tests.callout_minting import make_answer, open_request
from tests.interop.clients import WorkloadClient
from tests.interop.environments import Environment
from tests.interop.server_configs import AUTH_SUBJECT
from tests.nats_minting import encode_nats_jwt, override

Request = Mapping[str, Any]
Decide = Callable[["ReferenceCallout", Request], bytes | None]


class ReferenceCallout:
    """Answers the callouts of an environment within an `async with` block; `decide` returns the payload, or None.

    Attributes:
        requests: the claims of every request seen.
    """

    def __init__(self, environment: Environment, decide: Decide) -> None:
        self.environment = environment
        self.requests: list[Request] = []
        self._decide = decide
        self._client: WorkloadClient | None = None

    async def __aenter__(self) -> Self:
        self._client = await self.environment.connect_as_service()
        await self._client.subscribe(AUTH_SUBJECT, queue="reference", cb=self._answer)
        await self._client.flush()
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._client is not None
        await self._client.close()
        assert [] == self._client.errors

    def allow(
        self,
        request: Request,
        *,
        pub: Sequence[str] = (),
        sub: Sequence[str] = (),
        claims: Mapping[str, Any] | None = None,
        **members: Any,
    ) -> bytes:
        """An answer that lets the client in; `claims` and `members` replace parts of the user JWT and its `nats`."""
        environment, keys = self.environment, self.environment.keys
        operator = environment.is_operator_mode
        parts = {
            "pub": {"allow": list(pub)},
            "sub": {"allow": list(sub)},
            "type": "user",
            "version": 2,
            **({"issuer_account": keys.accounts["clients"].public} if operator else {}),
        }
        signer = keys.clients_signing if operator else keys.issuer
        nats = override(parts, members)
        body = {"aud": "APP", "iat": request["iat"], "sub": request["nats"]["user_nkey"], "iss": signer.public}
        return self.wrap(request, jwt=encode_nats_jwt(override({**body, "nats": nats}, claims or {}), signer))

    def deny(self, request: Request, reason: str) -> bytes:
        """An answer that turns the client away."""
        return self.wrap(request, error=reason)

    def wrap(self, request: Request, **options: Any) -> bytes:
        """An envelope by the right key, sealed if this environment encrypts; `options` are `make_answer`'s."""
        curve = self.environment.keys.curve if self.environment.setting.xkey else None
        return make_answer(request, **({"signer": self.environment.keys.issuer, "curve": curve} | options))

    async def _answer(self, message: Msg) -> None:
        curve = self.environment.keys.curve if self.environment.setting.xkey else None
        request = open_request(message.data, message.headers, curve)
        self.requests.append(request)
        payload = self._decide(self, request)
        if payload is not None:
            await message.respond(payload)
