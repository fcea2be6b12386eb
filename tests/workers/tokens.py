"""ServiceAccount tokens on the test bench: a key for each algorithm, and the check that knows them."""

import base64
import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from tests.minting import (
    ABSENT,
    ALGORITHMS,
    Issuer,
    claims_of,
    override,
)
from workers.keyset import KeySet, parse_keyset
from workers.reasons import Reason
from workers.sa_token import (
    Identity,
    Refusal,
    TokenRules,
    TokenVerifier,
)

NOW = 1_800_000_000
TTL = 3600
ISSUERS = ("https://kubernetes.default.svc.cluster.local", "https://old.example")
AUDIENCES = ("nats", "nats://cluster")
RULES = TokenRules(frozenset(ISSUERS), frozenset(AUDIENCES))
GOOD = Identity("shop", "checkout", "uid-1", NOW + TTL)
BOUND = {"namespace": "shop", "serviceaccount": {"name": "checkout", "uid": "uid-1"}}


@cache
def issuer(alg: str) -> Issuer:
    """One key for each algorithm, named after it; RSA keys take long to draw."""
    return Issuer.generate(alg, f"key-{alg}")


@cache
def keyset() -> KeySet:
    """All of them, and one more RSA key whose JWK names no algorithm."""
    keys = [issuer(alg).jwk() for alg in ALGORITHMS]
    return parse_keyset(json.dumps({"keys": [*keys, issuer("RS256").jwk(kid="any-rsa", alg=ABSENT)]}).encode())


def verifier(keys: KeySet | None = None) -> TokenVerifier:
    """A check that has seen nothing yet."""
    made = TokenVerifier()
    made.trust(keyset() if keys is None else keys, RULES)
    return made


def token(
    alg: str = "ES256",
    changes: Mapping[str, Any] | None = None,
    *,
    now: float = NOW,
    header: Mapping[str, Any] | None = None,
) -> str:
    """A good token, but for the claims and members of the header that are named."""
    good = issuer(alg).token(
        "shop", "checkout", "uid-1", audience=AUDIENCES[0], issuer=ISSUERS[0], now=now, ttl=TTL, header=header
    )
    return issuer(alg).sign(override(claims_of(good), changes or {}), header=header) if changes else good


def check(text: str, now: float = NOW) -> Identity | Refusal:
    """What the check says the first time it sees `text`."""
    return verifier().verify(text, now)


def reason(outcome: Identity | Refusal) -> Reason | None:
    """The reason for a refusal, or None."""
    return outcome.reason if isinstance(outcome, Refusal) else None


def sign_raw(payload: str | bytes, alg: str = "ES256", header: Mapping[str, Any] | None = None) -> str:
    """A payload of any form, truly signed."""
    return issuer(alg).sign(payload.encode() if isinstance(payload, str) else payload, header=header)


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
