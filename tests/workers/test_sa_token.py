"""The check of ServiceAccount tokens: a table for each rule, mutations, and PyJWT as the oracle."""

import base64
import hashlib
import itertools
import json
import time
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import jwt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from tests.minting import ABSENT, ALGORITHMS, Issuer, claims_of, forge_hmac, forge_unsigned, header_of, override
from workers.keyset import KeySet, parse_keyset
from workers.reasons import Reason
from workers.sa_token import (
    LEEWAY_S,
    MAX_HEADERS,
    MAX_REMEMBERED,
    MAX_TOKEN_LENGTH,
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


# --- what is let in --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_a_good_token_says_whose_it_is(alg: str) -> None:
    """All ten algorithms."""
    assert check(token(alg)) == GOOD


@pytest.mark.parametrize("alg", [alg for alg in ALGORITHMS if alg[0] in "RP"])
def test_a_key_without_alg_takes_every_algorithm_of_its_kind(alg: str) -> None:
    """A JWK need not name one; then it is the type of the key that limits."""
    signed = Issuer(alg, "any-rsa", issuer("RS256").key).sign(claims_of(token()))
    assert check(signed) == GOOD


def test_a_token_of_kubectl_create_token_is_good() -> None:
    """It names no pod."""
    assert check(token(changes={"kubernetes.io": {**BOUND, "warnafter": NOW}})) == GOOD


# --- claims ----------------------------------------------------------------------------------------------------------


def bound(**changes: Any) -> dict[str, Any]:
    """The private claim, but for what is named."""
    return {"kubernetes.io": {**BOUND, **changes}}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"iss": ISSUERS[1]}, None),
        ({"iss": ISSUERS[0] + "/"}, Reason.TOKEN_ISSUER),
        ({"iss": ISSUERS[0].upper()}, Reason.TOKEN_ISSUER),
        ({"iss": ""}, Reason.TOKEN_ISSUER),
        ({"iss": ABSENT}, Reason.TOKEN_ISSUER),
        ({"iss": "https://kubernetes.default.svc.cluster.loc\u0430l"}, Reason.TOKEN_ISSUER),
        ({"iss": None}, Reason.TOKEN_MALFORMED),
        ({"iss": list(ISSUERS)}, Reason.TOKEN_MALFORMED),
        ({"aud": AUDIENCES[0]}, None),
        ({"aud": AUDIENCES[1]}, None),
        ({"aud": ["other", AUDIENCES[1]]}, None),
        ({"aud": [AUDIENCES[0], AUDIENCES[0]]}, None),
        ({"aud": "other"}, Reason.TOKEN_AUDIENCE),
        ({"aud": "NATS"}, Reason.TOKEN_AUDIENCE),
        ({"aud": " nats"}, Reason.TOKEN_AUDIENCE),
        ({"aud": "nats,other"}, Reason.TOKEN_AUDIENCE),
        ({"aud": ["n", "a", "t", "s"]}, Reason.TOKEN_AUDIENCE),
        ({"aud": []}, Reason.TOKEN_AUDIENCE),
        ({"aud": ""}, Reason.TOKEN_AUDIENCE),
        ({"aud": [""]}, Reason.TOKEN_AUDIENCE),
        ({"aud": ABSENT}, Reason.TOKEN_AUDIENCE),
        ({"aud": None}, Reason.TOKEN_MALFORMED),
        ({"aud": {"nats": True}}, Reason.TOKEN_MALFORMED),
        ({"aud": ["nats", 1]}, Reason.TOKEN_MALFORMED),
        ({"aud": ["nats", ["nats"]]}, Reason.TOKEN_MALFORMED),
        ({"exp": ABSENT}, Reason.TOKEN_NO_EXPIRY),
        ({"exp": None}, Reason.TOKEN_NO_EXPIRY),
        ({"exp": str(NOW + TTL)}, Reason.TOKEN_MALFORMED),
        ({"exp": True}, Reason.TOKEN_MALFORMED),
        ({"exp": [NOW + TTL]}, Reason.TOKEN_MALFORMED),
        ({"exp": float("inf")}, Reason.TOKEN_MALFORMED),
        ({"exp": float("nan")}, Reason.TOKEN_MALFORMED),
        ({"exp": 0}, Reason.TOKEN_EXPIRED),
        ({"exp": -1}, Reason.TOKEN_EXPIRED),
        ({"exp": -1e308}, Reason.TOKEN_EXPIRED),
        ({"exp": NOW + TTL + 0.0}, None),
        ({"nbf": ABSENT}, None),
        ({"nbf": 0}, None),
        ({"nbf": -5}, None),
        ({"nbf": 1e308}, Reason.TOKEN_NOT_YET_VALID),
        ({"nbf": str(NOW)}, Reason.TOKEN_MALFORMED),
        ({"nbf": None}, Reason.TOKEN_MALFORMED),
        ({"iat": ABSENT}, None),
        ({"iat": 1e308}, Reason.TOKEN_NOT_YET_VALID),
        ({"iat": False}, Reason.TOKEN_MALFORMED),
        ({"sub": ABSENT}, Reason.TOKEN_CLAIMS),
        ({"sub": "system:serviceaccount:shop:other"}, Reason.TOKEN_CLAIMS),
        ({"sub": "system:serviceaccount:other:checkout"}, Reason.TOKEN_CLAIMS),
        ({"sub": "system:serviceaccount:shop:checkout "}, Reason.TOKEN_CLAIMS),
        ({"sub": "system:serviceaccount:shop:Checkout"}, Reason.TOKEN_CLAIMS),
        ({"sub": "system:node:shop"}, Reason.TOKEN_CLAIMS),
        ({"sub": "shop:checkout"}, Reason.TOKEN_CLAIMS),
        ({"sub": 7}, Reason.TOKEN_MALFORMED),
        ({"kubernetes.io": ABSENT}, Reason.TOKEN_CLAIMS),
        ({"kubernetes.io": {}}, Reason.TOKEN_CLAIMS),
        ({"kubernetes.io": None}, Reason.TOKEN_MALFORMED),
        ({"kubernetes.io": [BOUND]}, Reason.TOKEN_MALFORMED),
        (bound(), None),
        (bound(namespace=""), Reason.TOKEN_CLAIMS),
        (bound(namespace="other"), Reason.TOKEN_CLAIMS),
        (bound(namespace=["shop"]), Reason.TOKEN_MALFORMED),
        (bound(serviceaccount={}), Reason.TOKEN_CLAIMS),
        (bound(serviceaccount={"name": "checkout"}), Reason.TOKEN_CLAIMS),
        (bound(serviceaccount={"name": "checkout", "uid": ""}), Reason.TOKEN_CLAIMS),
        (bound(serviceaccount={"name": "checkout", "uid": 1}), Reason.TOKEN_MALFORMED),
        (bound(serviceaccount={"uid": "uid-1"}), Reason.TOKEN_CLAIMS),
        (bound(serviceaccount={"name": "other", "uid": "uid-1"}), Reason.TOKEN_CLAIMS),
        (bound(pod=7, node="x"), None),
        # A slash in the namespace would make two identities share a key of the snapshot.
        (
            {
                "sub": "system:serviceaccount:a/b:c",
                **bound(namespace="a/b", serviceaccount={"name": "c", "uid": "u"}),
            },
            Reason.TOKEN_CLAIMS,
        ),
        # Equal to the eye, not to a computer: é as one character and as two.
        (
            {
                "sub": "system:serviceaccount:shop:caf\u00e9",
                **bound(serviceaccount={"name": "cafe\u0301", "uid": "u"}),
            },
            Reason.TOKEN_CLAIMS,
        ),
        # The colon moves, the subject stays the same.
        (
            {"sub": "system:serviceaccount:a:b:c", **bound(namespace="a:b", serviceaccount={"name": "c"})},
            "TOKEN_CLAIMS",
        ),
        ({"extra": {"deep": [[[1]]]}, "jti": "x" * 500}, None),
    ],
)
def test_each_claim_is_checked(changes: dict[str, Any], expected: Reason | str | None) -> None:
    """A row says what differs from a good token, truly signed, and what becomes of it."""
    assert (expected and Reason[expected.upper()]) == reason(check(token(changes=changes)))


