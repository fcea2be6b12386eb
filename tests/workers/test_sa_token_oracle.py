"""The check of ServiceAccount tokens on anything: mutations, values of any type, and PyJWT as the oracle."""

import time
from collections.abc import Mapping
from typing import Any

import jwt
from hypothesis import example, given, settings
from hypothesis import strategies as st
from jwt.algorithms import get_default_algorithms

from tests import any_json
from tests.minting import (
    ABSENT,
    ALGORITHMS,
    claims_of,
    header_of,
)
from tests.workers.tokens import AUDIENCES, GOOD, ISSUERS, NOW, TTL, check, issuer, token, verifier
from workers.sa_token import (
    LEEWAY_S,
    Identity,
    Refusal,
)

MUTATED = {alg: token(alg) for alg in ("RS256", "ES256", "EdDSA")}
JSON_VALUES = any_json.values()


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
    st.dictionaries(st.sampled_from(("alg", "kid", "crit", "typ", "jwk")), JSON_VALUES, max_size=3),
    st.dictionaries(
        st.sampled_from(("iss", "aud", "exp", "nbf", "iat", "sub", "jti", "kubernetes.io")), JSON_VALUES, max_size=3
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
        st.sampled_from(("iss", "aud", "exp", "nbf", "iat", "sub", "kubernetes.io")), JSON_VALUES, max_size=2
    ),
    st.dictionaries(st.sampled_from(("alg", "crit", "typ")), JSON_VALUES, max_size=1),
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
