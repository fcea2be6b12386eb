"""NATS keys and JWTs for the tests: what `nsc` makes, in as few words as the tests need.

An oracle like `tests.minting`: it imports nothing of the product. Keys and their encoding come from the nkeys library
(https://docs.nats.io/running-a-nats-service/configuration/securing_nats/auth_intro/nkey_auth); curve keys, which that
library does not know, from PyNaCl in nats-io/nkeys' framing (xkeys.go). JWTs follow nats-io/jwt v2, `claims.go`.
"""

import base64
import json
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import Any, Self

import msgspec
import nkeys
from nacl.public import Box, PrivateKey, PublicKey
from nacl.signing import VerifyKey

ABSENT = object()
"""As the value of an override: leave this member out."""

PREFIXES = {
    "operator": nkeys.PREFIX_BYTE_OPERATOR,
    "account": nkeys.PREFIX_BYTE_ACCOUNT,
    "user": nkeys.PREFIX_BYTE_USER,
    "server": nkeys.PREFIX_BYTE_SERVER,
}
CURVE_PREFIX = 23 << 3  # "X", nats-io/nkeys strkey.go
SEALED_PREFIX = b"xkv1"
NO_LIMIT = -1
NO_LIMITS = dict.fromkeys(("subs", "data", "payload"), NO_LIMIT)
"""Members of a user and, among others, of the limits of an account; what is absent is 0."""
JETSTREAM_LIMITS = {"mem_storage": NO_LIMIT, "disk_storage": NO_LIMIT, "streams": NO_LIMIT, "consumer": NO_LIMIT}
DENY_ALL = {"pub": {"deny": [">"]}, "sub": {"deny": [">"]}}


class NatsKey(msgspec.Struct, frozen=True):
    """An Ed25519 key of one kind, as text: `seed` is S…, `public` is O…, A…, U… or N…."""

    seed: str
    public: str

    @classmethod
    def generate(cls, kind: str) -> Self:
        """Draw a key; `kind` is operator, account, user or server."""
        seed = nkeys.encode_seed(os.urandom(32), PREFIXES[kind])
        return cls(seed=seed.decode(), public=nkeys.from_seed(bytearray(seed)).public_key.decode())

    def sign(self, message: bytes) -> bytes:
        """The 64 bytes of an Ed25519 signature."""
        signature: bytes = nkeys.from_seed(bytearray(self.seed.encode())).sign(message)
        return signature


class CurveKey(msgspec.Struct, frozen=True):
    """An X25519 key as text: `seed` is SX…, `public` is X…."""

    seed: str
    public: str

    @classmethod
    def generate(cls) -> Self:
        """Draw a key."""
        raw = os.urandom(32)
        head = bytes([nkeys.PREFIX_BYTE_SEED | CURVE_PREFIX >> 5, (CURVE_PREFIX & 31) << 3])
        public = bytes([CURVE_PREFIX]) + bytes(PrivateKey(raw).public_key)
        return cls(seed=_armour(head + raw), public=_armour(public))

    def seal(self, message: bytes, recipient: str) -> bytes:
        """Encrypt for the holder of the X… key `recipient`: "xkv1", nonce of 24 bytes, box."""
        return SEALED_PREFIX + bytes(self._box(recipient).encrypt(message))

    def open(self, sealed: bytes, sender: str) -> bytes:
        """Decrypt what the holder of the X… key `sender` sealed for us; `CryptoError` or `AssertionError` if not."""
        assert sealed[: len(SEALED_PREFIX)] == SEALED_PREFIX
        return bytes(self._box(sender).decrypt(sealed[len(SEALED_PREFIX) :]))

    def _box(self, other: str) -> Box:
        return Box(PrivateKey(_strip(self.seed)[2:]), PublicKey(_strip(other)[1:]))


def _armour(raw: bytes) -> str:
    return base64.b32encode(raw + bytes(nkeys.crc16_checksum(raw))).rstrip(b"=").decode()


def _strip(key: str) -> bytes:
    raw = base64.b32decode(key + "=" * (-len(key) % 8))
    assert bytes(nkeys.crc16_checksum(raw[:-2])) == raw[-2:], "the key's checksum is wrong"
    return raw[:-2]