@pytest.mark.parametrize(
    "payload",
    [
        '{"exp":1e999}',
        '{"exp":' + "9" * 1000 + "}",
        '{"exp":NaN}',
        '{"exp":0x7fffffff}',
        '{"exp":01}',
        '{"iss":"\\ud800"}',
        b'{"iss":"\xff"}',
        '{"x":' + "[" * 1300 + "]" * 1300 + "}",
        '{"x":' * 550,
        "[" * 2500,
        "[]",
        "null",
        "1",
        '"eyJ"',
        "{} {}",
        "\ufeff{}",
        "{}\0",
        "{'iss': 'x'}",
        " ",
    ],
)
def test_a_payload_that_is_no_claims_set_is_malformed(payload: str | bytes) -> None:
    """However it was signed: numbers without end, nesting without end, no object, no JSON."""
    assert Refusal(Reason.TOKEN_MALFORMED) == check(sign_raw(payload))


def test_of_two_equal_members_the_last_counts_everywhere() -> None:
    """One decoder reads what is checked and what is used: they cannot see different members."""
    good = json.dumps(claims_of(token()))[1:-1]
    expired = f'"exp":{NOW - TTL}'
    assert reason(check(sign_raw(f"{{{good},{expired}}}"))) is Reason.TOKEN_EXPIRED
    assert check(sign_raw(f"{{{expired},{good}}}")) == GOOD


