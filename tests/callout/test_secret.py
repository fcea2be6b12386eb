"""Secrets stay out of whatever is printed."""

from collections.abc import Callable
from typing import Any

import pytest

from callout.secret import MAX_QUOTED_LENGTH, Secret, looks_secret, quote
from tests.nats_minting import CurveKey, NatsKey


@pytest.mark.parametrize("shown", [repr, str, "{}".format, "{!r}".format, lambda secret: f"{secret}", "%s".__mod__])
def test_a_secret_prints_as_stars(shown: Callable[[object], str]) -> None:
    """No way of making text of a secret shows it."""
    assert shown(Secret("hunter2")) == "***"


def test_a_secret_in_a_list_prints_as_stars() -> None:
    """Containers print what they hold by its repr."""
    assert str([Secret("hunter2")]) == "[***]"


def test_a_secret_is_revealed_by_name() -> None:
    """The text is had by asking for it."""
    assert Secret("hunter2").reveal() == "hunter2"


def test_a_secret_does_not_join() -> None:
    """A secret is no str, so it does not slip into text that is put together."""
    secret: Any = Secret("hunter2")
    with pytest.raises(TypeError):
        "a" + secret


def test_secrets_compare_by_their_text() -> None:
    """Settings with the same secrets are the same settings."""
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1


@pytest.mark.parametrize(
    "text",
    [
        NatsKey.generate("account").seed,
        NatsKey.generate("user").seed,
        CurveKey.generate().seed,
        f"key={NatsKey.generate('operator').seed}\n",
        "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln",
        "-----BEGIN PRIVATE KEY-----",
        "https://user:password@example.com",
    ],
)
def test_what_looks_secret_is_not_quoted(text: str) -> None:
    """A secret in the wrong place is recognised and not repeated."""
    assert looks_secret(text)
    assert quote(text) == "the value (hidden: it looks like a secret)"


@pytest.mark.parametrize(
    "text", ["", "/etc/nats/signing.key", NatsKey.generate("account").public, "https://example.com/a@b", "SA" * 40]
)
def test_what_is_no_secret_is_quoted(text: str) -> None:
    """Paths, public keys and addresses may be seen."""
    assert not looks_secret(text)
    assert repr(text) == quote(text)


def test_a_quoted_value_is_short_and_on_one_line() -> None:
    """A message is one line that can be read, whatever the value."""
    assert repr("a\nb") == quote("a\nb")
    assert repr("x" * MAX_QUOTED_LENGTH + "…") == quote("x" * 10_000)