def verify(public: str, message: bytes, signature: bytes) -> None:
    """Raise `nacl.exceptions.BadSignatureError` unless the holder of `public` signed `message`."""
    VerifyKey(_strip(public)[1:]).verify(message, signature)


def override(members: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """`members` with some replaced, or dropped where the value is `ABSENT`."""
    return {key: value for key, value in {**members, **overrides}.items() if value is not ABSENT}


def encode_nats_jwt(claims: Mapping[str, Any], signer: NatsKey, *, header: Mapping[str, Any] | None = None) -> str:
    """Sign `claims`, exactly as they are, in the form of nats-io/jwt v2."""
    head = override({"typ": "JWT", "alg": "ed25519-nkey"}, header or {})
    text = b".".join(_to_base64(json.dumps(part, separators=(",", ":")).encode()) for part in (head, claims))
    return (text + b"." + _to_base64(signer.sign(text))).decode()


def decode_nats_jwt(token: str) -> dict[str, Any]:
    """The claims of a NATS JWT whose header is right and which its own `iss` has signed; else it raises."""
    text, _, signature = token.rpartition(".")
    head, body = (json.loads(_from_base64(part)) for part in text.split("."))
    assert head == {"typ": "JWT", "alg": "ed25519-nkey"}
    verify(body["iss"], text.encode(), _from_base64(signature))
    claims: dict[str, Any] = body
    return claims


def operator_jwt(operator: NatsKey, system_account: NatsKey) -> str:
    """A self-signed operator that names its system account."""
    return _issue(operator.public, operator, "operator", {"system_account": system_account.public}, name="OPERATOR")


def account_jwt(
    account: NatsKey,
    operator: NatsKey,
    name: str,
    *,
    signing_keys: Sequence[str] = (),
    authorization: Mapping[str, Any] | None = None,
    jetstream: bool = False,
    **overrides: Any,
) -> str:
    """An account with no limits; `authorization` is what makes it the callout's: auth_users, allowed_accounts, xkey."""
    limits = dict.fromkeys(("imports", "exports", "conn", "leaf"), NO_LIMIT)
    claims: dict[str, Any] = {
        "limits": {**NO_LIMITS, **limits, "wildcards": True, **(JETSTREAM_LIMITS if jetstream else {})},
        "signing_keys": list(signing_keys) or ABSENT,
        "authorization": authorization or ABSENT,
    }
    return _issue(account.public, operator, "account", override(claims, overrides), name=name)


def user_jwt(user: str, signer: NatsKey, *, name: str = "user", account: str | None = None, **members: Any) -> str:
    """A user without limits; `account` is set when `signer` is a signing key of it; `members` go into `nats`."""
    issuer = {} if account is None else {"issuer_account": account}
    return _issue(user, signer, "user", override({**NO_LIMITS, **issuer}, members), name=name)


def sentinel_jwt(user: str, signer: NatsKey, **members: Any) -> str:
    """The user that every client of operator mode may be: it opens the callout's door and can do nothing."""
    return user_jwt(user, signer, **{"name": "sentinel", "bearer_token": True, **DENY_ALL, **members})


def creds(jwt: str, seed: str) -> str:
    """The text of a credentials file, as `nsc generate creds` writes it."""
    return (
        f"-----BEGIN NATS USER JWT-----\n{jwt}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{seed}\n------END USER NKEY SEED------\n"
    )


def _issue(subject: str, signer: NatsKey, kind: str, nats: Mapping[str, Any], *, name: str) -> str:
    claims = {
        "jti": uuid.uuid4().hex,
        "iat": 1,  # long ago: no test depends on when an account was made, and a clock would be one argument more
        "iss": signer.public,
        "name": name,
        "sub": subject,
        "nats": {**nats, "type": kind, "version": 2},
    }
    return encode_nats_jwt(claims, signer)


def _to_base64(raw: bytes) -> bytes:
    return base64.urlsafe_b64encode(raw).rstrip(b"=")


def _from_base64(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