@pytest.mark.parametrize(
    ("claim", "offset", "expected"),
    [
        ("exp", -LEEWAY_S + 1, None),
        ("exp", -LEEWAY_S + 0.001, None),
        ("exp", -LEEWAY_S, Reason.TOKEN_EXPIRED),
        ("exp", -LEEWAY_S - 0.001, Reason.TOKEN_EXPIRED),
        ("exp", -LEEWAY_S - 1, Reason.TOKEN_EXPIRED),
        ("nbf", LEEWAY_S - 1, None),
        ("nbf", LEEWAY_S, None),
        ("nbf", LEEWAY_S + 0.001, Reason.TOKEN_NOT_YET_VALID),
        ("nbf", LEEWAY_S + 1, Reason.TOKEN_NOT_YET_VALID),
        ("iat", LEEWAY_S - 1, None),
        ("iat", LEEWAY_S, None),
        ("iat", LEEWAY_S + 0.001, Reason.TOKEN_NOT_YET_VALID),
        ("iat", LEEWAY_S + 1, Reason.TOKEN_NOT_YET_VALID),
    ],
)
def test_times_have_a_leeway_of_a_minute_to_the_second(claim: str, offset: float, expected: Reason | None) -> None:
    """RFC 7519: `exp` is the time *on* or after which a token is refused, `nbf` the time *before* which it is."""
    assert expected == reason(check(token(changes={claim: NOW + offset})))


def test_a_legacy_token_is_refused_by_name() -> None:
    """Before the key is even looked up: the operator is to learn what kind of token that is."""
    for legacy in (
        issuer("RS256").legacy_token("shop", "checkout", "uid-1"),
        issuer("RS256").legacy_token("shop", "checkout", "uid-1", aud=["nats"], exp=NOW + TTL),
        Issuer.generate("ES256").legacy_token("shop", "checkout", "uid-1"),
    ):
        assert Refusal(Reason.TOKEN_LEGACY) == check(legacy)


def test_a_legacy_token_is_refused_even_if_its_issuer_were_configured() -> None:
    """It stays what it is."""
    tokens = TokenVerifier()
    tokens.trust(keyset(), TokenRules(frozenset({"kubernetes/serviceaccount"}), frozenset(AUDIENCES)))
    assert reason(tokens.verify(token(changes={"iss": "kubernetes/serviceaccount"}), NOW)) is Reason.TOKEN_LEGACY


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


