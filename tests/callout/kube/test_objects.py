"""Tests of `callout.kube.objects`."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.kube.objects import MAX_DEPTH, prune, read_event, read_page, read_serviceaccount
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


def deep(levels: int) -> str:
    """JSON of so many levels, as the names of managed fields may be made to nest."""
    return '{"f:a":' * levels + "{}" + "}" * levels


@pytest.mark.parametrize("levels", [10, 900, 10_000])
def test_deep_nesting_in_what_is_not_read_changes_nothing(levels: int) -> None:
    """One ServiceAccount with managed fields nested out of all reason is read like any other."""
    body = serviceaccount(annotations={"nats.io/x": "1"}).replace(b"{}", deep(levels).encode())
    known = ServiceAccount("ns", "a", "u", {"nats.io/x": "1"})
    assert known == read_serviceaccount(body, PREFIX)
    event = read_event(b'{"type":"DELETED","object":' + body + b"}")
    assert event is not None
    assert ("DELETED", "a", "7") == (event.type, event.object.metadata.name, event.object.metadata.version)
    page = read_page(
        b'{"kind":"ServiceAccountList","metadata":{"resourceVersion":"9"},"items":[%b,%b]}' % (serviceaccount(), body)
    )
    assert page is not None
    assert ["u", "u"] == [item.metadata.uid for item in page.items or ()]


def test_an_object_that_cannot_be_read_is_one_without_a_uid() -> None:
    """Its name is known, and so is that nothing else is: in an event and in a page among others."""
    bad = serviceaccount(annotations={"nats.io/x": 5})
    event = read_event(b'{"type":"MODIFIED","object":' + bad + b"}")
    assert event is not None
    assert ("ns", "a", "", "7") == tuple(
        getattr(event.object.metadata, part) for part in ("namespace", "name", "uid", "version")
    )
    page = read_page(
        b'{"kind":"ServiceAccountList","metadata":{"resourceVersion":"9"},"items":[%b,%b,7]}' % (serviceaccount(), bad)
    )
    assert page is not None
    assert [("a", "u"), ("a", ""), ("", "")] == [(item.metadata.name, item.metadata.uid) for item in page.items or ()]


def test_an_event_about_nobody_is_none() -> None:
    """Nobody can tell what was missed."""
    assert read_event(serviceaccount(name=1).join([b'{"type":"MODIFIED","object":', b"}"])) is None


@settings(max_examples=300, deadline=None)
@given(JSON, st.integers(MAX_DEPTH, 3 * MAX_DEPTH))
def test_pruning_leaves_shallow_json_alone_and_makes_deep_json_shallow(value: object, levels: int) -> None:
    """Nothing above the depth that is kept is changed, whatever strings hold."""
    text = json.dumps(value)
    assert text.encode() == prune(text.encode())
    pruned = json.loads(prune(f'{{"a":{text},"b":{deep(levels)},"c":{text}}}'.encode()))
    assert json.dumps([value, value]) == json.dumps([pruned["a"], pruned["c"]])
    assert MAX_DEPTH >= json.dumps(pruned["b"]).count("{") + 1


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='{}[]"\\a,: ', max_size=200).map(str.encode) | st.binary(max_size=60))
def test_pruning_never_raises(data: bytes) -> None:
    """Whatever the bytes are; what comes out is no longer than what went in and a null for each piece cut out."""
    assert len(prune(data)) <= len(data) + 4 * data.count(b"{") + 4 * data.count(b"[")
