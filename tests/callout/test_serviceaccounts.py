"""callout.serviceaccounts: which identities there can be, and in what steps changes reach the sink."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.serviceaccounts import (
    MAX_STEP,
    MAX_STEP_ENTRIES,
    Change,
    Removed,
    ServiceAccount,
    divide,
    is_valid_identity,
    is_valid_uid,
    select_annotations,
)


def asking(entries: int) -> ServiceAccount:
    """A ServiceAccount with an annotation of so many entries."""
    return ServiceAccount("ns", "a", "u", {"nats.io/x": ",".join("x" * entries)} if entries else {})


CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.just(Removed("ns", "a")), st.builds(asking, st.sampled_from([0, 1, 150, MAX_STEP_ENTRIES, 1000]))
)


def count(change: Change) -> int:
    """How many entries a change made by `asking` has."""
    if isinstance(change, Removed):
        return 0
    return sum(len(value.split(",")) for value in change.annotations.values())


@given(st.lists(CHANGES, max_size=3 * MAX_STEP))
def test_steps_are_bounded_and_lose_nothing(changes: list[Change]) -> None:
    """In order; each has few changes and few entries, but for one whose only change has too many by itself."""
    steps = list(divide(changes))
    assert changes == [change for step in steps for change in step]
    for step in steps:
        assert 1 <= len(step) <= MAX_STEP
        assert len(step) == 1 or sum(map(count, step)) <= MAX_STEP_ENTRIES


def test_steps_are_as_large_as_they_may_be() -> None:
    """What costs little goes together."""
    assert [MAX_STEP, MAX_STEP, 1] == [len(step) for step in divide([asking(1)] * (2 * MAX_STEP + 1))]
    assert [2, 1] == [len(step) for step in divide([asking(MAX_STEP_ENTRIES // 2)] * 3)]
    assert [] == list(divide([]))


@pytest.mark.parametrize(
    ("namespace", "name", "expected"),
    [
        ("orders", "checkout", True),
        ("a", "0", True),
        ("orders", "audit.reader", True),
        ("n" * 63, "a" * 253, True),
        ("n" * 64, "a", False),
        ("orders", "a" * 254, False),
        ("or.ders", "a", False),
        ("orders", "a..b", False),
        ("orders", ".a", False),
        ("orders", "a-", False),
        ("Orders", "a", False),
        ("orders", "*", False),
        ("orders", "a\n", False),
        ("", "a", False),
        ("orders", "", False),
        ("orders", "a/b", False),
    ],
)
def test_identities_are_those_that_kubernetes_allows(namespace: str, name: str, expected: bool) -> None:
    """An RFC 1123 label and subdomain: nothing that means something in a subject."""
    assert expected == is_valid_identity(namespace, name)


@pytest.mark.parametrize(
    ("uid", "expected"),
    [
        ("7d1c0f0e-8a1b-4c53-9f0d-6e2a3c4d5e6f", True),
        ("u" * 128, True),
        ("u" * 129, False),
        ("", False),
        ("a\0b", False),
    ],
)
def test_a_uid_is_short_and_printable(uid: str, expected: bool) -> None:
    """So that it can be stored between NULs, and logged as it is."""
    assert expected == is_valid_uid(uid)


def test_annotations_of_others_are_left_at_the_door() -> None:
    """An object may carry 16 KiB of them."""
    given_ones = {"nats.io/a": "1", "nats.iox/a": "2", "other": "3"}
    assert {"nats.io/a": "1"} == select_annotations(given_ones, "nats.io/")
    assert {} == select_annotations(None, "nats.io/")
