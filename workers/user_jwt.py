"""The answer's two JWTs, spliced from prepared bytes.

Shapes: nats-io/jwt v2 `user_claims.go`, `authorization_claims.go`; what nats-server does with them:
`server/auth_callout.go`. The user JWT is what the client becomes; the response carries it, or an error, to the server.

Rules kept here:
- An allow list is never empty: NATS reads that as "everything". An empty side becomes deny `>`.
- Strings from outside are either checked to be plain (public keys) or quoted by the JSON encoder.
- `issuer_account` stands only where the signing key is not the account's own key: the server refuses it in server mode.
- Limits (`subs`, `data`, `payload`) are -1, none: since 2.15.3 nats-server enforces those of an answer, and takes
  absent ones for 0 ("maximum subscriptions exceeded"). By them an answer of operator mode is a whole login for who has
  asked with a user key of his own, and with the token (SECURITY.md).
- It is good for a client's connection, and not for a leafnode's: of one that shows it as its login nats-server 2.10
  enforces neither limits nor permissions on what it sends. Both are tried in tests/interop/test_user_jwts.py.
"""

from collections.abc import Sequence
from enum import StrEnum

import msgspec

from workers.jose import encode_segment
from workers.nkeys import KeyPair

_HEADER = encode_segment(b'{"typ":"JWT","alg":"ed25519-nkey"}') + b"."
_LIMITS = b'"subs":-1,"data":-1,"payload":-1'
_CONNECTIONS = b'"allowed_connection_types":["STANDARD","WEBSOCKET","MQTT","MQTT_WS","IN_PROCESS"]'
_quote = msgspec.json.Encoder().encode


class Mode(StrEnum):
    """How the nats-server knows its accounts: from its own configuration, or from JWTs of an operator."""

    SERVER = "server"
    OPERATOR = "operator"


class ResponsePermission(msgspec.Struct, frozen=True):
    """How a client may answer requests it receives (`allow_responses` of nats-server).

    Attributes:
        max: how many messages it may send to each reply subject.
        ttl_ns: for how long, in nanoseconds.
    """

    max: int
    ttl_ns: int


class Signer(msgspec.Struct, frozen=True):
    """Who signs what, and in whose name.

    Attributes:
        mode: how the server knows its accounts.
        response: signs the response: the configured issuer's key, or the callout account's (or a signing key of it).
        user: signs the user JWT: the same key in server mode, the target account's (or a signing key) in operator mode.
        callout_account: the public key that requests have to be addressed to (their `sub`).
    """

    mode: Mode
    response: KeyPair
    user: KeyPair
    callout_account: str


def render_permissions(
    pub_allow: Sequence[str],
    sub_allow: Sequence[str],
    response: ResponsePermission | None,
    *,
    pub_deny: Sequence[str] = (),
) -> bytes:
    """Render the members `pub`, `sub` and `resp` of a user JWT, ready to be spliced: no braces, no trailing comma.

    Args:
        pub_allow: what the client may publish to.
        sub_allow: what the client may subscribe to.
        response: how it may answer requests, wherever those want the answer; None: only where `pub_allow` lets it.
        pub_deny: what it may not publish to, though `pub_allow` covers it.
    """
    resp = b',"resp":%b' % _quote({"max": response.max, "ttl": response.ttl_ns}) if response else b""
    return b'"pub":%b,"sub":%b%b' % (_render_side(pub_allow, pub_deny), _render_side(sub_allow, ()), resp)


def issue_user(
    signer: Signer,
    *,
    user_nkey: str,
    account: str,
    permissions: bytes,
    issued_at: int,
    expires_at: int,
    request_id: str,
    name: str | None,
) -> bytes:
    """Sign the user JWT.

    Args:
        signer: whose key signs it.
        user_nkey: the client's key of this connection, as the request named it; already checked to be plain.
        account: where the client goes: an account's name in server mode, its public key in operator mode.
        permissions: from `render_permissions`.
        issued_at: Unix seconds.
        expires_at: Unix seconds; the server ends the connection then.
        request_id: becomes `jti`, so that the server's records and our log can be matched.
        name: the connection's user name, or None for none.
    """
    if signer.mode is Mode.SERVER:
        placement, issuer_account = b'"aud":%b,' % _quote(account), b""
    else:
        own_key = signer.user.public == account
        placement, issuer_account = b"", b"" if own_key else b',"issuer_account":%b' % _quote(account)
    return sign_nats_jwt(
        signer.user,
        b'{"jti":"%b","iat":%d,"iss":"%b","sub":"%b",%b"exp":%d,%b"nats":{%b,%b,%b,"type":"user","version":2%b}}'
        % (
            request_id.encode(),
            issued_at,
            signer.user.public.encode(),
            user_nkey.encode(),
            placement,
            expires_at,
            b"" if name is None else b'"name":%b,' % _quote(name),
            permissions,
            _LIMITS,
            _CONNECTIONS,
            issuer_account,
        ),
    )


def respond_allow(signer: Signer, *, user_nkey: str, server_id: str, issued_at: int, user_jwt: bytes) -> bytes:
    """Sign the response that lets the client in."""
    return _respond(signer, user_nkey, server_id, issued_at, b'"jwt":"%b"' % user_jwt)


def respond_deny(signer: Signer, *, user_nkey: str, server_id: str, issued_at: int, error: str) -> bytes:
    """Sign the response that refuses the client. The server logs `error`; the client never sees it."""
    return _respond(signer, user_nkey, server_id, issued_at, b'"error":%b' % _quote(error))


def _respond(signer: Signer, user_nkey: str, server_id: str, issued_at: int, verdict: bytes) -> bytes:
    issuer = signer.response.public
    account = b"" if issuer == signer.callout_account else b',"issuer_account":"%b"' % signer.callout_account.encode()
    return sign_nats_jwt(
        signer.response,
        b'{"iat":%d,"iss":"%b","sub":"%b","aud":"%b","nats":{%b,"type":"authorization_response","version":2%b}}'
        % (issued_at, issuer.encode(), user_nkey.encode(), server_id.encode(), verdict, account),
    )


def sign_nats_jwt(key: KeyPair, claims: bytes) -> bytes:
    """Sign any NATS JWT: header, claims and signature, each in base64url.

    The header is nats-io/jwt v2's (`header.go`), and the signature is over the encoded text as it stands.

    Args:
        key: whose public half `claims` name as `iss`.
        claims: a JSON object.
    """
    signing_input = _HEADER + encode_segment(claims)
    return signing_input + b"." + encode_segment(key.sign(signing_input))


def _render_side(allow: Sequence[str], deny: Sequence[str]) -> bytes:
    if not allow:
        return _quote({"deny": [">"]})
    return _quote({"allow": allow, "deny": deny} if deny else {"allow": allow})
