"""The ceiling: which documents it is read from, and what it admits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.ceiling import Ceiling, admits, parse_ceiling

json_like = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8) | st.sampled_from(("pub", "a.>", "{namespace}.x")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(("pub", "sub")) | st.text(max_size=4) | st.integers(), inner, max_size=3)
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("document", "ceiling"),
    [
        ({"pub": ["a.>", "{namespace}.>"]}, Ceiling(pub=("a.>", "{namespace}.>"))),
        ({"sub": []}, Ceiling(sub=())),
        ({"pub": [], "sub": ["$KV.{namespace}-state.>"]}, Ceiling(pub=(), sub=("$KV.{namespace}-state.>",))),
    ],
)
def test_a_document_names_the_sides_it_bounds(document: object, ceiling: Ceiling) -> None:
    """A side that is not named stays unbounded; an empty list admits nothing."""
    assert ceiling == parse_ceiling(document)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, 'a ceiling is a mapping with "pub", "sub" or both, each a list of subjects'),
        ([], 'a ceiling is a mapping with "pub", "sub" or both, each a list of subjects'),
        ({}, 'a ceiling is a mapping with "pub", "sub" or both, each a list of subjects'),
        ({"publish": []}, 'unknown key \'publish\': a ceiling has "pub" and "sub" only'),
        ({1: []}, 'unknown key \'1\': a ceiling has "pub" and "sub" only'),
        ({"pub": None}, '"pub" has to be a list of subjects: [] admits nothing; leave the key out to admit all'),
        ({"sub": "a.>"}, '"sub" has to be a list of subjects: [] admits nothing; leave the key out to admit all'),
        ({"sub": [5]}, '"sub" holds something that is no text: put each subject in quotes'),
        ({"pub": ["a..b"]}, "\"pub\": 'a..b' is no valid NATS subject"),
        ({"pub": ["a" * 2000]}, f"\"pub\": '{'a' * 80}' is no valid NATS subject"),
        ({"pub": ["{ns}.>"]}, "\"pub\": '{ns}.>' holds a placeholder that is not {namespace}"),
        ({"pub": ["namespace}.>"]}, "\"pub\": 'namespace}.>' holds a placeholder that is not {namespace}"),
    ],
)
def test_anything_else_is_refused_in_one_line(document: object, message: str) -> None:
    """What could be misread is refused, and the message says what to write."""
    with pytest.raises(ValueError, match=r"^[^\n]+$") as caught:
        parse_ceiling(document)
    assert message == str(caught.value)


@given(json_like)
@settings(max_examples=300, deadline=None)
def test_a_document_is_a_ceiling_or_one_line_of_complaint(document: object) -> None:
    """Whatever the file holds, there is a ceiling or a ValueError with a message of one line."""
    try:
        ceiling, complaint = parse_ceiling(document), ""
    except ValueError as error:
        ceiling, complaint = None, str(error)
    if ceiling is None:
        assert len(complaint.splitlines()) == 1
    else:
        assert isinstance(document, dict)
        expected = {side: tuple(patterns) for side, patterns in document.items()}
        assert Ceiling(**expected) == ceiling


@pytest.mark.parametrize(
    ("patterns", "subject", "admitted"),
    [
        (None, "anything.>", True),
        ((), "a", False),
        (("a.>",), "a.b.*", True),
        (("a.*",), "a.>", False),
        (("x", "a.>"), "a.b", True),
        (("{namespace}.>",), "shop.a", True),
        (("{namespace}.>",), "other.a", False),
        (("{namespace}.>",), "*.a", False),
        (("events.{namespace}.>", "{namespace}-{namespace}"), "shop-shop", True),
    ],
)
def test_a_subject_has_to_lie_wholly_within_one_pattern(
    patterns: tuple[str, ...] | None, subject: str, admitted: bool
) -> None:
    """One pattern, written out for the namespace, has to cover all of the subject."""
    assert admitted == admits(patterns, subject, "shop")
