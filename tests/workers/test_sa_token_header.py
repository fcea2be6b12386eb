"""The check of ServiceAccount tokens: their shape, and which key may have signed them."""

import itertools
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.minting import (
    ABSENT,
    ALGORITHMS,
    Issuer,
    claims_of,
    forge_hmac,
    forge_unsigned,
)
from tests.workers.tokens import GOOD, NOW, check, encode, issuer, reason, token, verifier
from workers.keyset import KeySet
from workers.reasons import Reason
from workers.sa_token import (
    MAX_TOKEN_LENGTH,
    Refusal,
    TokenVerifier,
)

# --- shape -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", Reason.TOKEN_MISSING),
        ("x", Reason.TOKEN_MALFORMED),
        ("password", Reason.TOKEN_MALFORMED),
        ("..", Reason.TOKEN_MALFORMED),
        ("a.b.c", Reason.TOKEN_MALFORMED),
        ("\ud800", Reason.TOKEN_MALFORMED),
        ("\0", Reason.TOKEN_MALFORMED),
        ("é" * MAX_TOKEN_LENGTH, Reason.TOKEN_MALFORMED),
        ("a" * MAX_TOKEN_LENGTH, Reason.TOKEN_MALFORMED),
        ("a" * (MAX_TOKEN_LENGTH + 1), Reason.TOKEN_TOO_LONG),
        ("." * 10_000_000, Reason.TOKEN_TOO_LONG),
    ],
)
def test_what_is_no_token_is_told_apart_from_a_bad_one(text: str, expected: Reason) -> None:
    """Nothing, something else, and too much."""
    assert Refusal(expected) == check(text)


@pytest.mark.parametrize(
    "change",
    [
        lambda good: good + "\n",
        lambda good: " " + good,
        lambda good: good + "=",
        lambda good: good + ".",
        lambda good: good + ".e30",
        lambda good: good.replace(".", "..", 1),
        lambda good: "Bearer " + good,
        lambda good: good.rpartition(".")[0],
        lambda good: good.rpartition(".")[0] + ".",
        lambda good: good.rpartition(".")[0] + ".A",
        lambda good: good.translate({ord("-"): "+", ord("_"): "/"}) + "/",
        lambda good: good[:30] + "\u200b" + good[30:],
    ],
    ids=[
        "line end",
        "space",
        "padding",
        "dot",
        "fourth segment",
        "empty segment",
        "scheme",
        "no signature",
        "empty signature",
        "a signature of one character",
        "standard base64",
        "invisible character",
    ],
)
def test_a_token_is_taken_as_it_is_or_not_at_all(change: Callable[[str], str]) -> None:
    """Nothing is stripped, skipped or repaired."""
    assert Refusal(Reason.TOKEN_MALFORMED) == check(change(token()))


# --- header and key --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ({"typ": "JWT"}, None),
        ({"typ": "at+jwt", "x": [1]}, None),
        ({"kid": ABSENT}, Reason.TOKEN_UNKNOWN_KEY),
        ({"kid": ""}, Reason.TOKEN_UNKNOWN_KEY),
        ({"kid": "another"}, Reason.TOKEN_UNKNOWN_KEY),
        ({"kid": "KEY-ES256"}, Reason.TOKEN_UNKNOWN_KEY),
        ({"kid": "../../../dev/null"}, Reason.TOKEN_UNKNOWN_KEY),
        ({"kid": "' OR 1=1"}, Reason.TOKEN_UNKNOWN_KEY),
        ({"kid": None}, Reason.TOKEN_MALFORMED),
        ({"kid": 0}, Reason.TOKEN_MALFORMED),
        ({"kid": ["key-ES256"]}, Reason.TOKEN_MALFORMED),
        ({"alg": ABSENT}, Reason.TOKEN_ALGORITHM),
        ({"alg": ""}, Reason.TOKEN_ALGORITHM),
        ({"alg": "none"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "None"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "NONE"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "es256"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "ES256 "}, Reason.TOKEN_ALGORITHM),
        ({"alg": "ES256K"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "ES384"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "RS256"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "HS256"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "EdDSA"}, Reason.TOKEN_ALGORITHM),
        ({"alg": "ML-DSA-65"}, Reason.TOKEN_ALGORITHM),
        ({"alg": None}, Reason.TOKEN_MALFORMED),
        ({"alg": ["ES256"]}, Reason.TOKEN_MALFORMED),
        ({"kid": "key-RS256"}, Reason.TOKEN_ALGORITHM),
        ({"kid": "key-ES384"}, Reason.TOKEN_ALGORITHM),
        ({"kid": "key-ES384", "alg": "ES384"}, Reason.TOKEN_SIGNATURE),
        ({"kid": "key-RS256", "alg": "RS256"}, Reason.TOKEN_SIGNATURE),
        ({"kid": "any-rsa", "alg": "PS384"}, Reason.TOKEN_SIGNATURE),
        ({"crit": ["b64"]}, Reason.TOKEN_ALGORITHM),
        ({"crit": ["exp"], "exp": 1}, Reason.TOKEN_ALGORITHM),
        ({"crit": []}, Reason.TOKEN_ALGORITHM),
        ({"crit": None}, Reason.TOKEN_ALGORITHM),
        ({"crit": "b64"}, Reason.TOKEN_ALGORITHM),
        ({"x": [[]] * 200}, None),
    ],
)
def test_each_member_of_the_header_is_checked(header: dict[str, Any], expected: Reason | None) -> None:
    """A row says what differs in the header of a good ES256 token, which is signed as it stands."""
    assert expected == reason(check(token(header=header)))


