"""The oracle is right: what it mints stands up to libraries that it was not made with, or to the published vectors."""

import base64
import json
from typing import Any

import jwt
import nkeys
import pytest
from jwt import PyJWK
from jwt.types import Options
from nacl.exceptions import BadSignatureError, CryptoError

from tests.minting import (
    ABSENT,
    ALGORITHMS,
    CurveKey,
    Issuer,
    NatsKey,
    PretendServer,
    claims_of,
    creds,
    decode_nats_jwt,
    encode_nats_jwt,
    forge_hmac,
    forge_unsigned,
    header_of,
    make_answer,
    open_answer,
    open_request,
    sentinel_jwt,
    verify,
)

NOW = 1_700_000_000
AUDIENCE = "nats"
ISSUER = "https://kubernetes.default.svc.cluster.local"
UID = "6f1d0a52-53f3-4f8b-9f0e-2f4c3f1f6a01"
UNTIMED: Options = {"verify_exp": False}


@pytest.fixture(scope="module")
def issuer() -> Issuer:
    """One key for all tests that do not care which."""
    return Issuer.generate("ES256", kid="k1")


def mint(issuer: Issuer, **overrides: Any) -> str:
    """A token of `team/reader`."""
    return issuer.token("team", "reader", UID, audience=AUDIENCE, issuer=ISSUER, now=NOW, **overrides)


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_token_verifies_with_the_published_key_and_no_other(alg: str) -> None:
    """PyJWT takes it with the JWK of its issuer, and refuses it with that of another."""
    issuer, stranger = Issuer.generate(alg), Issuer.generate(alg)
    token = mint(issuer)
    key = PyJWK(issuer.jwks(stranger)["keys"][0])
    claims = jwt.decode(token, key, algorithms=[alg], audience=AUDIENCE, issuer=ISSUER, options=UNTIMED)
    assert claims_of(token) == claims
    assert {"alg": alg, "kid": issuer.kid} == header_of(token)
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, PyJWK(stranger.jwk()), algorithms=[alg], audience=AUDIENCE, options=UNTIMED)


def test_a_jwk_holds_no_private_part(issuer: Issuer) -> None:
    """What a key set publishes is the public key alone."""
    assert {"kty", "crv", "x", "y", "use", "kid", "alg"} == set(issuer.jwk())
    assert {"kty", "n", "e", "use", "kid", "alg"} == set(Issuer.generate("RS256").jwk())


def test_a_token_has_the_claims_of_kubernetes(issuer: Issuer) -> None:
    """A bound token names its pod and node; that of `kubectl create token` does not."""
    claims = claims_of(mint(issuer, ttl=600))
    bound = claims["kubernetes.io"]
    assert {"aud", "exp", "iat", "iss", "jti", "kubernetes.io", "nbf", "sub"} == set(claims)
    assert ([AUDIENCE], NOW + 600, "system:serviceaccount:team:reader") == (claims["aud"], claims["exp"], claims["sub"])
    assert {"namespace", "serviceaccount", "pod", "node", "warnafter"} == set(bound)
    assert ("team", {"name": "reader", "uid": UID}) == (bound["namespace"], bound["serviceaccount"])
    assert {"namespace", "serviceaccount"} == set(claims_of(mint(issuer, pod=None))["kubernetes.io"])


def test_claims_and_header_can_be_replaced_and_dropped(issuer: Issuer) -> None:
    """Whatever a test wants to be wrong can be made wrong, and the signature still fits."""
    token = mint(issuer, header={"kid": ABSENT, "typ": "at+jwt"}, exp=ABSENT, **{"kubernetes.io": 7})
    assert {"alg": "ES256", "typ": "at+jwt"} == header_of(token)
    assert "exp" not in claims_of(token)
    assert 7 == claims_of(token)["kubernetes.io"]
    key, options = PyJWK(issuer.jwk()), Options(verify_aud=False)
    assert claims_of(token) == jwt.decode(token, key, algorithms=["ES256"], options=options)


def test_a_legacy_token_neither_ends_nor_names_an_audience(issuer: Issuer) -> None:
    """It has the claims of a Secret's token."""
    claims = claims_of(issuer.legacy_token("team", "reader", UID))
    assert "kubernetes/serviceaccount" == claims["iss"]
    assert not {"exp", "aud"} & set(claims)


def test_forgeries_are_what_they_seem(issuer: Issuer) -> None:
    """The HMAC forgery is valid to whoever takes the public key for a secret; the unsigned one has no signature."""
    claims = claims_of(mint(issuer))
    forged = forge_hmac(claims, b"public key", kid="k1")
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        decoded = jwt.decode(forged, b"public key", algorithms=["HS256"], audience=AUDIENCE, options=UNTIMED)
    assert claims == decoded
    unsigned = forge_unsigned(claims, kid="k1")
    assert {"alg": "none", "kid": "k1"} == header_of(unsigned)
    assert unsigned.endswith(".")


