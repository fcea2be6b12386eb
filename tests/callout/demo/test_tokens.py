"""The demo's tokens: each is refused for its flaw alone, and the one without is taken."""

import time
from pathlib import Path

import pytest

from callout.demo.issuer import LocalIssuer
from callout.demo.scenarios import CHECKOUT, INVOICER, Flaw
from callout.demo.tokens import AUDIENCE, DAY, ISSUER, Tokens
from callout.manifests.manifest import derive_uid
from workers.keyset import parse_keyset
from workers.reasons import Reason
from workers.sa_token import Identity, Refusal, TokenRules, TokenVerifier

EXAMPLES = Path(__file__).parents[3] / "k8s" / "examples" / "serviceaccounts"


@pytest.fixture(scope="module")
def issuer() -> LocalIssuer:
    """One for all tests: its key takes long to draw."""
    return LocalIssuer(ISSUER)


@pytest.fixture(scope="module")
def tokens(issuer: LocalIssuer) -> Tokens:
    """For the ServiceAccounts of the examples."""
    return Tokens(issuer, LocalIssuer(ISSUER), EXAMPLES, "nats.io/")


def verify(issuer: LocalIssuer, token: str) -> Identity | Refusal:
    """What the hot path says of a token now."""
    verifier = TokenVerifier()
    verifier.trust(parse_keyset(issuer.jwks()), TokenRules(frozenset([ISSUER]), frozenset([AUDIENCE])))
    return verifier.verify(token, time.time())


@pytest.mark.parametrize(
    ("flaw", "reason"),
    [
        (Flaw.EXPIRED, Reason.TOKEN_EXPIRED),
        (Flaw.AUDIENCE, Reason.TOKEN_AUDIENCE),
        (Flaw.FORGED, Reason.TOKEN_SIGNATURE),
    ],
)
def test_a_flawed_token_is_refused_for_its_flaw(
    tokens: Tokens, issuer: LocalIssuer, flaw: Flaw, reason: Reason
) -> None:
    """By the hot path itself."""
    refusal = verify(issuer, tokens.mint(CHECKOUT, flaw).reveal())
    assert isinstance(refusal, Refusal)
    assert reason is refusal.reason


@pytest.mark.parametrize(
    ("who", "flaw", "is_known"),
    [(CHECKOUT, Flaw.NONE, True), (CHECKOUT, Flaw.RECREATED, False), ("orders/nobody", Flaw.UNKNOWN, False)],
)
def test_some_flaws_are_not_in_the_token(
    tokens: Tokens, issuer: LocalIssuer, who: str, flaw: Flaw, is_known: bool
) -> None:
    """It verifies; whether its uid is that of a ServiceAccount is another question."""
    identity = verify(issuer, tokens.mint(who, flaw).reveal())
    assert isinstance(identity, Identity)
    assert who == f"{identity.namespace}/{identity.name}"
    assert is_known is (tokens.uids.get(who) == identity.uid)


def test_a_serviceaccount_without_a_uid_has_the_derived_one(tokens: Tokens) -> None:
    """The one that the service derives from the same file."""
    assert derive_uid("billing", "invoicer") == tokens.uids[INVOICER]
    assert [] == tokens.problems


def test_a_token_lives_as_long_as_it_is_told_to(tokens: Tokens, issuer: LocalIssuer) -> None:
    """Those for the user live for a day: nobody renews them."""
    identity = verify(issuer, tokens.mint(CHECKOUT, lifetime=DAY).reveal())
    assert isinstance(identity, Identity)
    assert DAY - 60 < identity.expires_at - time.time() <= DAY


def test_what_is_wrong_with_the_files_is_kept(issuer: LocalIssuer, tmp_path: Path) -> None:
    """The demo shows it, and goes on with the rest."""
    (tmp_path / "a.yaml").write_text("a: b: c")
    assert 1 == len(Tokens(issuer, issuer, tmp_path, "nats.io/").problems)
