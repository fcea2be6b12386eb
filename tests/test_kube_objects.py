"""Tests of `callout.kube_objects`."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.kube_objects import read_event, read_page, read_serviceaccount
from callout.serviceaccounts import ServiceAccount

PREFIX = "nats.io/"
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "object", "metadata", "items", "kind", "annotations", "name", "continue", "x"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


def serviceaccount(**metadata: object) -> bytes:
    """A ServiceAccount with all that the API server adds to it."""
    full = {"name": "a", "namespace": "ns", "uid": "u", "resourceVersion": "7", "managedFields": [{"fieldsV1": {}}]}
    return json.dumps({"kind": "ServiceAccount", "metadata": full | metadata, "secrets": [{"name": "s"}]}).encode()


def test_only_our_annotations_are_kept() -> None:
    """Of an object's annotations those with our prefix remain, of its other members just its identity."""
    body = serviceaccount(annotations={"nats.io/allowed-pub-subjects": "a.>", "other/x": "y"})
    assert ServiceAccount("ns", "a", "u", {"nats.io/allowed-pub-subjects": "a.>"}) == read_serviceaccount(body, PREFIX)


@pytest.mark.parametrize("annotations", [None, {}])
def test_no_annotations_are_an_empty_mapping(annotations: dict[str, str] | None) -> None:
    """Go writes a missing mapping as null, or leaves it out."""
    assert ServiceAccount("ns", "a", "u", {}) == read_serviceaccount(serviceaccount(annotations=annotations), PREFIX)


@pytest.mark.parametrize("metadata", [{"uid": ""}, {"name": "A"}, {"namespace": "a.b"}, {"name": 1}])
def test_what_is_no_serviceaccount_is_none(metadata: dict[str, object]) -> None:
    """Without a valid name, namespace and uid nothing is known."""
    assert read_serviceaccount(serviceaccount(**metadata), PREFIX) is None


@pytest.mark.parametrize(
    "page",
    [
        {"kind": "SecretList", "metadata": {"resourceVersion": "1"}, "items": []},
        {"kind": "ServiceAccountList", "metadata": {"resourceVersion": ""}, "items": []},
        {"kind": "ServiceAccountList", "metadata": {}, "items": []},
        {"kind": "ServiceAccountList", "metadata": {"resourceVersion": "1"}},
        {"metadata": {"resourceVersion": "1"}, "items": []},
        {"kind": "Status", "code": 500},
    ],
)
def test_what_is_no_list_of_serviceaccounts_is_none(page: dict[str, object]) -> None:
    """An empty list of something else would remove everybody, so a page must say what it is."""
    assert read_page(json.dumps(page).encode()) is None


def test_an_empty_list_may_be_null() -> None:
    """Go writes an empty list as null, too."""
    page = read_page(b'{"kind":"ServiceAccountList","metadata":{"resourceVersion":"1"},"items":null}')
    assert page is not None
    assert page.items is None


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=40) | JSON.map(json.dumps).map(str.encode))
def test_reading_never_raises(data: bytes) -> None:
    """Whatever the bytes are, they are an object or nothing."""
    assert read_page(data) is None
    assert read_serviceaccount(data, PREFIX) is None
    event = read_event(data)
    assert event is None or event.type


@pytest.mark.parametrize("opening", [b"[", b'{"a":'])
def test_deep_nesting_is_nothing(opening: bytes) -> None:
    """Nesting that exhausts the decoder's stack is garbage like any other."""
    assert read_event(b'{"type":"ADDED","object":{},"x":' + opening * 100_000) is None
