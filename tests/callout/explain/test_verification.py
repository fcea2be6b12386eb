"""The steps of a token's verification: the order is the verifier's, and nothing of the token itself is told."""

from collections import Counter
from collections.abc import Callable
from itertools import combinations
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.explain.verification import MAX_SHOWN, STEPS, Step, Trust, lay_out, maybe_refuse
from callout.serviceaccounts import ServiceAccount
from tests.minting import ABSENT, Issuer
from workers.jose import encode_segment
from workers.keyset import parse_keyset
from workers.reasons import Reason
from workers.sa_token import LEEWAY_S, MAX_TOKEN_LENGTH, Identity, Refusal, TokenRules, TokenVerifier

NOW = 1_700_000_000.0
ISSUER = Issuer.generate("EdDSA", "k1")
FORGER = Issuer.generate("EdDSA", "k1")
NAME = "https://kubernetes.test"
FOUND = ServiceAccount("orders", "checkout", "u-1", {})
TRUST = Trust(
    parse_keyset(msgspec.json.encode(ISSUER.jwks())), TokenRules(frozenset([NAME]), frozenset(["nats", "events"]))
)
# For each step something that fails there, as arguments of the mint.
FLAWS: dict[str, dict[str, Any]] = {
    "form": {"iss": "kubernetes/serviceaccount"},
    "key": {"header": {"kid": "k2"}},
    "issuer": {"issuer": "https://another.test"},
    "audience": {"audience": "vault"},
    "expiry": {"ttl": -3600},
    "claims": {"sub": "system:serviceaccount:orders:another"},
    "signature": {"forged": True},
}


def mint(*, forged: bool = False, uid: str = "u-1", **changes: Any) -> str:
    """A good token of orders/checkout, but for the changes."""
    arguments: dict[str, Any] = {"audience": "nats", "issuer": NAME, "now": NOW} | changes
    return (FORGER if forged else ISSUER).token("orders", "checkout", uid, **arguments)


def verify(token: str) -> Identity | Refusal:
    """What the verifier says."""
    verifier = TokenVerifier()
    verifier.trust(TRUST.keyset, TRUST.rules)
    return verifier.verify(token, NOW)


def explain(token: str, found: ServiceAccount | None = FOUND) -> list[Step]:
    """The steps."""
    return lay_out(token, maybe_refuse(verify(token), found), found, TRUST, NOW)


def detail(steps: list[Step], name: str) -> str:
    """What is told of a step."""
    return next(step.detail for step in steps if step.name == name)


def test_every_reason_about_a_token_has_its_step() -> None:
    """Each exactly one, so that a new reason cannot be forgotten here."""
    expected = Counter(reason for reason in Reason if reason.startswith(("token_", "serviceaccount_")))
    assert expected == Counter(reason for reasons in STEPS.values() for reason in reasons)


def test_a_good_token_passes_every_step() -> None:
    """And each step tells what it looked at."""
    told = {step.name: step.detail for step in explain(mint()) if step.state == "passed"}
    assert {
        "form": "",
        "key": "k1 with EdDSA",
        "issuer": NAME,
        "audience": "nats",
        "expiry": "2023-11-14 23:13:20Z, in 1 h",
        "claims": "system:serviceaccount:orders:checkout",
        "signature": "",
        "ServiceAccount": "orders/checkout",
        "uid": "u-1",
    } == told


@pytest.mark.parametrize(("first", "second"), list(combinations(FLAWS, 2)))
def test_of_two_flaws_the_verifier_finds_the_one_that_stands_first(first: str, second: str) -> None:
    """So what stands before the step that failed has really passed."""
    flaws = {**FLAWS[second], **FLAWS[first]}
    outcome = verify(mint(**flaws))
    assert isinstance(outcome, Refusal)
    assert outcome.reason in STEPS[first]


@pytest.mark.parametrize("flaw", FLAWS)
def test_the_step_that_failed_ends_the_row(flaw: str) -> None:
    """Steps before it have passed, steps after it were not reached and are told nothing of."""
    steps = explain(mint(**FLAWS[flaw]))
    names = list(STEPS)
    position = names.index(flaw)
    expected = ["passed"] * position + ["failed"] + ["not reached"] * (len(names) - position - 1)
    assert expected == [step.state for step in steps]
    assert [""] * (len(names) - position - 1) == [step.detail for step in steps[position + 1 :]]


