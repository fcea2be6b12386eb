"""The ceiling: which documents it is read from, and what it admits."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.policy.ceiling import Ceiling, parse_ceiling, write_out

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
        ({"pub": ["a.>", "{namespace}.>"], "sub": [">"]}, Ceiling(pub=("a.>", "{namespace}.>"), sub=(">",))),
        ({"sub": [], "pub": []}, Ceiling(pub=(), sub=())),
        ({"pub": [], "sub": ["$KV.{namespace}-state.>"]}, Ceiling(pub=(), sub=("$KV.{namespace}-state.>",))),
    ],
)
def test_a_document_bounds_both_sides(document: object, ceiling: Ceiling) -> None:
    """An empty list admits nothing, `>` everything."""
    assert ceiling == parse_ceiling(document)


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (None, 'a ceiling is a mapping with "pub" and "sub", each a list of subjects'),
        ([], 'a ceiling is a mapping with "pub" and "sub", each a list of subjects'),
        ({}, '"pub" is missing: [] admits nothing, [">"] everything that is not reserved'),
        ({"pub": ["a"]}, '"sub" is missing: [] admits nothing, [">"] everything that is not reserved'),
        ({"sub": []}, '"pub" is missing: [] admits nothing, [">"] everything that is not reserved'),
        ({"publish": []}, 'unknown key \'publish\': a ceiling has "pub" and "sub" only'),
        ({1: []}, 'unknown key \'1\': a ceiling has "pub" and "sub" only'),
        ({"pub": None, "sub": []}, '"pub" has to be a list of subjects, each in quotes'),
        ({"pub": [], "sub": "a.>"}, '"sub" has to be a list of subjects, each in quotes'),
        ({"pub": [], "sub": [5]}, '"sub" holds something that is no text: put each subject in quotes'),
        ({"pub": ["a..b"], "sub": []}, "\"pub\": 'a..b' is no valid NATS subject"),
        ({"pub": ["a" * 2000], "sub": []}, f"\"pub\": '{'a' * 80}…' is no valid NATS subject"),
        ({"pub": ["{ns}.>"], "sub": []}, "\"pub\": '{ns}.>' holds a placeholder that is not {namespace}"),
        ({"pub": ["namespace}.>"], "sub": []}, "\"pub\": 'namespace}.>' holds a placeholder that is not {namespace}"),
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
        assert Ceiling(pub=tuple(document["pub"]), sub=tuple(document["sub"])) == ceiling


@pytest.mark.parametrize(
    ("patterns", "subject", "admitted"),
    [
        (None, "anything.>", True),
        ((">",), "anything.>", True),
        ((">",), "*", True),
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
    assert admitted == write_out(patterns, "shop").covers(subject)
