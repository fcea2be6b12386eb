"""Kubernetes tokens for the tests, true ones and forged ones; the door to everything else that tests mint.

Everything here is an oracle: it stands on PyJWT, cryptography, PyNaCl and the nkeys library and imports nothing of
the product, so a mistake in the product cannot hide behind the same mistake here. Rules:

- a token is what kube-apiserver makes (https://kubernetes.io/docs/reference/access-authn-authz/service-accounts-admin/,
  "Schema for service account private claims") unless the test says otherwise, and the test may say anything: each
  claim and each header member can be replaced, or dropped with `ABSENT`;
- time is an argument, in Unix seconds; keys and ids are random.

`tests.nats_minting` makes NATS keys and JWTs, `tests.callout_minting` requests and answers; both are offered here
too, so that a test has one place to import from.
"""

import base64
import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Self

import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import HMACAlgorithm, get_default_algorithms

from tests.callout_minting import Answer, AuthorizationRequest, PretendServer, make_answer, open_answer, open_request
from tests.nats_minting import (
    ABSENT,
    CurveKey,
    NatsKey,
    account_jwt,
    creds,
    decode_nats_jwt,
    encode_nats_jwt,
    operator_jwt,
    override,
    sentinel_jwt,
    user_jwt,
    verify,
)

__all__ = [
    "ABSENT",
    "ALGORITHMS",
    "Answer",
    "AuthorizationRequest",
    "CurveKey",
    "Issuer",
    "NatsKey",
    "PretendServer",
    "account_jwt",
    "claims_of",
    "creds",
    "decode_nats_jwt",
    "encode_nats_jwt",
    "forge_hmac",
    "forge_unsigned",
    "header_of",
    "make_answer",
    "open_answer",
    "open_request",
    "operator_jwt",
    "override",
    "sentinel_jwt",
    "user_jwt",
    "verify",
]

_CURVES: dict[str, Callable[[], ec.EllipticCurve]] = {
    "ES256": ec.SECP256R1,
    "ES384": ec.SECP384R1,
    "ES512": ec.SECP521R1,
}
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", *_CURVES, "EdDSA")
"""Every `alg` that the product accepts: RFC 7518 section 3.1 and RFC 8037, without HS* and none."""

LEGACY_ISSUER = "kubernetes/serviceaccount"
WARN_AFTER_SECONDS = 3607
"""kube-apiserver tells a bound token that was extended by this claim when its holder should have renewed it."""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


