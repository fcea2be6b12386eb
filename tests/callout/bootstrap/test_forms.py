"""How the values of options are written, and what is refused."""

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.bootstrap.forms import (
    MAX_EVENTS,
    MAX_SIZE,
    parse_address,
    parse_count,
    parse_events,
    parse_limit,
    parse_name,
    parse_namespace,
    parse_size,
    render_size,
)
from callout.policy.subjects import is_valid


@pytest.mark.parametrize("name", ["SYS", "a", "AUTH_SERVICE", "nats-prod", "9", "x" * 63])
def test_a_name_is_taken_as_it_is(name: str) -> None:
    """Letters, digits, hyphens, underscores."""
    assert name == parse_name(name)


@pytest.mark.parametrize(
    "name", ["", "a b", "a.b", "a*", ">", "a\n", "a\x00", "é", "-a", "_a", "x" * 64, "../etc", "a/b", "$SYS", " a"]
)
def test_a_name_that_nats_or_a_file_cannot_have_is_refused(name: str) -> None:
    """Blanks, dots, wildcards, control characters, slashes."""
    with pytest.raises(ValueError, match="letters, digits"):
        parse_name(name)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("events.>", ("events.>",)),
        ("events.>, orders.*.new", ("events.>", "orders.*.new")),
        ("a", ("a",)),
    ],
)
def test_subjects_are_separated_by_commas(text: str, expected: tuple[str, ...]) -> None:
    """Blanks around them do not count."""
    assert expected == parse_events(text)


@pytest.mark.parametrize(
    "text", ["", ">", "*", "*.x", "$JS.API.>", "$SYS.x", "_INBOX.>", "_INBOX_a.>", "a..b", "a b", "a,"]
)
def test_subjects_that_must_not_leave_an_account_are_refused(text: str) -> None:
    """NATS's own, those that reach them, and those that are none."""
    with pytest.raises(ValueError, match="subjects separated by commas"):
        parse_events(text)


@pytest.mark.parametrize("text", ["a.>, a.b", "a.*,a.b", "a,a"])
def test_subjects_that_overlap_are_refused(text: str) -> None:
    """A message would be stored twice; and nats-io/jwt takes such exports for an error."""
    with pytest.raises(ValueError, match="nothing in common"):
        parse_events(text)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=30))
def test_whatever_is_taken_for_subjects_is_valid(text: str) -> None:
    """Any text is read or refused, and nothing else happens."""
    try:
        subjects = parse_events(text)
    except ValueError:
        return
    assert all(is_valid(subject) and not subject.startswith(("$", "_INBOX", ">", "*")) for subject in subjects)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, MAX_SIZE))
def test_a_size_is_read_as_it_was_written(size: int) -> None:
    """In the largest unit that fits."""
    assert size == parse_size(render_size(size))


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("512Mi", 512 << 20), ("10Gi", 10 << 30), ("2Ti", 2 << 40)])
def test_sizes_have_binary_units(text: str, expected: int) -> None:
    """Those of Kubernetes."""
    assert expected == parse_size(text) == parse_limit(text)
    assert text == render_size(expected)


def test_minus_one_is_no_limit() -> None:
    """For bytes as for numbers."""
    assert (-1, -1, "-1") == (parse_limit("-1"), parse_count("-1"), render_size(-1))


def test_numbers_are_read() -> None:
    """Whole ones."""
    assert 100 == parse_count("100")


@pytest.mark.parametrize("text", ["127.0.0.1:4222", "0.0.0.0:1", "nats.example.com:65535", "[::1]:4222", "[::]:4222"])
def test_an_address_has_a_port(text: str) -> None:
    """IPv4, IPv6, a name."""
    assert text == parse_address(text)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        *[(parse_address, text) for text in ("", "4222", ":4222", "a:0", "a:65536", "a b:1", "::1:4222", "a:\n1")],
        *[(parse_size, text) for text in ("", "0", "-1", "1K", "1.5Gi", "\u0661", "9" * 19, "8388608Ti")],
        *[(parse_limit, text) for text in ("0", "-2", "none")],
        *[(parse_count, text) for text in ("", "0", "-2", "1e3", "²", "9" * 10)],
        *[(parse_namespace, text) for text in ("", "A", "a_b", "a.b", "-a", "a-", "x" * 64)],
    ],
)
def test_anything_else_is_refused(parse: Callable[[str], object], text: str) -> None:
    """With half a sentence that says what is right."""
    with pytest.raises(ValueError, match=r"such as"):
        parse(text)


def test_there_is_an_end_to_subjects() -> None:
    """Each is compared with all others; an option may be as long as the system lets it."""
    assert MAX_EVENTS == len(parse_events(",".join(f"a{number}" for number in range(MAX_EVENTS))))
    with pytest.raises(ValueError, match=f"at most {MAX_EVENTS} subjects, such as"):
        parse_events(",".join(f"a{number}" for number in range(MAX_EVENTS + 1)))