# --- memory ----------------------------------------------------------------------------------------------------------


class CountingKey:
    """A key whose verifications are counted; any signature is good."""

    def __init__(self) -> None:
        self.calls = 0

    def verify(self, _: bytes, __: bytes) -> bool:
        """Count and agree."""
        self.calls += 1
        return True

    def keyset(self) -> KeySet:
        """This key alone, under the name that `cheap_token` gives."""
        return KeySet({"cheap": {"RS256": self.verify}})


def cheap_token(jti: object, **changes: object) -> str:
    """A token that costs no signature; for `CountingKey`."""
    claims = {
        "iss": ISSUERS[0],
        "aud": AUDIENCES[0],
        "exp": NOW + TTL,
        "sub": "system:serviceaccount:shop:checkout",
        "kubernetes.io": BOUND,
        "jti": jti,
        **changes,
    }
    header = {"alg": "RS256", "kid": "cheap"}
    return ".".join((encode(json.dumps(header).encode()), encode(json.dumps(claims).encode()), "AAAA"))


def test_a_verified_token_is_not_verified_again() -> None:
    """A reconnect costs no signature, and the decision is the same."""
    key = CountingKey()
    tokens = verifier(key.keyset())
    text = cheap_token(1)
    assert [tokens.verify(text, now) for now in (NOW, NOW + 1, NOW + TTL + LEEWAY_S - 0.001)] == [GOOD] * 3
    assert key.calls == 1


def test_a_remembered_tokens_expiry_is_compared_anew() -> None:
    """To the same moment as that of a token seen for the first time; and it is forgotten then."""
    tokens = verifier()
    text = token()
    for now in (NOW, NOW + TTL + LEEWAY_S - 1):
        assert GOOD == tokens.verify(text, now) == check(text, now)
    for now in (NOW + TTL + LEEWAY_S, NOW + TTL + LEEWAY_S + 1):
        expected = Refusal(Reason.TOKEN_EXPIRED, "shop", "checkout")
        assert expected == tokens.verify(text, now) == check(text, now)
    assert tokens._remembered == {}


def test_another_key_set_ends_the_memory() -> None:
    """A key that was withdrawn is not believed through what it once signed."""
    tokens = verifier()
    text = token()
    assert tokens.verify(text, NOW) == GOOD
    tokens.trust(parse_keyset(json.dumps(issuer("RS256").jwks()).encode()), RULES)
    assert reason(tokens.verify(text, NOW)) is Reason.TOKEN_UNKNOWN_KEY
    tokens.trust(keyset(), RULES)
    assert tokens.verify(text, NOW) == GOOD


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (TokenRules(frozenset(ISSUERS[1:]), frozenset(AUDIENCES)), Reason.TOKEN_ISSUER),
        (TokenRules(frozenset(ISSUERS), frozenset(AUDIENCES[1:])), Reason.TOKEN_AUDIENCE),
    ],
)
def test_other_rules_end_the_memory(rules: TokenRules, expected: Reason) -> None:
    """An issuer or an audience that is no longer configured."""
    tokens = verifier()
    text = token()
    assert tokens.verify(text, NOW) == GOOD
    tokens.trust(keyset(), rules)
    assert expected == reason(tokens.verify(text, NOW))


def test_only_good_tokens_are_remembered() -> None:
    """And by their digest: neither a refused token nor any token's text stays in memory."""
    tokens = verifier()
    for text in ("", "x", token(changes={"exp": 1}), token(header={"kid": "x"}), token()[:-4] + "AAAA"):
        assert isinstance(tokens.verify(text, NOW), Refusal)
    assert tokens._remembered == {}
    good = token()
    tokens.verify(good, NOW)
    assert {hashlib.sha256(good.encode()).digest()} == set(tokens._remembered)


