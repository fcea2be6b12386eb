"""The memory of verified tokens: a token is remembered as long as all that it stands on, and in bounded number."""

import hashlib
import json

import pytest

from tests.workers.tokens import (
    AUDIENCES,
    BOUND,
    GOOD,
    ISSUERS,
    NOW,
    RULES,
    TTL,
    check,
    encode,
    issuer,
    keyset,
    reason,
    token,
    verifier,
)
from workers.keyset import KeySet, parse_keyset
from workers.reasons import Reason
from workers.sa_token import (
    LEEWAY_S,
    MAX_HEADERS,
    MAX_REMEMBERED,
    Refusal,
    TokenRules,
)


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