@pytest.mark.parametrize(("kind", "letter"), [("operator", "O"), ("account", "A"), ("user", "U"), ("server", "N")])
def test_keys_sign_and_verify(kind: str, letter: str) -> None:
    """A key's letters say what it is, its own signature verifies, and another's does not."""
    key, other = NatsKey.generate(kind), NatsKey.generate(kind)
    assert (letter, f"S{letter}") == (key.public[0], key.seed[:2])
    assert nkeys.from_seed(bytearray(key.seed.encode())).verify(b"message", key.sign(b"message"))
    verify(key.public, b"message", key.sign(b"message"))
    with pytest.raises(BadSignatureError):
        verify(other.public, b"message", key.sign(b"message"))


def test_a_mistyped_key_is_noticed() -> None:
    """The checksum at the end of a key is checked."""
    public = NatsKey.generate("account").public
    with pytest.raises(AssertionError, match="checksum"):
        verify(public[:9] + ("A" if public[9] != "A" else "B") + public[10:], b"", b"")


def test_only_the_recipient_opens_what_is_sealed() -> None:
    """A sealed message begins with its version, and opens with the right pair of keys alone."""
    alice, bob, eve = CurveKey.generate(), CurveKey.generate(), CurveKey.generate()
    sealed = alice.seal(b"message", bob.public)
    assert (b"xkv1", "X", "SX") == (sealed[:4], alice.public[0], alice.seed[:2])
    assert b"message" == bob.open(sealed, alice.public)
    with pytest.raises(CryptoError):
        eve.open(sealed, alice.public)
    with pytest.raises(CryptoError):
        bob.open(sealed, eve.public)


def test_a_nats_jwt_is_signed_over_its_very_text() -> None:
    """One bit changed, and it is no longer accepted."""
    token = encode_nats_jwt({"iss": (key := NatsKey.generate("account")).public, "sub": "x"}, key)
    assert {"iss": key.public, "sub": "x"} == decode_nats_jwt(token)
    head, _, signature = token.split(".")
    other = base64.urlsafe_b64encode(json.dumps({"iss": key.public, "sub": "y"}).encode()).rstrip(b"=").decode()
    with pytest.raises(BadSignatureError):
        decode_nats_jwt(f"{head}.{other}.{signature}")


def test_a_sentinel_opens_the_door_and_nothing_else() -> None:
    """It is a bearer, denies everything, has limits of -1, and does not end."""
    claims = decode_nats_jwt(sentinel_jwt(NatsKey.generate("user").public, NatsKey.generate("account")))
    nats = claims["nats"]
    assert nats["bearer_token"]
    assert [{"deny": [">"]}] * 2 == [nats["pub"], nats["sub"]]
    assert [-1, -1, -1] == [nats[limit] for limit in ("subs", "data", "payload")]
    assert "exp" not in claims


def test_credentials_hold_both_parts() -> None:
    """The file has the JWT and the seed, each alone on its line."""
    lines = creds("the.user.jwt", "SUSEED").splitlines()
    assert "-----BEGIN NATS USER JWT-----" == lines[lines.index("the.user.jwt") - 1]
    assert "-----BEGIN USER NKEY SEED-----" == lines[lines.index("SUSEED") - 1]


@pytest.mark.parametrize("sealed", [False, True])
def test_a_request_and_its_answer_come_through(sealed: bool) -> None:
    """What one side makes the other opens, in the clear and encrypted."""
    callout = CurveKey.generate() if sealed else None
    curve = callout.public if callout else None
    server = PretendServer(NatsKey.generate("server"), CurveKey.generate() if sealed else None)
    account = NatsKey.generate("account")
    request = server.request(account.public, now=NOW, password="a token", callout_curve=curve, exp=NOW)
    assert sealed == (request.headers is not None)
    claims = open_request(request.payload, request.headers, callout)
    assert (server.key.public, account.public, NOW) == (claims["iss"], claims["sub"], claims["exp"])
    assert "a token" == claims["nats"]["connect_opts"]["pass"]
    assert sealed == ("xkey" in claims["nats"]["server_id"])
    payload = make_answer(claims, account, error="no", curve=callout)
    answer = open_answer(payload, request, server=server, response_issuer=account.public, callout_curve=curve)
    assert ("no", None, sealed) == (answer.error, answer.user, answer.sealed)


@pytest.mark.parametrize(
    "wrong",
    [
        {"aud": NatsKey.generate("server").public},
        {"sub": NatsKey.generate("user").public},
        {"nats": {"type": "user"}},
        {"nats": {"version": ABSENT}},
        {"nats": {"error": ABSENT}},
        {"jwt": "both"},
        {"signer": NatsKey.generate("account")},
    ],
)
def test_a_wrong_answer_does_not_pass(wrong: dict[str, Any]) -> None:
    """Each thing that a server looks at is looked at."""
    server, account = PretendServer(NatsKey.generate("server")), NatsKey.generate("account")
    request = server.request(account.public, now=NOW, token="t")
    options: dict[str, Any] = {"signer": account, "error": "no"} | wrong
    payload = make_answer(open_request(request.payload, None, None), **options)
    with pytest.raises(AssertionError):
        open_answer(payload, request, server=server, response_issuer=account.public)
