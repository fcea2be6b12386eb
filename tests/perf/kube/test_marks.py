"""Ours is what has one of our names, the label and a stamp; whatever else the API server says is not believed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.kube.marks import (
    LABEL,
    MAKER,
    MARKER,
    MAX_NUMBER,
    STAMP,
    Found,
    describe,
    name_of,
    read_made,
    read_page,
    read_token,
)
from tests.perf.hostile import UID, describe_found, describe_page, describe_token

RUN = "0123456789abcdef" * 2
MARKED = {"labels": {LABEL: MAKER}, "annotations": {STAMP: RUN}}


def read(**metadata: Any) -> Found:
    """Read a list with this one in it."""
    (found,), _ = read_page(describe_page(describe_found(**metadata)), "perf")
    return found


@pytest.mark.parametrize("position", [0, 1, 10, MAX_NUMBER - 1])
def test_what_was_made_is_known_again(position: int) -> None:
    """By its name, the label and the stamp; its other annotations change nothing."""
    made: Any = describe(name_of(position), RUN, {"nats.io/allowed-pub-subjects": "a"})
    found = read(**made["metadata"])
    assert (name_of(position), UID, RUN, position) == (found.name, found.uid, found.run, found.position)


def test_the_marker_is_ours_and_none_of_them() -> None:
    """It has no number."""
    found = read(name=MARKER, **MARKED)
    assert (RUN, None) == (found.run, found.position)


@pytest.mark.parametrize(
    "name",
    ["theirs", "default", "perf-scale-x", "perf-scale-01", "perf-scale-1000000", "perf-scale-1.a", "a.perf-scale-1"],
)
def test_marks_on_another_name_are_nothing(name: str) -> None:
    """Whoever may patch a ServiceAccount may put them there; the name is what they cannot put there."""
    found = read(name=name, **MARKED)
    assert ("", None) == (found.run, found.position)


@pytest.mark.parametrize(
    "metadata",
    [
        {},
        {"labels": MARKED["labels"]},
        {"annotations": MARKED["annotations"]},
        {"labels": {LABEL: "else"}, "annotations": MARKED["annotations"]},
        {"labels": MARKED["labels"], "annotations": {STAMP: "short"}},
    ],
)
def test_a_name_without_all_marks_is_somebody_elses(metadata: dict[str, Any]) -> None:
    """A label alone is no mark."""
    found = read(name="perf-scale-0", **metadata)
    assert ("", None) == (found.run, found.position)


def test_a_page_says_what_comes_next() -> None:
    """A list may be empty, which Go writes as null."""
    assert ([], "more") == read_page(describe_page(following="more"), "perf")
    assert ([], "") == read_page(b'{"kind":"ServiceAccountList","metadata":{},"items":null}', "perf")


@pytest.mark.parametrize(
    "metadata",
    [{"name": "../../x"}, {"name": ""}, {"name": "A"}, {"namespace": "orders"}, {"uid": ""}, {"uid": "a\nb"}],
)
def test_a_list_with_what_cannot_be_is_no_list(metadata: dict[str, Any]) -> None:
    """Neither a path nor a line of text is made of it."""
    with pytest.raises(ValueError, match="no ServiceAccount of that namespace"):
        read(**metadata)


def test_the_answer_to_what_was_made_is_about_that_one() -> None:
    """Another name's uid is not taken for it."""
    body = json.dumps(describe_found(name="perf-scale-3")).encode()
    assert UID == read_made(body, "perf", "perf-scale-3")
    with pytest.raises(ValueError, match="another one"):
        read_made(body, "perf", "perf-scale-4")


def test_a_token_is_that_of_the_very_serviceaccount() -> None:
    """Its own claims say so; an API server that does not compare uids may have answered for another."""
    body = describe_token(UID)
    assert read_token(body, UID) in body.decode()
    with pytest.raises(ValueError, match="no token of that ServiceAccount"):
        read_token(body, UID.replace("0", "1"))


@pytest.mark.parametrize(
    "body", [b"{}", b'{"status":{}}', b'{"status":{"token":"x"}}', b'{"status":{"token":"a.b.c"}}']
)
def test_what_is_no_token_is_refused(body: bytes) -> None:
    """With an error for the caller to word."""
    with pytest.raises(ValueError, match=r"\w"):
        read_token(body, UID)


@given(st.binary() | st.integers(1, 3).map(lambda power: b'{"kind":' + b"[" * 10**power * 100))
def test_whatever_comes_is_read_or_refused(body: bytes) -> None:
    """Deep nesting included."""
    for read_body in (
        lambda: read_page(body, "perf"),
        lambda: read_made(body, "perf", "perf-scale-0"),
        lambda: read_token(body, UID),
    ):
        with pytest.raises(ValueError, match=r"\w"):
            read_body()