def test_the_memory_is_bounded_and_gives_up_the_oldest() -> None:
    """Past `MAX_REMEMBERED`, whoever was verified longest ago is verified again."""
    key = CountingKey()
    tokens = verifier(key.keyset())
    texts = [cheap_token(number) for number in range(MAX_REMEMBERED + 10)]
    for text in texts:
        assert tokens.verify(text, NOW) == GOOD
    assert len(tokens._remembered) == MAX_REMEMBERED
    assert len(texts) == key.calls
    tokens.verify(texts[10], NOW)
    assert len(texts) == key.calls
    tokens.verify(texts[9], NOW)
    assert len(texts) + 1 == key.calls
    assert len(tokens._remembered) == MAX_REMEMBERED


def test_headers_are_kept_in_bounded_number() -> None:
    """Made-up headers do not grow the memory, and the true one goes on being read."""
    tokens = verifier()
    for number in range(MAX_HEADERS + 2):
        head = encode(json.dumps({"alg": "ES256", "kid": f"made-up-{number}"}).encode())
        assert reason(tokens.verify(f"{head}.e30.AAAA", NOW)) is Reason.TOKEN_UNKNOWN_KEY
        assert len(tokens._headers) <= MAX_HEADERS
    assert tokens.verify(token(), NOW) == GOOD


# --- properties ------------------------------------------------------------------------------------------------------

MUTATED = {alg: token(alg) for alg in ("RS256", "ES256", "EdDSA")}
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=100) | st.text("eyJ.AZaz09-_=", max_size=100) | st.text(st.characters(categories=("Cs", "Lu"))))
def test_arbitrary_text_is_refused(text: str) -> None:
    """Whatever a client sends as its token: a refusal, never an exception."""
    assert isinstance(check(text), Refusal)


@st.composite
def mutations(draw: st.DrawFn) -> str:
    """A good token with one thing changed."""
    good = MUTATED[draw(st.sampled_from(sorted(MUTATED)))]
    position = draw(st.integers(0, len(good) - 1))
    kind = draw(st.sampled_from(("flip", "replace", "cut", "drop", "insert", "double", "swap")))
    letter = draw(st.sampled_from("ABYZabyz019-_.=+/ \n\0é"))
    if kind == "flip":
        return good[:position] + chr(ord(good[position]) ^ 1 << draw(st.integers(0, 6))) + good[position + 1 :]
    if kind == "replace":
        return good[:position] + letter + good[position + 1 :]
    if kind == "cut":
        return good[:position]
    if kind == "drop":
        return good[:position] + good[position + 1 :]
    if kind == "insert":
        return good[:position] + letter + good[position:]
    if kind == "double":
        return good[:position] + good[position] + good[position:]
    parts = [MUTATED[draw(st.sampled_from(sorted(MUTATED)))].split(".")[draw(st.integers(0, 2))] for _ in range(3)]
    return ".".join(parts)


@settings(max_examples=500, deadline=None)
@given(mutations())
def test_a_changed_token_is_refused_or_says_the_same(text: str) -> None:
    """Only bits that stand for nothing (the rest of the signature's last character) may differ."""
    outcome = check(text)
    if isinstance(outcome, Identity):
        assert outcome == GOOD
        signed = {good.rpartition(".")[0] for good in MUTATED.values()}
        assert text.rpartition(".")[0] in signed
    assert outcome == verifier().verify(text, NOW)


@settings(max_examples=300, deadline=None)
@given(
    st.dictionaries(st.sampled_from(("alg", "kid", "crit", "typ", "jwk")), json_values, max_size=3),
    st.dictionaries(
        st.sampled_from(("iss", "aud", "exp", "nbf", "iat", "sub", "jti", "kubernetes.io")), json_values, max_size=3
    ),
)
def test_signed_nonsense_is_refused_or_good(header: dict[str, Any], claims: dict[str, Any]) -> None:
    """A true signature over members of any type: an outcome, never an exception, and `exp` is never made up."""
    outcome = check(token(changes=claims, header=header))
    if isinstance(outcome, Identity):
        assert outcome.expires_at == claims.get("exp", NOW + TTL)
        assert (outcome.namespace, outcome.name, outcome.uid) == ("shop", "checkout", "uid-1")


