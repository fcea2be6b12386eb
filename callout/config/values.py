"""The forms that settings take: how a text becomes a value, and how to say in a few words what is right.

A form is a pair: `gives` completes the sentence "give …" in an error and stands in the documentation; `parse` turns
the text into the value. So a message, the help and the parser cannot say different things.

Rules kept here:
- Pure: nothing is opened, resolved or looked up.
- An error says what was wrong without repeating the value; `callout.config.loading` quotes it, if it may be seen.
- What the Go service reads, these forms read: booleans as `strconv.ParseBool`, durations as `time.ParseDuration`.
"""

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from callout.secret import Secret
from callout.serviceaccounts import is_valid_identity
from callout.urls import parse_origin

_TRUE = frozenset({"1", "t", "true", "yes", "on"})
_FALSE = frozenset({"0", "f", "false", "no", "off"})

_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),  # U+00B5, micro sign
    "μs": Decimal("1e-6"),  # U+03BC, Greek mu: Go accepts both
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_AMOUNT = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
_UNIT = "|".join(sorted(_SECONDS, key=len, reverse=True))
_PART = re.compile(f"({_AMOUNT})({_UNIT})")
_DURATION = re.compile(f"[+-]?(?:{_PART.pattern})+")
_PLAIN_SECONDS = re.compile(f"[+-]?{_AMOUNT}")
# A number longer than this is out of every bound; Python would spend quadratic time on it first.
_MAX_DIGITS = 18
_WHOLE_NUMBER = re.compile(rf"[+-]?[0-9]{{1,{_MAX_DIGITS}}}")
_NUMBER = re.compile(rf"[+-]?(?:[0-9]{{1,{_MAX_DIGITS}}}(?:\.[0-9]*)?|\.[0-9]+)")

# Kubernetes: an annotation's name is an optional DNS subdomain and a slash, then at most 63 letters, digits, - _ .
_ANNOTATION_PREFIX = re.compile(r"(?:[a-z0-9](?:[-a-z0-9.]*[a-z0-9])?/)?(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?")
_HOST = re.compile(r"[A-Za-z0-9_.:-]+(?:%[A-Za-z0-9_.-]+)?")


class Form(msgspec.Struct, frozen=True):
    """How one kind of value is written.

    Attributes:
        gives: what is right, completing "give …".
        parse: text to value; raises `ValueError` with what is wrong, completing "the value …", unless the
            message is empty, which stands for "is not that".
        show: value to text, as `parse` reads it.
    """

    gives: str
    parse: Callable[[str], object]
    show: Callable[[Any], str] = str


def parse_boolean(text: str) -> bool:
    """Read a boolean as Go's `strconv.ParseBool` does, in any case, and yes, no, on, off beside them."""
    word = text.lower()
    if word not in _TRUE | _FALSE:
        raise ValueError
    return word in _TRUE


def parse_duration(text: str) -> float:
    """Read a duration as Go's `time.ParseDuration` does (`300ms`, `1h30m`), or plain seconds; seconds come back."""
    if _PLAIN_SECONDS.fullmatch(text):
        return float(Decimal(text))
    if not _DURATION.fullmatch(text):
        raise ValueError
    total = sum((Decimal(amount) * _SECONDS[unit] for amount, unit in _PART.findall(text)), Decimal(0))
    return float(-total if text.startswith("-") else total)


