"""workers.frames: what a server sends, cut into messages for us and the rest, with nats-py's parser as the oracle."""

import asyncio
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from nats.protocol.parser import Parser

from workers.frames import (
    MAX_HEADER_SIZE,
    MAX_LINE_SIZE,
    MAX_MESSAGE_SIZE,
    XKEY_HEADER,
    Cutter,
    Message,
    OversizeError,
    find_xkey,
)

OURS = frozenset({b"1"})
REPLY = b"$SYS._INBOX.x.y"
KEY = "X" + "A" * 55


def cut(*reads: bytes) -> list[Message | bytes]:
    """What comes of these reads."""
    cutter = Cutter(OURS)
    return [piece for data in reads for piece in cutter.feed(data)]


def with_header(header: bytes, payload: bytes = b"p", sid: bytes = b"1") -> bytes:
    """A message with a header, as the server writes it."""
    line = b"HMSG a.b %b %b %d %d\r\n" % (sid, REPLY, len(header), len(header) + len(payload))
    return line + header + payload + b"\r\n"


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"MSG a.b 1 %b 3\r\nabc\r\n" % REPLY, Message(b"1", REPLY, "", b"abc")),
        (b"MSG a.b 1 3\r\nabc\r\n", Message(b"1", b"", "", b"abc")),
        (b"MSG a.b 1 %b 0\r\n\r\n" % REPLY, Message(b"1", REPLY, "", b"")),
        (b"MSG a.b 1 6\r\nMSG \r\n\r\n", Message(b"1", b"", "", b"MSG \r\n")),
        (with_header(b"NATS/1.0\r\nk: v\r\n\r\n"), Message(b"1", REPLY, "", b"p")),
        (with_header(f"NATS/1.0\r\n{XKEY_HEADER}: {KEY}\r\n\r\n".encode()), Message(b"1", REPLY, KEY, b"p")),
        (b"HMSG a.b 1 0 1\r\nx\r\n", Message(b"1", b"", "", b"x")),
    ],
    ids=["reply", "no reply", "empty", "line ends in it", "header", "curve key", "empty header"],
)
def test_a_message_for_us_is_taken(data: bytes, expected: Message) -> None:
    """With its reply subject and its payload; a line end in the payload is payload."""
    assert [expected] == cut(data)


@pytest.mark.parametrize(
    "data",
    [
        b"PING\r\n",
        b"-ERR 'Authorization Violation'\r\n",
        b'INFO {"server_id":"x"}\r\n',
        b"MSG a.b 2 3\r\nabc\r\n",
        with_header(b"NATS/1.0\r\n\r\n", sid=b"2"),
        b"\r\n",
        b"MSG\r\n",
        b"MSG a.b 1\r\n",
        b"MSG a.b 1 -3\r\n",
        b"MSG a.b 1 x y 3\r\n",
        b"MSG a.b 1 three\r\n",
        b"HMSG a.b 1 5 3\r\n",
        b"HMSG a.b 1 x 3\r\n",
        b"msg a.b 1 3\r\n",
    ],
)
def test_anything_else_is_handed_on_as_it_stands(data: bytes) -> None:
    """Other operations, other subscriptions, and what is malformed, which the library refuses."""
    assert [data, b"PONG\r\n"] == cut(data + b"PONG\r\n")


words = st.sampled_from((b"a", b"a.b", REPLY))
payloads = st.binary(max_size=30) | st.sampled_from((b"\r\n", b"MSG a 1 3\r\nabc\r\n", b"x" * 500))
messages = st.builds(
    lambda subject, sid, reply, payload: b"MSG %b %b%b %d\r\n%b\r\n" % (subject, sid, reply, len(payload), payload),
    words,
    st.sampled_from((b"1", b"2")),
    st.sampled_from((b"", b" " + REPLY)),
    payloads,
)
with_headers = st.builds(with_header, st.just(b"NATS/1.0\r\nk: v\r\n\r\n"), payloads, st.sampled_from((b"1", b"2")))
others = st.sampled_from(
    (b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b'INFO {"x":1}\r\n', b"-ERR 'Permissions Violation'\r\n")
)
streams = st.lists(messages | with_headers | others, max_size=8).map(b"".join)


class Heard:
    """A client that notes what nats-py's parser tells it."""

    def __init__(self) -> None:
        self.events: list[tuple[Any, ...]] = []

    async def _process_msg(self, sid: int, _: bytes, reply: bytes, payload: bytes, header: bytes | None) -> None:
        self.events.append((sid, reply, payload, header is not None))

    async def _process_ping(self) -> None:
        self.events.append(("ping",))

    async def _process_pong(self) -> None:
        self.events.append(("pong",))

    async def _process_info(self, info: dict[str, Any]) -> None:
        self.events.append(("info", str(info)))

    async def _process_err(self, text: str) -> None:
        self.events.append(("error", text))


def hear(*pieces: bytes) -> list[tuple[Any, ...]]:
    """What nats-py's parser makes of these reads."""

    async def scenario() -> list[tuple[Any, ...]]:
        heard = Heard()
        parser = Parser(heard)
        for piece in pieces:
            await parser.parse(piece)
        return heard.events

    return asyncio.run(scenario())


