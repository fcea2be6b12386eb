"""Tests of `callout.lines`."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.lines import MAX_LINE_BYTES, LineBuffer, LineTooLongError

PIECES = st.lists(st.text(alphabet="ab\n", max_size=8).map(str.encode), max_size=20)


@settings(max_examples=200, deadline=None)
@given(PIECES)
def test_lines_do_not_depend_on_how_the_bytes_arrive(pieces: list[bytes]) -> None:
    """However a stream is cut into pieces, its lines are those of the whole, without the one that has not ended."""
    buffer = LineBuffer()
    lines = [line for piece in pieces for line in buffer.feed(piece)]
    assert [line for line in b"".join(pieces).split(b"\n")[:-1] if line] == lines


def test_a_line_that_has_not_ended_is_kept_back() -> None:
    """A piece of a line is not a line, and the rest of it completes it."""
    buffer = LineBuffer()
    assert [] == buffer.feed(b'{"type":')
    assert [b'{"type":1}'] == buffer.feed(b'1}\n{"ty')


@pytest.mark.parametrize("data", [b"x" * 11, b"x" * 11 + b"\n", b"a\n" + b"x" * 11, b"a\n" + b"x" * 11 + b"\nb\n"])
def test_a_line_longer_than_the_limit_is_refused(data: bytes) -> None:
    """The limit holds for a line that has ended and for one that has not, wherever it stands."""
    with pytest.raises(LineTooLongError):
        LineBuffer(limit=10).feed(data)


def test_a_line_as_long_as_the_limit_is_taken() -> None:
    """The limit itself is allowed, and so is any number of lines below it."""
    assert [b"x" * 10, b"y" * 10] == LineBuffer(limit=10).feed(b"x" * 10 + b"\n" + b"y" * 10 + b"\n")


def test_a_line_that_never_ends_is_noticed_while_it_comes() -> None:
    """Memory is bounded however small the pieces are."""
    buffer = LineBuffer(limit=10)
    for _ in range(10):
        buffer.feed(b"x")
    with pytest.raises(LineTooLongError):
        buffer.feed(b"x")


def test_the_limit_leaves_room_for_the_largest_object() -> None:
    """An object of 1.5 MiB in etcd, every byte of it written as six, is a line that is taken."""
    assert MAX_LINE_BYTES > 6 * 1.5 * (1 << 20)