def show_duration(seconds: float) -> str:
    """Write a duration as the documentation does, such as `1h30m` or `1.5s`."""
    minutes, rest = divmod(Decimal(repr(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    parts = ((hours, "h"), (minutes, "m"), (rest, "s"))
    return "".join(f"{amount.normalize():f}{unit}" for amount, unit in parts if amount) or "0s"


def parse_list(text: str) -> tuple[str, ...]:
    """Split at commas; space around an entry does not count, nor does an empty entry."""
    entries = tuple(entry for part in text.split(",") if (entry := part.strip()))
    if not entries:
        raise ValueError("holds nothing but commas")
    if any(_has_space(entry) for entry in entries):
        raise ValueError("has a space inside an entry")
    return entries


def parse_path(text: str) -> Path:
    """Take a path as it stands; whether something is there is for `callout.config.file_checks` to say."""
    return Path(parse_paths(text))


def parse_paths(text: str) -> str:
    """Take a path, or several with colons between, as they stand: they are quoted in messages of one line."""
    if not text.isprintable():
        raise ValueError("has a control character in it")
    return text


def parse_url(text: str) -> str:
    """Check an address that keys may be fetched from."""
    try:
        parse_origin(text)
    except ValueError as error:
        raise ValueError(f"cannot be used: {error}") from None
    return text


def parse_namespace(text: str) -> str:
    """Check a namespace's name (RFC 1123 label)."""
    if not is_valid_identity(text, "default"):
        raise ValueError
    return text


def parse_annotation_prefix(text: str) -> str:
    """Check that a prefix can begin the name of an annotation."""
    if not _ANNOTATION_PREFIX.fullmatch(text):
        raise ValueError
    return text


def parse_word(text: str) -> str:
    """Take one word."""
    if _has_space(text):
        raise ValueError("has a space or a control character in it")
    return text


def parse_token(text: str) -> Secret:
    """Take one word that must not be seen."""
    return Secret(parse_word(text))


def parse_host(text: str) -> str:
    """Take an address or a host's name to listen on; square brackets around an IPv6 address are taken off."""
    host = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if not _HOST.fullmatch(host):
        raise ValueError
    return host


def whole_number(least: int, most: int) -> Form:
    """A whole number within bounds, both included."""

    def parse(text: str) -> int:
        if not _WHOLE_NUMBER.fullmatch(text):
            raise ValueError
        value = int(text)
        _check_bounds(value, least, most)
        return value

    return Form(f"a whole number from {least} to {most}", parse)


def number(least: float, most: float) -> Form:
    """A number within bounds, both included."""

    def parse(text: str) -> float:
        if not _NUMBER.fullmatch(text):
            raise ValueError
        value = float(text)
        _check_bounds(value, least, most)
        return value

    return Form(f"a number from {least:g} to {most:g}", parse, "{:g}".format)


def duration(least: str, most: str) -> Form:
    """A duration within bounds, both included and written as durations."""
    bounds = parse_duration(least), parse_duration(most)

    def parse(text: str) -> float:
        value = parse_duration(text)
        _check_bounds(value, *bounds)
        return value

    gives = f"a duration from {least} to {most}, such as 90s, 15m or 1h30m; a plain number is seconds"
    return Form(gives, parse, show_duration)


def one_of(choices: Mapping[str, object], gives: str) -> Form:
    """One of a few words, in any case; `choices` maps each to its value."""

    def parse(text: str) -> object:
        if text.lower() not in choices:
            raise ValueError
        return choices[text.lower()]

    return Form(gives, parse)


BOOLEAN = Form("true or false (or 1, 0, yes, no, on, off)", parse_boolean)
FILE = Form("the path of a file", parse_path)
ACCOUNT_SEED_FILE = Form("the path of a file that holds the seed of an account (SA…)", parse_path)
CURVE_SEED_FILE = Form("the path of a file that holds the seed of a curve key (SX…)", parse_path)
CREDENTIALS_FILE = Form("the path of a file as 'nsc generate creds' or 'callout bootstrap' writes it", parse_path)
FILES = Form("the path of a file, or several with colons between", parse_paths)
FOLDER = Form("the path of a folder", parse_path)
FILE_OR_FOLDER = Form("the path of a file or of a folder", parse_path)
WEB_ADDRESS = Form("an address such as https://example.com/keys", parse_url)
WORDS = Form("one or several, separated by commas", parse_list)
NAMESPACE = Form("the name of one namespace, such as orders", parse_namespace)
ANNOTATION_PREFIX = Form("the beginning of an annotation's name, such as nats.io/", parse_annotation_prefix)
TOKEN = Form("a token without spaces", parse_token)
ACCOUNT = Form("the name of an account, or in operator mode its public key (A…)", parse_word)
HOST = Form("an address or a host's name, such as 127.0.0.1 or ::", parse_host)


def _check_bounds(value: float, least: float, most: float) -> None:
    if value < least:
        raise ValueError("is too small")
    if value > most:
        raise ValueError("is too large")


def _has_space(text: str) -> bool:
    return any(character.isspace() or not character.isprintable() for character in text)