def test_a_header_nested_without_end_is_malformed() -> None:
    """More brackets fit into a token than Python takes for granted."""
    head = encode(b'{"x":' + b"[" * 1300 + b"]" * 1300 + b"}")
    assert Refusal(Reason.TOKEN_MALFORMED) == check(f"{head}.e30.AAAA")


def test_a_public_key_is_no_secret() -> None:
    """RFC 8725 section 2.1: HS256 with the public key, in any of its forms, as the secret."""
    key = issuer("RS256")
    secrets = (key.public_pem(), key.public_pem().strip(), json.dumps(key.jwk()).encode(), key.kid.encode(), b"")
    for secret, alg in itertools.product(secrets, ("HS256", "HS384", "HS512")):
        claims = claims_of(token())
        for kid in ("key-RS256", "any-rsa"):
            assert reason(check(forge_hmac(claims, secret, kid=kid, alg=alg))) is Reason.TOKEN_ALGORITHM


@pytest.mark.parametrize("alg", ["none", "None", "RS256", ""])
def test_a_token_without_a_signature_is_none(alg: str) -> None:
    """With an empty segment it has not the form, with any other it has not the algorithm or the signature."""
    unsigned = forge_unsigned(claims_of(token()), kid="any-rsa", alg=alg)
    expected = Reason.TOKEN_SIGNATURE if alg == "RS256" else Reason.TOKEN_ALGORITHM
    assert Refusal(Reason.TOKEN_MALFORMED) == check(unsigned)
    assert Refusal(expected, "shop", "checkout") == check(unsigned + "AAAA")


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_another_key_of_the_same_name_signs_nothing(alg: str) -> None:
    """Even if the token brings the key along (RFC 7515 sections 4.1.2 to 4.1.6)."""
    thief = Issuer.generate(alg, f"key-{alg}")
    jku = {"jwk": thief.jwk(), "jku": "https://thief.example/jwks", "x5u": "https://thief.example", "x5c": ["AAAA"]}
    for header in ({}, jku):
        forged = thief.sign(claims_of(token()), header=header)
        assert Refusal(Reason.TOKEN_SIGNATURE, "shop", "checkout") == check(forged)


@pytest.mark.parametrize(("named", "signed"), [("RS256", "PS256"), ("PS512", "RS512"), ("RS256", "RS512")])
def test_a_jwks_alg_narrows_what_its_key_may_do(named: str, signed: str) -> None:
    """A good signature of the right key, with an algorithm that its JWK does not name."""
    text = Issuer(signed, f"key-{named}", issuer(named).key).sign(claims_of(token()))
    assert Refusal(Reason.TOKEN_ALGORITHM, "shop", "checkout") == check(text)


def test_the_signature_comes_last() -> None:
    """Whatever else is wrong is found without the cost of a signature."""
    calls: list[bytes] = []

    def count(_: bytes, signing_input: bytes) -> bool:
        calls.append(signing_input)
        return True

    tokens = verifier(KeySet({"key-ES256": {"ES256": count}}))
    wrong: list[dict[str, Any]] = [{"iss": "x"}, {"aud": "x"}, {"exp": 1}, {"nbf": 2 * NOW}, {"kubernetes.io": {}}]
    for changes in wrong:
        assert isinstance(tokens.verify(token(changes=changes), NOW), Refusal)
    assert calls == []
    good = token()
    assert tokens.verify(good, NOW) == GOOD
    assert [good.rpartition(".")[0].encode()] == calls


def test_with_no_key_set_everything_is_refused() -> None:
    """Before the first key set is in, no key is known and no issuer believed."""
    assert reason(TokenVerifier().verify(token(), NOW)) is Reason.TOKEN_UNKNOWN_KEY


@pytest.mark.parametrize(
    ("text", "namespace", "name"),
    [
        (token(changes={"exp": 1}), "shop", "checkout"),
        (token(header={"kid": "x"}), "shop", "checkout"),
        (token(changes={"kubernetes.io": {"namespace": "shop"}}), "shop", ""),
        (token(changes={"iss": 7}), "", ""),
    ],
)
def test_a_refusal_says_whose_token_it_claimed_to_be(text: str, namespace: str, name: str) -> None:
    """As far as it could be read; for the log."""
    refusal = check(text)
    assert isinstance(refusal, Refusal)
    assert (namespace, name) == (refusal.namespace, refusal.name)