class Issuer(msgspec.Struct, frozen=True):
    """One signing key of a cluster's ServiceAccount issuer: `alg` as in RFC 7518, `kid` as in its JWK."""

    alg: str
    kid: str
    key: PrivateKey

    @classmethod
    def generate(cls, alg: str = "RS256", kid: str | None = None, *, rsa_bits: int = 2048) -> Self:
        """Draw a key of the kind that `alg` needs; a `kid` is drawn when none is given."""
        key: PrivateKey
        if alg in _CURVES:
            key = ec.generate_private_key(_CURVES[alg]())
        elif alg == "EdDSA":
            key = ed25519.Ed25519PrivateKey.generate()
        else:
            key = rsa.generate_private_key(public_exponent=65537, key_size=rsa_bits)
        return cls(alg=alg, kid=kid or uuid.uuid4().hex, key=key)

    def jwk(self, **overrides: Any) -> dict[str, Any]:
        """The public key as RFC 7517 has it, with the members that kube-apiserver sets: use, kty, kid, alg."""
        made: dict[str, Any] = get_default_algorithms()[self.alg].to_jwk(self.key.public_key(), as_dict=True)
        made.pop("key_ops", None)
        return override(made | {"use": "sig", "kid": self.kid, "alg": self.alg}, overrides)

    def jwks(self, *others: "Issuer") -> dict[str, Any]:
        """A key set (RFC 7517 section 5) of this key and the `others`."""
        return {"keys": [issuer.jwk() for issuer in (self, *others)]}

    def public_pem(self) -> bytes:
        """The public key as PEM: what a confused verifier takes for an HMAC secret."""
        kind = serialization.PublicFormat.SubjectPublicKeyInfo
        return self.key.public_key().public_bytes(serialization.Encoding.PEM, kind)

    def sign(self, claims: Mapping[str, Any] | bytes, *, header: Mapping[str, Any] | None = None) -> str:
        """Sign `claims` (bytes are taken as they are) with this key, whatever the header claims about it."""
        named = override({"alg": self.alg, "kid": self.kid}, header or {})
        return _join(named, claims, lambda text: get_default_algorithms()[self.alg].sign(text, self.key))

    def token(
        self,
        namespace: str,
        name: str,
        uid: str,
        *,
        audience: str | list[str],
        issuer: str,
        now: float,
        ttl: float = 3600,
        pod: str | None = "pod-0",
        node: str | None = "node-0",
        header: Mapping[str, Any] | None = None,
        **overrides: Any,
    ) -> str:
        """A bound ServiceAccount token, valid from `now` for `ttl` seconds.

        `pod=None` makes the token of `kubectl create token`, which names neither pod nor node. `overrides` replace
        top-level claims, among them `**{"kubernetes.io": …}`.
        """
        bound: dict[str, Any] = {"namespace": namespace, "serviceaccount": {"name": name, "uid": uid}}
        if pod is not None:
            bound["pod"] = {"name": pod, "uid": str(uuid.uuid4())}
            bound["warnafter"] = int(now) + WARN_AFTER_SECONDS
            if node is not None:
                bound["node"] = {"name": node, "uid": str(uuid.uuid4())}
        claims = {
            "aud": [audience] if isinstance(audience, str) else audience,
            "exp": int(now + ttl),
            "iat": int(now),
            "iss": issuer,
            "jti": str(uuid.uuid4()),
            "kubernetes.io": bound,
            "nbf": int(now),
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        return self.sign(override(claims, overrides), header=header)

    def legacy_token(self, namespace: str, name: str, uid: str, **overrides: Any) -> str:
        """The token of a `kubernetes.io/service-account-token` Secret: it never ends and is for every audience."""
        prefix = "kubernetes.io/serviceaccount"
        claims = {
            "iss": LEGACY_ISSUER,
            f"{prefix}/namespace": namespace,
            f"{prefix}/secret.name": f"{name}-token-x7k2p",
            f"{prefix}/service-account.name": name,
            f"{prefix}/service-account.uid": uid,
            "sub": f"system:serviceaccount:{namespace}:{name}",
        }
        return self.sign(override(claims, overrides))


def forge_hmac(claims: Mapping[str, Any], secret: bytes, *, kid: str, alg: str = "HS256") -> str:
    """A token signed with a public thing as the secret: the classic confusion of RFC 8725 section 2.1."""
    hashes = {"HS256": HMACAlgorithm.SHA256, "HS384": HMACAlgorithm.SHA384, "HS512": HMACAlgorithm.SHA512}
    return _join({"alg": alg, "kid": kid}, claims, lambda text: HMACAlgorithm(hashes[alg]).sign(text, secret))


def forge_unsigned(claims: Mapping[str, Any], *, kid: str, alg: str = "none") -> str:
    """A token with an empty signature."""
    return _join({"alg": alg, "kid": kid}, claims, lambda _: b"")


def claims_of(token: str) -> dict[str, Any]:
    """The claims of any compact JWT, nothing verified: to take a true token apart and forge another from it."""
    return _decode_part(token, 1)


def header_of(token: str) -> dict[str, Any]:
    """The header of any compact JWT, nothing verified."""
    return _decode_part(token, 0)


def _decode_part(token: str, index: int) -> dict[str, Any]:
    part = token.split(".")[index]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded


def _join(header: Mapping[str, Any], claims: Mapping[str, Any] | bytes, signer: Callable[[bytes], bytes]) -> str:
    payload = claims if isinstance(claims, bytes) else json.dumps(claims, separators=(",", ":")).encode()
    head = json.dumps(header, separators=(",", ":")).encode()
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (head, payload))
    return (text + b"." + base64.urlsafe_b64encode(signer(text)).rstrip(b"=")).decode()