@pytest.mark.parametrize(
    ("flaw", "told"),
    [
        ("key", "k2 with EdDSA; taken: k1 with EdDSA"),
        ("issuer", f"https://another.test; taken: {NAME}"),
        ("audience", "vault; taken: events, nats"),
        ("expiry", "2023-11-14 21:13:20Z, 1 h ago"),
        ("claims", "system:serviceaccount:orders:another; taken: system:serviceaccount:orders:checkout"),
    ],
)
def test_what_failed_is_told_beside_what_is_taken(flaw: str, told: str) -> None:
    """So that the difference meets the eye."""
    assert told == detail(explain(mint(**FLAWS[flaw])), flaw)


def test_an_issuer_that_lacks_a_slash_is_told_of() -> None:
    """Or has one too many: two names that a reader takes for the same."""
    steps = explain(mint(issuer=f"{NAME}/"))
    assert f"{NAME}/; taken: {NAME}; they differ in the slash at the end alone" == detail(steps, "issuer")


@pytest.mark.parametrize(
    ("changes", "told"),
    [({"exp": ABSENT}, "never"), ({"nbf": NOW + 600}, "not valid before 2023-11-14 22:23:20Z")],
    ids=["no expiry", "not yet"],
)
def test_other_ways_to_fail_by_time(changes: dict[str, Any], told: str) -> None:
    """A token without an end, and one from the future."""
    assert told == detail(explain(mint(**changes)), "expiry")


def test_a_token_within_its_leeway_is_told_as_such() -> None:
    """It has expired and is honoured all the same: without a word that would look like a mistake."""
    (step,) = (step for step in explain(mint(ttl=-16)) if step.name == "expiry")
    assert ("passed", "2023-11-14 22:13:04Z, 16 s ago, within the 60 s of leeway") == (step.state, step.detail)


def test_a_token_beyond_its_leeway_is_told_without_it() -> None:
    """The leeway has not helped it."""
    assert "2023-11-14 22:12:20Z, 1 min ago" == detail(explain(mint(ttl=-LEEWAY_S)), "expiry")


def test_a_serviceaccount_that_is_gone_fails_its_step() -> None:
    """The token may be good; there is nobody it belongs to."""
    steps = explain(mint(), None)
    assert ("failed", "orders/checkout") == (steps[-2].state, steps[-2].detail)


def test_a_serviceaccount_made_anew_fails_the_last_step() -> None:
    """Both uids are told."""
    steps = explain(mint(uid="u-0"))
    assert ("failed", "u-0; taken: u-1") == (steps[-1].state, steps[-1].detail)


@pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.e30", "é", "x" * 5000])
def test_what_is_no_token_fails_the_first_step(token: str) -> None:
    """And nothing is told of it, since nothing can be."""
    steps = explain(token)
    first = "failed" if token != "e30.e30.e30" else "passed"  # a JWT it is, with nothing in it
    assert first == steps[0].state


@pytest.mark.parametrize("depth", [MAX_TOKEN_LENGTH // 2, MAX_TOKEN_LENGTH], ids=["in bounds", "too long"])
@pytest.mark.parametrize("place", ["header", "payload"])
def test_json_too_deep_to_be_read_fails_the_first_step(place: str, depth: int) -> None:
    """Whether the verifier came as far as to decode it or not; and nothing is told of it."""
    parts = {"header": b"{}", "payload": b"{}"} | {place: b'{"x":' + b"[" * depth}
    token = b".".join([*map(encode_segment, parts.values()), b"AA"]).decode()
    steps = explain(token)
    assert ("failed", "") == (steps[0].state, steps[0].detail)


NAMES = st.text(max_size=MAX_SHOWN + 50)


@settings(max_examples=100, deadline=None)
@given(
    st.sampled_from(
        list[Callable[[str], dict[str, Any]]](
            [
                lambda text: {"issuer": text},
                lambda text: {"audience": [text, "x"]},
                lambda text: {"sub": text},
                lambda text: {"header": {"kid": text}},
                lambda text: {"uid": text or "u"},
            ]
        )
    ),
    NAMES,
)
def test_whatever_a_token_says_is_fit_for_a_line(change: Callable[[str], dict[str, Any]], text: str) -> None:
    """Printable, bounded, and never with the token's own signature in it."""
    token = mint(**change(text))
    for step in explain(token):
        assert step.detail.isprintable()
        assert len(step.detail) < 10 * 2 * (MAX_SHOWN + 20)
        assert token.rpartition(".")[2] not in step.detail