def pyjwt_accepts(text: str) -> bool:
    """What PyJWT says with the same key, algorithm, audiences, issuers and leeway, and `exp` required."""
    key = issuer(header_of(text)["kid"].removeprefix("key-"))
    try:
        jwt.decode(
            text,
            key.key.public_key(),
            algorithms=[key.alg],
            audience=AUDIENCES,
            issuer=ISSUERS,
            leeway=LEEWAY_S,
            options={"require": ["exp"]},
        )
    except (jwt.PyJWTError, TypeError, OverflowError):  # it lets some members' types through to int()
        return False
    return True


# Seconds from now. PyJWT has its own clock, so none is near a limit; limits have a table above.
offsets = st.sampled_from((-10_000, -1000, -70, -50, -1, 0, 1, 50, 70, 1000, 10_000))


@st.composite
def well_typed_changes(draw: st.DrawFn) -> dict[str, Any]:
    """Claims of the right type that may say the wrong thing; times are offsets still."""
    return draw(
        st.fixed_dictionaries(
            {},
            optional={
                "iss": st.sampled_from((*ISSUERS, "https://other", "", ABSENT)),
                "aud": st.sampled_from((*AUDIENCES, "other", ABSENT))
                | st.lists(st.sampled_from((*AUDIENCES, "other"))),
                "exp": offsets | st.just(ABSENT),
                "nbf": offsets | st.just(ABSENT),
                "iat": offsets | st.just(ABSENT),
                "jti": st.text(max_size=5) | st.just(ABSENT),
            },
        )
    )


def at(changes: Mapping[str, Any], now: float) -> dict[str, Any]:
    """The changes with offsets made times."""
    return {
        name: int(now) + value if name in ("exp", "nbf", "iat") and type(value) is int else value
        for name, value in changes.items()
    }


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(ALGORITHMS), st.none() | st.sampled_from(ALGORITHMS), well_typed_changes())
@example("RS256", "PS256", {})
@example("ES256", None, {"exp": -50})
def test_pyjwt_decides_alike(named: str, signed: str | None, changes: dict[str, Any]) -> None:
    """Differential: claims of the right types, sometimes signed with another key than the one that is named."""
    now = time.time()
    claims = claims_of(token(named, at(changes, now), now=now))
    key = issuer(signed or named)
    text = key.sign(claims, header={"alg": named, "kid": f"key-{named}"})
    assert pyjwt_accepts(text) == isinstance(check(text, now), Identity)


@settings(max_examples=300, deadline=None)
@given(
    st.sampled_from(ALGORITHMS),
    st.dictionaries(
        st.sampled_from(("iss", "aud", "exp", "nbf", "iat", "sub", "kubernetes.io")), json_values, max_size=2
    ),
    st.dictionaries(st.sampled_from(("alg", "crit", "typ")), json_values, max_size=1),
)
@example("ES256", {"nbf": None}, {})
@example("ES256", {}, {"crit": None})
@example("ES256", {"exp": 1e308}, {})
def test_what_pyjwt_refuses_we_refuse(alg: str, changes: dict[str, Any], header: dict[str, Any]) -> None:
    """Differential: members of any type. We may refuse more, never less."""
    now = time.time()
    text = token(alg, changes, now=now, header=header)
    if isinstance(check(text, now), Identity):
        assert pyjwt_accepts(text)


def test_the_oracle_verifies_at_all() -> None:
    """Lest two refusals of everything pass for agreement."""
    text = token("RS256", now=time.time())
    assert pyjwt_accepts(text)
    assert not pyjwt_accepts(text[:-8] + "AAAAAAAA")
    assert get_default_algorithms().keys() > set(ALGORITHMS)
