"""A token that is given to a command: read as it stands there, but for the blanks around it."""

import io
import os
import sys
import threading
from pathlib import Path

import pytest

from callout.given_token import ABOUT_BLANKS, MAX_TOKEN_BYTES, GivenToken, read_given_token


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a.b.c", GivenToken("a.b.c")),
        (b"a.b.c\n", GivenToken("a.b.c", ABOUT_BLANKS)),
        (b" a.b.c", GivenToken("a.b.c", ABOUT_BLANKS)),
        (b"a b\xff", GivenToken("a b\ufffd")),
        (b"\n", GivenToken("", ABOUT_BLANKS)),
        (b"", GivenToken()),
    ],
)
def test_blanks_around_it_are_left_out_and_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, expected: GivenToken
) -> None:
    """Those within are its own; in a file as on standard input, where a command's output ends in a line end.

    Here and below that is a stream such as Python opens, since pytest has taken the process's own; that this one is
    read, tests/callout/explain/test_command.py shows.
    """
    (tmp_path / "token").write_bytes(content)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content + b"\n")))
    for place in (str(tmp_path / "token"), "-"):
        given = read_given_token(place)
        assert (expected.token, expected.remark) == (given.token, given.remark)


@pytest.mark.parametrize(
    ("content", "remark"),
    [
        (b"a.b.c", ""),
        (b"a.b.c\n", ""),
        (b"a.b.c\r\n", ABOUT_BLANKS),
        (b"a.b.c\n\n", ABOUT_BLANKS),
        (b"\na.b.c", ABOUT_BLANKS),
        (b"a.b.c \n", ABOUT_BLANKS),
    ],
)
def test_one_line_end_on_standard_input_is_the_commands(
    monkeypatch: pytest.MonkeyPatch, content: bytes, remark: str
) -> None:
    """`kubectl create token` ends its output so, and no client would send that."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))
    given = read_given_token("-")
    assert ("a.b.c", remark) == (given.token, given.remark)


def test_a_pipe_will_do(tmp_path: Path) -> None:
    """As a shell's `<(…)` is one."""
    os.mkfifo(tmp_path / "pipe")
    writing = threading.Thread(target=(tmp_path / "pipe").write_text, args=("a.b.c",))
    writing.start()
    assert "a.b.c" == read_given_token(str(tmp_path / "pipe")).token
    writing.join()


def test_more_than_a_token_is_not_read(tmp_path: Path) -> None:
    """A token has some thousand bytes; the file may have no end."""
    (tmp_path / "token").write_bytes(b"x" * 2 * MAX_TOKEN_BYTES)
    assert MAX_TOKEN_BYTES == len(read_given_token(str(tmp_path / "token")).token)


def test_the_token_is_not_shown(tmp_path: Path) -> None:
    """Whoever prints what holds it shows nothing of it."""
    (tmp_path / "token").write_text("conspicuous")
    assert "GivenToken(***)" == repr(read_given_token(str(tmp_path / "token")))
