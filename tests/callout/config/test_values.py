"""The forms of settings: each is read as the Go service reads it, or refused."""

import contextlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.values import (
    ANNOTATION_PREFIX,
    BOOLEAN,
    FILE,
    HOST,
    NAMESPACE,
    TOKEN,
    WEB_ADDRESS,
    WORDS,
    duration,
    number,
    one_of,
    parse_duration,
    show_duration,
    whole_number,
)
from callout.secret import Secret

MODERATE = settings(max_examples=200, deadline=None)
NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
GO_TRUE = ["1", "t", "T", "TRUE", "true", "True"]  # strconv.ParseBool
GO_FALSE = ["0", "f", "F", "FALSE", "false", "False"]


@pytest.mark.parametrize("text", [*GO_TRUE, "yes", "YES", "on", "On"])
def test_true_is_written_as_in_go_or_as_yes_or_on(text: str) -> None:
    """Whatever Go takes for true is true, and two words more."""
    assert BOOLEAN.parse(text) is True


@pytest.mark.parametrize("text", [*GO_FALSE, "no", "No", "off", "OFF"])
def test_false_is_written_as_in_go_or_as_no_or_off(text: str) -> None:
    """Whatever Go takes for false is false, and two words more."""
    assert BOOLEAN.parse(text) is False


@MODERATE
@given(st.text(max_size=6))
def test_any_other_word_is_no_boolean(text: str) -> None:
    """There is no third value, and no guess."""
    known = {word.lower() for word in [*GO_TRUE, *GO_FALSE, "yes", "no", "on", "off"]}
    if text.lower() not in known:
        with pytest.raises(ValueError, match=r"^$"):
            BOOLEAN.parse(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(3600.0, "1h"), (120.0, "2m"), (10.0, "10s"), (5400.0, "1h30m"), (86400.0, "24h"), (1.5, "1.5s"), (0.0, "0s")],
)
def test_a_duration_is_shown_as_it_is_documented(seconds: float, text: str) -> None:
    """In the largest units that it has."""
    assert text == show_duration(seconds)


@MODERATE
@given(st.floats(0, 86_400))
def test_a_duration_that_is_shown_can_be_set(seconds: float) -> None:
    """It is the same one then, to the last bit."""
    assert seconds == parse_duration(show_duration(seconds))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("300ms", 0.3),
        ("90s", 90),
        ("15m", 900),
        ("1h30m", 5400),
        ("1.5h", 5400),
        (".5s", 0.5),
        ("1.s", 1),
        ("+2s", 2),
        ("-1m1s", -61),
        ("1us1µs1μs", 3e-6),
        ("90", 90),
        ("0", 0),
        ("0.25", 0.25),
    ],
)
def test_a_duration_is_written_as_in_go_or_as_seconds(text: str, seconds: float) -> None:
    """The grammar is that of time.ParseDuration; a plain number counts seconds."""
    assert pytest.approx(seconds) == parse_duration(text)


@MODERATE
@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 999), st.sampled_from(sorted(NANOSECONDS))), min_size=1),
    st.sampled_from(["", "+", "-"]),
)
def test_the_parts_of_a_duration_add_up(parts: list[tuple[int, int, str]], sign: str) -> None:
    """A duration is the sum of its parts, exactly, whatever their order."""
    text = sign + "".join(f"{whole}.{part:03}{unit}" for whole, part, unit in parts)
    total = sum(Decimal(f"{whole}.{part:03}") * NANOSECONDS[unit] for whole, part, unit in parts) / 10**9
    assert float(-total if sign == "-" else total) == pytest.approx(parse_duration(text))


@MODERATE
@given(st.text(alphabet="0123456789.+-hmsnuµ e_", max_size=8))
def test_a_duration_is_read_or_refused(text: str) -> None:
    """Nothing but a number of seconds or a ValueError comes out."""
    with contextlib.suppress(ValueError):
        assert isinstance(parse_duration(text), float)


@pytest.mark.parametrize("text", ["", "1 h", "1d", "h", "1h-30m", "1e3", "1_000", "nan", "inf", "٣s", "1h30", "s1"])
def test_what_go_refuses_is_no_duration(text: str) -> None:
    """Days, exponents, spaces and digits of other scripts are refused."""
    with pytest.raises(ValueError, match=r"^$"):
        parse_duration(text)


@pytest.mark.parametrize(("text", "wrong"), [("999ms", "too small"), ("-1h", "too small"), ("61s", "too large")])
def test_a_duration_has_bounds(text: str, wrong: str) -> None:
    """What is out of bounds is refused and said to be."""
    with pytest.raises(ValueError, match=wrong):
        duration("1s", "1m").parse(text)


@pytest.mark.parametrize("text", ["1s", "1m", "60"])
def test_the_bounds_of_a_duration_are_within(text: str) -> None:
    """Both bounds are allowed."""
    assert isinstance(duration("1s", "1m").parse(text), float)


def test_a_duration_of_endless_digits_is_too_large() -> None:
    """Digits without end are refused, not worked on."""
    with pytest.raises(ValueError, match="too large"):
        duration("1s", "1m").parse("9" * 100_000)


@MODERATE
@given(st.integers(-(10**30), 10**30))
def test_a_whole_number_is_within_bounds_or_refused(value: Any) -> None:
    """Every number is read as itself or refused."""
    form = whole_number(1, 256)
    if 1 <= value <= 256:
        assert value == form.parse(str(value))
    else:
        with pytest.raises(ValueError, match=r"^$|too (small|large)"):
            form.parse(str(value))


