"""What a token or a ServiceAccount would get, and why: all of it is told, and it is what the hot path does."""

from typing import Any

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from callout.explain.explanation import (
    Explanation,
    Grant,
    Situation,
    Why,
    bound_login,
    explain_serviceaccount,
    explain_token,
)
from callout.explain.verification import Trust
from callout.manifests.manifest import derive_uid
from callout.policy.decision import Rules, decide
from callout.policy.verdict import SEVERAL, DropReason, Side
from callout.serviceaccounts import ServiceAccount
from workers.authorize import LoginTerms
from workers.keyset import EMPTY
from workers.reasons import Reason
from workers.sa_token import LEEWAY_S, Identity, Refusal, TokenRules
from workers.user_jwt import ResponsePermission

NOW = 1_700_000_000.0
RULES = Rules("nats.io/", shared_inbox=True, response=ResponsePermission(1, 120_000_000_000), account="APP")
TERMS = LoginTerms(ttl=3600, jitter=0.2, named=False)
SITUATION = Situation(RULES, TERMS, NOW)
TRUST = Trust(EMPTY, TokenRules(frozenset(), frozenset()))
IDENTITY = Identity("orders", "check.out", "u-1", NOW + 600)


def account(uid: str = "u-1", **annotations: str) -> ServiceAccount:
    """orders/check.out with annotations, whose names are given without `nats.io/` and with `_` for `-`."""
    named = {f"nats.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return ServiceAccount("orders", "check.out", uid, named)


def test_each_subject_is_told_with_its_source() -> None:
    """Defaults by their names, wishes by the annotation that they stand in."""
    found = account(allowed_pub_subjects="events.>", allowed_sub_subjects="stock.*")
    permissions = explain_serviceaccount("orders/check.out", found, SITUATION).permissions
    assert permissions is not None
    assert (
        Grant("orders.>", "namespace default"),
        Grant("events.>", "annotation nats.io/allowed-pub-subjects"),
    ) == permissions.publish
    assert (
        Grant("orders.>", "namespace default"),
        Grant("_INBOX_orders_check_out.>", "private inbox"),
        Grant("_INBOX.>", "shared inbox (NATS_SHARED_INBOX)"),
        Grant("stock.*", "annotation nats.io/allowed-sub-subjects", reach="stock.>"),
    ) == permissions.subscribe
    assert ("APP", "_INBOX_orders_check_out", 1, 120) == (
        permissions.account,
        permissions.inbox_prefix,
        permissions.answers,
        permissions.answer_seconds,
    )


def test_each_dropped_entry_is_told_with_reason_and_remedy() -> None:
    """And annotations that mean nothing are told, too."""
    found = account(allowed_pub_subjects="$SYS.x", allowed_sub_subject="typo")
    permissions = explain_serviceaccount("orders/check.out", found, SITUATION).permissions
    assert permissions is not None
    (dropped,) = permissions.not_granted
    reason = DropReason.SYSTEM_SPACE
    assert (Side.PUB, "$SYS.x", Why(reason.value, reason.meaning, reason.remedy)) == (
        dropped.side,
        dropped.subject,
        dropped.why,
    )
    assert ("nats.io/allowed-sub-subject",) == permissions.unknown_annotations
    assert ("was nats.io/allowed-sub-subjects meant?",) == permissions.annotation_remedies


def test_subjects_without_commas_are_told_what_separates_them() -> None:
    """In place of what goes for every invalid subject."""
    found = account(allowed_pub_subjects="a.b; c.d")
    permissions = explain_serviceaccount("orders/check.out", found, SITUATION).permissions
    assert permissions is not None
    assert [SEVERAL] == [one.why.remedy for one in permissions.not_granted]


def test_a_name_of_ours_under_another_prefix_is_asked_about() -> None:
    """It is most likely misspelt, and else another system's; the others' annotations are nobody's business."""
    others = {"nat.io/allowed-sub-subjects": "a", "example.com/owner": "b"}
    found = msgspec.structs.replace(account(allowed_pub_subjects="c"), annotations=others)
    permissions = explain_serviceaccount("orders/check.out", found, SITUATION).permissions
    assert permissions is not None
    assert ("nat.io/allowed-sub-subjects",) == permissions.unknown_annotations
    assert ("was nats.io/allowed-sub-subjects meant?",) == permissions.annotation_remedies


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=40), st.text(max_size=40))
def test_nothing_of_a_verdict_is_kept_back(pub: str, sub: str) -> None:
    """Whatever the policy granted, denied or dropped is in the explanation."""
    found = account(allowed_pub_subjects=pub, allowed_sub_subjects=sub)
    verdict = decide(found, RULES)
    permissions = explain_serviceaccount("orders/check.out", found, SITUATION).permissions
    assert permissions is not None
    assert [one.subject for one in verdict.pub] == [one.subject for one in permissions.publish]
    assert [one.subject for one in verdict.sub] == [one.subject for one in permissions.subscribe]
    assert [(one.side, one.subject) for one in verdict.dropped] == [
        (one.side, one.subject) for one in permissions.not_granted
    ]
    assert (verdict.denied_pub, verdict.unreported) == (permissions.never_publish, permissions.unreported)