@settings(max_examples=200, deadline=None)
@given(streams, st.lists(st.integers(0, 2000), max_size=12))
def test_however_the_bytes_are_read_the_pieces_are_the_same(stream: bytes, places: list[int]) -> None:
    """And they are what nats-py reads: the messages for us in their order, and every byte of the rest."""
    ends = sorted({*(place % (len(stream) + 1) for place in places), 0, len(stream)})
    found = cut(*(stream[start:end] for start, end in pairwise(ends)))
    assert cut(stream) == found
    ours = [(1, piece.reply, piece.payload) for piece in found if isinstance(piece, Message)]
    expected = hear(stream)
    assert [event[:3] for event in expected if event[0] == 1] == ours
    assert [event for event in expected if event[0] != 1] == hear(*(p for p in found if isinstance(p, bytes)))


class CountingCutter(Cutter):
    """Counts how often it puts together what it has kept."""

    cuts = 0

    def _cut(self) -> Iterator[Message | bytes]:
        self.cuts += 1
        return super()._cut()


def test_a_large_message_in_small_reads_is_put_together_once() -> None:
    """What is not complete yet is not looked at again with each read: that would be the square of its size."""
    size, step = 1 << 20, 64
    stream = b"MSG a.b 1 %d\r\n%b\r\n" % (size, b"x" * size)
    cutter = CountingCutter(OURS)
    pieces = [piece for start in range(0, len(stream), step) for piece in cutter.feed(stream[start : start + step])]
    assert [Message(b"1", b"", "", b"x" * size)] == pieces
    assert 2 == cutter.cuts  # its line, then the whole


def test_a_long_line_in_small_reads_is_put_together_once() -> None:
    """Wherever its end is cut in two."""
    line = b"INFO " + b"\n" * (MAX_LINE_SIZE // 2) + b"\r\n"
    for step in (64, 63):
        cutter = CountingCutter(OURS)
        pieces = [piece for start in range(0, len(line), step) for piece in cutter.feed(line[start : start + step])]
        assert [line] == pieces
        assert 1 == cutter.cuts


@pytest.mark.parametrize(
    "line",
    [
        b"MSG a.b 1 %d\r\n" % (MAX_MESSAGE_SIZE + 1),
        b"MSG a.b 2 %d\r\n" % (MAX_MESSAGE_SIZE + 1),
        b"MSG a.b 1 9999999999\r\n",
        b"MSG a.b 1 " + b"9" * 5000 + b"\r\n",
        b"HMSG a.b 1 12 %d\r\n" % (MAX_MESSAGE_SIZE + 1),
        b"HMSG a.b 1 " + b"9" * 5000 + b" 12\r\n",
        b"x" * (MAX_LINE_SIZE + 1),
    ],
    ids=["too large", "for others", "too many digits", "no number", "with a header", "header", "endless line"],
)
def test_nothing_is_kept_that_is_larger_than_what_a_server_sends(line: bytes) -> None:
    """The memory of a worker is not the server's to fill. What was complete before it is still taken."""
    cutter, step, pieces = Cutter(OURS), 1000, list[Message | bytes]()
    stream = b"PING\r\n" + line
    reads = (stream[start : start + step] for start in range(0, len(stream), step))
    with pytest.raises(OversizeError, match="bytes"):
        pieces.extend(piece for data in reads for piece in cutter.feed(data))
    assert [b"PING\r\n"] == pieces
    assert len(cutter._kept) <= MAX_LINE_SIZE + step


@pytest.mark.parametrize("size", [MAX_MESSAGE_SIZE, MAX_MESSAGE_SIZE - 1])
def test_what_a_server_may_be_told_to_let_pass_is_waited_for(size: int) -> None:
    """Otherwise whoever may publish it could end our connection."""
    assert [] == cut(b"MSG a.b 1 %d\r\n" % size, b"x")


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([f"{XKEY_HEADER}: {KEY}"], KEY),
        (["traceparent: 00-1-1-01", f"{XKEY_HEADER}:{KEY}", *(f"k{number}: v" for number in range(100))], KEY),
        ([f"{XKEY_HEADER}: another", f"{XKEY_HEADER}: {KEY}"], KEY),
        ([f"{XKEY_HEADER}: {KEY} \t"], KEY),
        (["traceparent: 00-1-1-01"], ""),
        ([f"x: {XKEY_HEADER}: {KEY}"], ""),
        ([f"{XKEY_HEADER}: {KEY} {KEY}"], ""),
        ([f"{XKEY_HEADER}: {KEY}", "x: " + "y" * MAX_HEADER_SIZE], ""),
    ],
    ids=["alone", "among others", "twice", "spaces", "absent", "in a value", "two words", "too large"],
)
def test_of_a_header_only_the_servers_key_is_read(lines: list[str], expected: str) -> None:
    """What waits is counted by its payload alone: headers must not be what fills the memory."""
    assert expected == find_xkey("\r\n".join(["NATS/1.0", *lines, "", ""]).encode())


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=100), st.text(max_size=60), st.sampled_from((b"", b"\r\n", b": ", b" 503\r\n")))
def test_whatever_stands_in_a_header_the_servers_key_is_one_word(junk: bytes, value: str, between: bytes) -> None:
    """Never another alphabet, never an exception."""
    named = f"\r\n{XKEY_HEADER}: {value}\r\n".encode()
    for header in (
        junk,
        b"NATS/1.0" + between + junk,
        b"NATS/1.0" + named + junk,
        b"NATS/1.0\r\n" + junk + between + named,
    ):
        found = find_xkey(header)
        assert found.isascii()
        assert not found or [found] == found.split()