@pytest.mark.parametrize("text", ["", "1.0", "1e2", "0x10", "1_0", "½", "٣", "many", "--1", "9" * 100_000])
def test_what_is_no_whole_number_is_refused(text: str) -> None:
    """Only ASCII digits make a number."""
    with pytest.raises(ValueError, match=r"^$"):
        whole_number(1, 256).parse(text)


@pytest.mark.parametrize(("text", "value"), [("0", 0), ("0.9", 0.9), (".5", 0.5), ("0.20", 0.2)])
def test_a_number_may_have_decimals(text: str, value: Any) -> None:
    """A share is written as a decimal number."""
    assert value == number(0, 0.9).parse(text)


@pytest.mark.parametrize("text", ["", ".", "-0.1", "0.91", "nan", "inf", "20%", "1e-1"])
def test_what_is_no_number_within_bounds_is_refused(text: str) -> None:
    """No value that is no number comes through, and none out of bounds."""
    with pytest.raises(ValueError, match=r"^$|too (small|large)"):
        number(0, 0.9).parse(text)


@pytest.mark.parametrize("text", ["WARN", "warn", "Warn"])
def test_a_choice_does_not_mind_case(text: str) -> None:
    """Words are compared without case."""
    assert one_of({"warn": "warning"}, "").parse(text) == "warning"


def test_an_unknown_choice_is_refused() -> None:
    """A word that is none of those is refused."""
    with pytest.raises(ValueError, match=r"^$"):
        one_of({"warn": "warning"}, "").parse("loud")


@pytest.mark.parametrize(("text", "entries"), [("a", ("a",)), (" a , b,", ("a", "b")), ("a,,b", ("a", "b"))])
def test_a_list_is_split_at_commas(text: str, entries: tuple[str, ...]) -> None:
    """Space and empty entries do not count."""
    assert entries == WORDS.parse(text)


@pytest.mark.parametrize("text", [",", " , ", "a b", "a,b\tc"])
def test_a_list_without_entries_or_with_space_in_one_is_refused(text: str) -> None:
    """An entry with a space is two that lack their comma."""
    with pytest.raises(ValueError, match=r"commas|space"):
        WORDS.parse(text)


def test_a_path_is_taken_as_it_is() -> None:
    """No expansion, no lookup."""
    assert Path("~/x y") == FILE.parse("~/x y")


def test_a_path_with_a_line_break_is_refused() -> None:
    """A path is quoted in messages of one line."""
    with pytest.raises(ValueError, match="control"):
        FILE.parse("/a\n/b")


@pytest.mark.parametrize("text", ["https://h", "https://[::1]:6443/openid/v1/jwks", "http://127.0.0.1:8080/keys"])
def test_an_address_of_keys_is_taken(text: str) -> None:
    """https, or http on this machine."""
    assert text == WEB_ADDRESS.parse(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h",
        "https://",
        "ftp://h/",
        "https://h:0/",
        "https://h:99999/",
        "http://h/",
        "https://u:pa55@h/",
        "https://h/ x",
    ],
)
def test_another_address_is_refused_without_repeating_it(text: str) -> None:
    """Plain http lets anybody forge keys; a password has no place in an address that is shown."""
    with pytest.raises(ValueError, match="cannot be used") as caught:
        WEB_ADDRESS.parse(text)
    assert "pa55" not in str(caught.value)


@pytest.mark.parametrize("text", ["orders", "a-1"])
def test_a_namespace_is_a_label(text: str) -> None:
    """RFC 1123."""
    assert text == NAMESPACE.parse(text)


@pytest.mark.parametrize("text", ["a.b", "A", "*", "a,b", "-a", "x" * 64])
def test_what_is_no_label_is_no_namespace(text: str) -> None:
    """The API server could not hold it."""
    with pytest.raises(ValueError, match=r"^$"):
        NAMESPACE.parse(text)


@pytest.mark.parametrize("text", ["nats.io/", "a/b-", "plain-"])
def test_a_prefix_begins_the_name_of_an_annotation(text: str) -> None:
    """Kubernetes' names of annotations."""
    assert text == ANNOTATION_PREFIX.parse(text)


@pytest.mark.parametrize("text", ["a b/", "a/b/", "NATS.io/", "/", "ü/"])
def test_what_begins_no_annotation_is_refused(text: str) -> None:
    """A prefix that no annotation can have would silently grant nothing."""
    with pytest.raises(ValueError, match=r"^$"):
        ANNOTATION_PREFIX.parse(text)


@pytest.mark.parametrize(
    ("text", "host"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("[::1]", "::1"),
        ("::", "::"),
        ("fe80::1%eth0", "fe80::1%eth0"),
        ("localhost", "localhost"),
    ],
)
def test_a_host_is_an_address_or_a_name(text: str, host: str) -> None:
    """Brackets around an IPv6 address are taken off."""
    assert host == HOST.parse(text)


@pytest.mark.parametrize("text", ["http://h", "h/x", "a b", ""])
def test_what_is_no_host_is_refused(text: str) -> None:
    """A URL is no host."""
    with pytest.raises(ValueError, match=r"^$"):
        HOST.parse(text)


def test_a_token_has_no_space() -> None:
    """What was pasted with a line break is not half taken."""
    assert Secret("s3cr3t") == TOKEN.parse("s3cr3t")
    with pytest.raises(ValueError, match="space"):
        TOKEN.parse("s3 cr3t")
