"""The check of ServiceAccount tokens: what a token has to say, and when."""

import json
from typing import Any

import pytest

from tests.minting import (
    ABSENT,
    ALGORITHMS,
    Issuer,
    claims_of,
)
from tests.workers.tokens import (
    AUDIENCES,
    BOUND,
    GOOD,
    ISSUERS,
    NOW,
    TTL,
    check,
    issuer,
    keyset,
    reason,
    sign_raw,
    token,
)
from workers.reasons import Reason
from workers.sa_token import (
    LEEWAY_S,
    Refusal,
    TokenRules,
    TokenVerifier,
)

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
