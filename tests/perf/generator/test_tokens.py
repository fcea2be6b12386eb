"""Tokens for a deployed set-up: read line by line, and looked at for when they expire."""

import json
import time
from pathlib import Path

import pytest

from callout.errors import CommandError
from perf.generator.tokens import check_lifetime, maybe_expiry, read_tokens
from perf.generator.wire import MAX_TOKEN
from workers.jose import encode_segment

HOUR = 3600


def make_token(**claims: object) -> str:
    """A token that nobody has signed."""
    return f"e30.{encode_segment(json.dumps(claims).encode()).decode()}.AA"


def expire_in(seconds: float) -> str:
    """One that expires so much later than now."""
    return make_token(exp=int(time.time() + seconds))


def test_empty_lines_are_left_out(tmp_path: Path) -> None:
    """And space around a token."""
    path = tmp_path / "tokens"
    path.write_text("\n a.b.c \r\n\nd.e.f")
    assert ["a.b.c", "d.e.f"] == read_tokens(path)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "does not hold tokens"),
        ("a.b.c\n\na.b\n", "line 3 is none$"),
        ("a.b.c\nconspicuous word\n", "line 2 is none$"),
        ("a.b.ca.b.c\n", "line 1 is none: two without a line end between them"),
        ("ä.b.c\n", "line 1 is none$"),
    ],
)
def test_the_line_that_is_no_token_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    """By its number, and not shown: it may be half of a good one."""
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(ValueError, match=complaint) as refused:
        read_tokens(path)
    assert "conspicuous" not in str(refused.value)


def test_a_token_that_no_server_takes_is_refused(tmp_path: Path) -> None:
    """By the number of its line, and not shown: nobody could log in with it. The longest that is taken is read."""
    path = tmp_path / "tokens"
    longest = f"a.{'b' * (MAX_TOKEN - 4)}.c"
    path.write_text(f"{longest}\n")
    assert [longest] == read_tokens(path)
    path.write_text(f"a.b.c\n{longest}d\n")
    with pytest.raises(
        ValueError, match=rf": line 2 has {MAX_TOKEN + 1:,} bytes, and {MAX_TOKEN:,} are the most"
    ) as no:
        read_tokens(path)
    assert "bbb" not in str(no.value)


@pytest.mark.parametrize(
    "token", ["a.b.c", make_token(), make_token(exp="soon"), f"e30.{encode_segment(b'[' * 20_000).decode()}.AA"]
)
def test_a_token_need_not_say_when_it_expires(token: str) -> None:
    """The service has the word; such a one is tried like any other."""
    assert maybe_expiry(token) is None
    assert check_lifetime([token], HOUR) is None


def test_tokens_that_have_expired_are_counted() -> None:
    """Nothing is measured with them."""
    with pytest.raises(CommandError, match=r"^1 of 2 tokens have expired"):
        check_lifetime([expire_in(-HOUR), expire_in(HOUR)], 1)


def test_tokens_that_expire_meanwhile_are_told() -> None:
    """In one line, with both spans; those that last are worth none."""
    line = check_lifetime([expire_in(9 * HOUR), expire_in(HOUR)], 8 * HOUR)
    assert line is not None
    assert line.startswith("tokens expire before the end: the first in ")
    assert "this takes about 8 h" in line
    assert check_lifetime([expire_in(9 * HOUR)], 8 * HOUR) is None
