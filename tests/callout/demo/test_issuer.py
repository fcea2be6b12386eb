"""The demo's issuer: its tokens are what a cluster's are."""

import json
from typing import Any

import jwt
import pytest

from callout.demo.issuer import LocalIssuer
from tests.minting import Issuer, claims_of, header_of
from workers.keyset import parse_keyset
from workers.reasons import Reason
from workers.sa_token import Identity, Refusal, TokenRules, TokenVerifier

NAME = "https://kubernetes.test"
NOW = 1_700_000_000


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    """One for all tests: its key takes long to draw."""
    return LocalIssuer(NAME)


def mint(issuer: LocalIssuer) -> str:
    """A token of orders/checkout."""
    token = issuer.mint("orders", "checkout", "u-1", audience="nats", issued_at=NOW, lifetime=600)
    return token.reveal()


def verify(issuer: LocalIssuer, token: str, now: float = NOW) -> Identity | Refusal:
    """What the hot path says of a token, by the issuer's own key set."""
    verifier = TokenVerifier()
    verifier.trust(parse_keyset(issuer.jwks()), TokenRules(frozenset([NAME]), frozenset(["nats"])))
    return verifier.verify(token, now)


def test_the_hot_path_takes_its_tokens(issuer: LocalIssuer) -> None:
    """They verify by the published key set, and name their ServiceAccount."""
    assert Identity("orders", "checkout", "u-1", NOW + 600) == verify(issuer, mint(issuer))


def test_pyjwt_takes_its_tokens(issuer: LocalIssuer) -> None:
    """So does the library that most Python services use."""
    key = jwt.PyJWK(json.loads(issuer.jwks())["keys"][0]).key
    options: Any = {"verify_exp": False}
    claims = jwt.decode(mint(issuer), key, ["RS256"], audience="nats", issuer=NAME, options=options)
    assert "system:serviceaccount:orders:checkout" == claims["sub"]


def test_its_tokens_have_the_claims_of_a_clusters() -> None:
    """Claim by claim the shape is that of a token bound to a pod; the node and the warning are not for a demo."""
    ours = claims_of(mint(LocalIssuer(NAME)))
    model = Issuer.generate("EdDSA").token(
        "orders", "checkout", "u-1", audience="nats", issuer=NAME, now=NOW, ttl=600, node=None
    )
    theirs = claims_of(model)
    theirs["kubernetes.io"].pop("warnafter")
    for claims in (ours, theirs):  # what is drawn
        claims.pop("jti")
        claims["kubernetes.io"].pop("pod")
    assert theirs == ours


def test_its_key_set_holds_one_public_key(issuer: LocalIssuer) -> None:
    """Nothing private is published, and the header names the key."""
    (key,) = json.loads(issuer.jwks())["keys"]
    assert {"kty", "use", "kid", "alg", "n", "e"} == key.keys()
    assert {"alg": "RS256", "kid": key["kid"], "typ": "JWT"} == header_of(mint(issuer))


def test_a_forger_of_the_same_name_is_found_out(issuer: LocalIssuer) -> None:
    """The same issuer and the same `kid`, another key: the signature tells."""
    assert Refusal(Reason.TOKEN_SIGNATURE, "orders", "checkout") == verify(issuer, mint(LocalIssuer(NAME)))


def test_its_tokens_expire(issuer: LocalIssuer) -> None:
    """An hour after the end of its life a token is refused."""
    assert Refusal(Reason.TOKEN_EXPIRED, "orders", "checkout") == verify(issuer, mint(issuer), NOW + 4200)


def test_a_token_is_not_shown(issuer: LocalIssuer) -> None:
    """It comes as a secret."""
    assert "***" == str(issuer.mint("a", "b", "c", audience="d", issued_at=NOW, lifetime=1))
