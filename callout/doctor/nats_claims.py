"""The JWTs of accounts and users, read: the other side of `callout.nats_jwt`, which writes them.

Shapes: nats-io/jwt v2 `account_claims.go`, `user_claims.go`, `authorization_claims.go`. An account's `signing_keys` are
public keys, or objects with a `key` where the signing key has a scope.

Rules kept here:
- Pure. A JWT counts only if the key that it names as its issuer has signed it.
- A limit that is absent is 0, as nats-server reads it.
- No error shows any part of a JWT.
"""

import base64
import binascii
import re
from typing import Final

import msgspec

from workers.nkeys import decode_public, verify

MAX_JWT_LENGTH: Final = 1 << 16  # characters: an account with a thousand imports has a few ten thousand
_JWT: Final = re.compile(
    rf"(?<![\w.-])eyJ[\w-]{{1,{MAX_JWT_LENGTH}}}\.[\w-]{{1,{MAX_JWT_LENGTH}}}\.[\w-]{{86}}(?![\w-])"
)


class Rights(msgspec.Struct, frozen=True):
    """Subjects of one side."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class UserJwt(msgspec.Struct, frozen=True, kw_only=True):
    """A user.

    Attributes:
        key: its public key U….
        account: the public key of its account.
        name: for people.
        expires_at: Unix seconds; 0 for never.
        subs, data, payload: limits; -1 for none, and 0 allows nothing.
    """

    key: str
    account: str
    name: str
    expires_at: int
    bearer: bool
    pub: Rights
    sub: Rights
    subs: int
    data: int
    payload: int


class AccountJwt(msgspec.Struct, frozen=True, kw_only=True):
    """An account.

    Attributes:
        key: its public key A….
        name: for people, and for nsc.
        issued_at: Unix seconds; of two JWTs of one account the later counts.
        signing_keys, scoped_keys: public keys that may sign its users; the latter only without permissions.
        is_callout: whether it has an authorization section at all.
        auth_users, allowed_accounts, xkey: that section.
    """

    key: str
    name: str
    issued_at: int
    signing_keys: frozenset[str]
    scoped_keys: frozenset[str]
    is_callout: bool
    auth_users: frozenset[str]
    allowed_accounts: frozenset[str]
    xkey: str


class _Scope(msgspec.Struct):
    key: str = ""


class _Authorization(msgspec.Struct):
    auth_users: list[str] = []
    allowed_accounts: list[str] = []
    xkey: str = ""


class _Nats(msgspec.Struct):
    type: str = ""
    issuer_account: str = ""
    bearer_token: bool = False
    pub: Rights = Rights()
    sub: Rights = Rights()
    subs: int = 0
    data: int = 0
    payload: int = 0
    signing_keys: list[str | _Scope] = []
    authorization: _Authorization | None = None


class _Claims(msgspec.Struct):
    iss: str
    sub: str
    nats: _Nats
    name: str = ""
    iat: int = 0
    exp: int = 0


def find_jwts(text: str) -> list[str]:
    """Return what looks like a NATS JWT in a text: a JWT by itself, credentials, or a nats.conf that holds some."""
    return _JWT.findall(text)


def read_account(jwt: str) -> AccountJwt:
    """Read an account's JWT.

    Raises:
        ValueError: it is none.
    """
    claims = _read(jwt, "account")
    nats = claims.nats
    authorization = nats.authorization or _Authorization()
    return AccountJwt(
        key=claims.sub,
        name=claims.name,
        issued_at=claims.iat,
        signing_keys=frozenset(key for key in nats.signing_keys if isinstance(key, str)),
        scoped_keys=frozenset(key.key for key in nats.signing_keys if isinstance(key, _Scope)),
        is_callout=bool(authorization.auth_users),
        auth_users=frozenset(authorization.auth_users),
        allowed_accounts=frozenset(authorization.allowed_accounts),
        xkey=authorization.xkey,
    )


def read_user(jwt: str) -> UserJwt:
    """Read a user's JWT.

    Raises:
        ValueError: it is none.
    """
    claims = _read(jwt, "user")
    nats = claims.nats
    return UserJwt(
        key=claims.sub,
        account=nats.issuer_account or claims.iss,
        name=claims.name,
        expires_at=claims.exp,
        bearer=nats.bearer_token,
        pub=nats.pub,
        sub=nats.sub,
        subs=nats.subs,
        data=nats.data,
        payload=nats.payload,
    )


def read_json(jwt: str) -> object:
    """Read the claims of a JWT as they stand, its signature unchecked.

    Raises:
        ValueError: it is no JWT.
    """
    try:
        return msgspec.json.decode(_split(jwt)[1])
    except RecursionError:
        raise ValueError("this is no JWT") from None


def _read(jwt: str, kind: str) -> _Claims:
    signed, payload, signature = _split(jwt)
    try:
        claims = msgspec.json.decode(payload, type=_Claims)
    except (msgspec.MsgspecError, RecursionError):
        raise ValueError(f"this is no JWT of a NATS {kind}") from None
    if claims.nats.type != kind:
        raise ValueError(f"this is the JWT of another thing than a NATS {kind}")
    _, public = decode_public(claims.iss)
    if not verify(public, signed, signature):
        raise ValueError(f"this JWT of a NATS {kind} was not signed by the key that it names: it is damaged")
    return claims


def _split(jwt: str) -> tuple[bytes, bytes, bytes]:
    """Return what was signed, the claims, and the signature."""
    signed, _, signature = jwt.strip().rpartition(".")
    try:
        return signed.encode("ascii"), _decode(signed.partition(".")[2]), _decode(signature)
    except (ValueError, binascii.Error):
        raise ValueError("this is no JWT") from None


def _decode(segment: str) -> bytes:
    return base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