def test_a_serviceaccount_that_is_not_there_gets_nothing() -> None:
    """With the reason that a login would be refused for."""
    explanation = explain_serviceaccount("orders/nobody", None, SITUATION)
    reason = Reason.SERVICEACCOUNT_UNKNOWN
    assert Explanation(
        allowed=False, serviceaccount="orders/nobody", refusal=Why(reason.value, reason.meaning, reason.remedy)
    ) == (explanation)


def test_a_good_token_gets_what_its_serviceaccount_gets() -> None:
    """And its end is between two moments."""
    explanation = explain_token("x", IDENTITY, account(), TRUST, SITUATION)
    assert explain_serviceaccount("", account(), SITUATION).permissions == explanation.permissions
    assert explanation.allowed
    assert explanation.ends is not None
    assert (NOW + 480, NOW + 600) == (explanation.ends.earliest, explanation.ends.latest)


REFUSED = [
    (Refusal(Reason.TOKEN_EXPIRED, "orders", "check.out"), None, Reason.TOKEN_EXPIRED),
    (Refusal(Reason.TOKEN_MALFORMED), None, Reason.TOKEN_MALFORMED),
    (IDENTITY, None, Reason.SERVICEACCOUNT_UNKNOWN),
    (IDENTITY, account("u-2"), Reason.SERVICEACCOUNT_RECREATED),
]
REFUSED_IDS = ["verifier, named", "verifier", "gone", "made anew"]


@pytest.mark.parametrize(("outcome", "found", "reason"), REFUSED, ids=REFUSED_IDS)
def test_the_uid_is_told_wherever_there_is_a_serviceaccount(outcome: Any, found: Any, reason: Reason) -> None:
    """It is what a token is compared with."""
    explanation = explain_token("x", outcome, found, TRUST, SITUATION)
    assert (found.uid if found else "", False, reason.value) == (
        explanation.uid,
        explanation.uid_is_derived,
        explanation.refusal.reason if explanation.refusal else None,
    )


@pytest.mark.parametrize(("outcome", "found", "reason"), REFUSED, ids=REFUSED_IDS)
def test_a_refused_token_gets_nothing_but_the_reason(outcome: Any, found: Any, reason: Reason) -> None:
    """Permissions it does not have are not shown as if it had."""
    explanation = explain_token("x", outcome, found, TRUST, SITUATION)
    assert (False, Why(reason.value, reason.meaning, reason.remedy), None, None) == (
        explanation.allowed,
        explanation.refusal,
        explanation.permissions,
        explanation.ends,
    )


def test_a_manifest_without_a_uid_has_a_remedy_of_its_own() -> None:
    """Nobody was made again: the uid was derived, and the token's is the one to be written down."""
    found = account(derive_uid("orders", "check.out"))
    expected = Why(
        Reason.SERVICEACCOUNT_RECREATED.value,
        "The YAML has no metadata.uid, so one is derived from the name, and the token has another.",
        "Put the token's there: metadata.uid should be u-1.",
    )
    assert expected == explain_token("x", IDENTITY, found, TRUST, SITUATION).refusal


@settings(max_examples=200, deadline=None)
@given(
    st.floats(-LEEWAY_S, 10_000),
    st.floats(1, 100_000),
    st.floats(0, 0.9),
    st.floats(0, 1, exclude_max=True),
)
def test_a_login_ends_within_the_bounds_that_are_told(life: float, ttl: float, jitter: float, draw: float) -> None:
    """Whatever the hot path draws; and the latest is what it draws without jitter."""
    assume(NOW + life > NOW - LEEWAY_S)
    terms = LoginTerms(ttl, jitter, named=False)
    span = bound_login(NOW + life, terms, NOW)
    assert span.earliest is not None
    assert span.latest is not None
    assert span.earliest <= terms.end(NOW + life, NOW, draw) <= span.latest
    assert terms.end(NOW + life, NOW, 0) == span.latest


def test_an_explanation_is_json() -> None:
    """With names that say what they are."""
    explanation = explain_token("x", IDENTITY, account(), TRUST, SITUATION)
    decoded = msgspec.json.decode(msgspec.json.encode(explanation))
    assert set(Explanation.__struct_fields__) == decoded.keys()
    first = {"subject": "orders.>", "source": "namespace default", "reach": "", "doubt": ""}
    assert first == decoded["permissions"]["publish"][0]
