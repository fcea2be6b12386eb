"""Authorization requests as nats-server makes them, and answers as it reads them, for the tests.

An oracle like `tests.minting`: it imports nothing of the product. The shapes are those of nats-io/jwt v2,
`authorization_claims.go`, and of nats-server's `server/auth_callout.go`; each member can be replaced or, with `ABSENT`,
dropped, because half of the tests are about requests that no true server sends.
"""

import uuid
from collections.abc import Mapping
from typing import Any

import msgspec

from tests.nats_minting import ABSENT, SEALED_PREFIX, CurveKey, NatsKey, decode_nats_jwt, encode_nats_jwt, override

REQUEST_AUDIENCE = "nats-authorization-request"
XKEY_HEADER = "Nats-Server-Xkey"
AUTH_TIMEOUT_SECONDS = 2


class AuthorizationRequest(msgspec.Struct, frozen=True):
    """A message on `$SYS.REQ.USER.AUTH`: its payload, its headers, and the user key that the answer must name."""

    payload: bytes
    headers: dict[str, str] | None
    user: str


class Answer(msgspec.Struct, frozen=True):
    """A reply that has passed every check of `open_answer`. Either `user` or `error` is set."""

    response: dict[str, Any]
    user: dict[str, Any] | None
    error: str | None
    sealed: bool


class PretendServer(msgspec.Struct, frozen=True):
    """A nats-server as the callout sees it: the key that signs requests and, if it encrypts, its curve key."""

    key: NatsKey
    curve: CurveKey | None = None
    version: str = "2.15.1"

    def request(
        self,
        subject: str,
        *,
        now: float,
        token: str | None = None,
        password: str | None = None,
        user: str | None = None,
        callout_curve: str | None = None,
        server_id: Mapping[str, Any] | None = None,
        client_info: Mapping[str, Any] | None = None,
        connect_opts: Mapping[str, Any] | None = None,
        nats: Mapping[str, Any] | None = None,
        header: Mapping[str, Any] | None = None,
        signer: NatsKey | None = None,
        **claims: Any,
    ) -> AuthorizationRequest:
        """A request of a client that logs in with `token` (as auth_token) or `password` (as pass).

        `subject` is the configured issuer, or in operator mode the callout's account. Given the callout's X… key in
        `callout_curve` the payload is sealed. The mappings and `claims` replace members of the part that they name.
        """
        user = user or NatsKey.generate("user").public
        encrypting = self.curve is not None and callout_curve is not None
        identity = {
            "name": "pretend",
            "host": "127.0.0.1",
            "id": self.key.public,
            "version": self.version,
            "xkey": self.curve.public if self.curve is not None and encrypting else ABSENT,
        }
        client = {"host": "127.0.0.1", "id": 7, "user": token or "", "kind": "Client", "type": "nats"}
        options = {
            "auth_token": ABSENT if token is None else token,
            "pass": ABSENT if password is None else password,
            "user": ABSENT if password is None else "anyone",
            "lang": "go",
            "version": "1.52.0",
            "protocol": 1,
        }
        parts = {
            "server_id": override(identity, server_id or {}),
            "user_nkey": user,
            "client_info": override(client, client_info or {}),
            "connect_opts": override(options, connect_opts or {}),
            "type": "authorization_request",
            "version": 2,
        }
        body = {
            "aud": REQUEST_AUDIENCE,
            "exp": int(now + AUTH_TIMEOUT_SECONDS),
            "jti": uuid.uuid4().hex,
            "iat": int(now),
            "iss": (signer or self.key).public,
            "sub": subject,
            "nats": override(parts, nats or {}),
        }
        payload = encode_nats_jwt(override(body, claims), signer or self.key, header=header).encode()
        if self.curve is None or callout_curve is None:
            return AuthorizationRequest(payload=payload, headers=None, user=user)
        sealed = self.curve.seal(payload, callout_curve)
        return AuthorizationRequest(payload=sealed, headers={XKEY_HEADER: self.curve.public}, user=user)


def open_request(payload: bytes, headers: Mapping[str, str] | None, curve: CurveKey | None) -> dict[str, Any]:
    """The claims of a request as the service sees them, unsealed with `curve` if it is sealed, and verified."""
    if payload.startswith(SEALED_PREFIX):
        assert curve is not None
        assert headers is not None
        payload = curve.open(payload, headers[XKEY_HEADER])
    return decode_nats_jwt(payload.decode())


def make_answer(
    request: Mapping[str, Any],
    signer: NatsKey,
    *,
    jwt: str | None = None,
    error: str | None = None,
    curve: CurveKey | None = None,
    header: Mapping[str, Any] | None = None,
    nats: Mapping[str, Any] | None = None,
    **claims: Any,
) -> bytes:
    """The response for the request with the claims `request`, sealed for its server when `curve` is ours."""
    parts = {"type": "authorization_response", "version": 2, "jwt": jwt or ABSENT, "error": error or ABSENT}
    server_id = request["nats"]["server_id"]
    body = {
        "aud": server_id["id"],
        "iat": request["iat"],
        "jti": uuid.uuid4().hex,
        "iss": signer.public,
        "sub": request["nats"]["user_nkey"],
        "nats": override(parts, nats or {}),
    }
    payload = encode_nats_jwt(override(body, claims), signer, header=header).encode()
    return payload if curve is None else curve.seal(payload, server_id["xkey"])


def open_answer(
    payload: bytes,
    request: AuthorizationRequest,
    *,
    server: PretendServer,
    response_issuer: str,
    callout_curve: str | None = None,
) -> Answer:
    """Read an answer as the strictest nats-server would; whatever it would refuse is an `AssertionError` here.

    `response_issuer` is the A… key that must have signed the response. The user JWT's own signer is verified against
    its `iss`; whose that is stands in `Answer.user["iss"]` for the test to judge.
    """
    sealed = payload.startswith(SEALED_PREFIX)
    if sealed:
        assert server.curve is not None
        assert callout_curve is not None
        payload = server.curve.open(payload, callout_curve)
    response = decode_nats_jwt(payload.decode())
    parts = response["nats"]
    assert response_issuer == response["iss"]
    assert request.user == response["sub"]
    assert server.key.public == response["aud"]
    assert parts.get("type") == "authorization_response"
    assert parts.get("version") == 2
    assert ("jwt" in parts) != ("error" in parts)
    if "error" in parts:
        return Answer(response=response, user=None, error=parts["error"], sealed=sealed)
    user = decode_nats_jwt(parts["jwt"])
    assert request.user == user["sub"]
    assert user["nats"].get("type") == "user"
    assert user["nats"].get("version") == 2
    return Answer(response=response, user=user, error=None, sealed=sealed)
