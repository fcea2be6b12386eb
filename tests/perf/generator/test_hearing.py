"""What a server says, however it is cut into reads, comes to a greeting and a verdict, or to one error."""

from collections.abc import Callable, Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.generator.hearing import (
    MAX_HEAD_SIZE,
    Frames,
    GreetingLine,
    Hearing,
    MqttHearing,
    NatsHearing,
    Verdict,
    WebSocketHearing,
    Welcome,
    split_message,
)
from perf.generator.wire import MQTT_PORTS, NATS_PORTS, WEBSOCKET_PORTS, parse_address
from workers.frames import MAX_LINE_SIZE, OversizeError

INFO = b'INFO {"nonce":"n"}\r\n'
TLS_INFO = b'INFO {"tls_required":true,"nonce":"n"}\r\n'
PLAIN = parse_address("nats://a", NATS_PORTS)
ENCRYPTED = parse_address("tls://a", NATS_PORTS)
WEBSOCKET = parse_address("ws://a", WEBSOCKET_PORTS)
UPGRADED = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
ADMITTED = Verdict(admitted=True)


def frame(payload: bytes, opcode: int = 2) -> bytes:
    """A frame of a server."""
    size = len(payload)
    length = (
        bytes([size]) if size < 126 else b"\x7e" + size.to_bytes(2) if size < 1 << 16 else b"\x7f" + size.to_bytes(8)
    )
    return bytes([0x80 | opcode]) + length + payload


def hear(hearing: Hearing, *reads: bytes) -> list[Welcome | Verdict]:
    """All that these reads come to."""
    return [word for read in reads for word in hearing.feed(read)]


def cut(data: bytes, places: Sequence[int]) -> list[bytes]:
    """The same bytes in several reads."""
    bounds = [0, *sorted({place for place in places if 0 < place < len(data)}), len(data)]
    return [data[begin:end] for begin, end in pairwise(bounds)]


CONVERSATIONS = [
    (lambda: NatsHearing(PLAIN), INFO + b"PING\r\nPONG\r\n", [Welcome("n"), ADMITTED]),
    (lambda: NatsHearing(PLAIN), INFO + b"MSG a 1 6\r\nPONG\r\n\r\nPONG\r\n", [Welcome("n"), ADMITTED]),
    (lambda: NatsHearing(PLAIN), INFO + b"-ERR 'no'\r\n", [Welcome("n"), Verdict(admitted=False, reason="-ERR 'no'")]),
    (lambda: WebSocketHearing(WEBSOCKET), UPGRADED + frame(INFO) + frame(b"PONG\r\n"), [Welcome(), ADMITTED]),
    (
        lambda: WebSocketHearing(WEBSOCKET),
        UPGRADED + frame(INFO[:3]) + frame(INFO[3:] + b"PONG\r\n"),
        [Welcome(), ADMITTED],
    ),
    (lambda: WebSocketHearing(WEBSOCKET), UPGRADED + frame(b"", 9) + frame(INFO) + frame(b"PONG\r\n", 8), [Welcome()]),
    (
        lambda: WebSocketHearing(WEBSOCKET),
        UPGRADED + frame(b"INFO {}" + b" " * 70_000 + b"\r\n") + frame(b"x" * 200 + b"\r\n") + frame(b"PONG\r\n"),
        [Welcome(), ADMITTED],
    ),
    (MqttHearing, b"\x20\x02\x00\x00", [ADMITTED]),
    (MqttHearing, b"\x20\x02\x00\x05", [Verdict(admitted=False, reason="not authorized")]),
    (MqttHearing, b"\x20\x02\x00\x77", [Verdict(admitted=False, reason="code 119 of MQTT")]),
]


@pytest.mark.parametrize(("make", "data", "expected"), CONVERSATIONS)
@given(places=st.lists(st.integers(1, 300), max_size=8))
def test_reads_may_be_cut_anywhere(
    make: Callable[[], Hearing], data: bytes, expected: list[Welcome | Verdict], places: list[int]
) -> None:
    """The words are the same, and a verdict is a line of its own: one inside a message or a farewell is none."""
    assert expected == hear(make(), *cut(data, places))


@pytest.mark.parametrize(
    ("hearing", "data", "complaint"),
    [
        (NatsHearing(PLAIN), TLS_INFO + b"PONG\r\n", "write tls:// for nats://"),
        (NatsHearing(ENCRYPTED), INFO, "the server has no TLS"),
        (NatsHearing(ENCRYPTED), TLS_INFO + b"PONG\r\n", "more in the clear where TLS is to begin"),
        (NatsHearing(PLAIN), b"-ERR 'maximum connections exceeded'\r\n", "^-ERR 'maximum connections exceeded'$"),
        (NatsHearing(PLAIN), INFO + b"MSG a 1 xyz\r\n", "a message that is none of NATS"),
        (NatsHearing(PLAIN), INFO + b"MSG a\r\n", "a message that is none of NATS"),
        (NatsHearing(PLAIN), INFO + b"MSG\r\n", "a message that is none of NATS"),
        (NatsHearing(PLAIN), INFO + b"HMSG a 1 5 2\r\n\r\n", "a message that is none of NATS"),
        (NatsHearing(PLAIN), INFO + b"MSG a 1 1\r\nxyz", "a message that is none of NATS"),
        (NatsHearing(PLAIN), b"x" * (MAX_LINE_SIZE + 1), "this is no NATS server"),
        (WebSocketHearing(WEBSOCKET), INFO, "this is where NATS clients connect"),
        (WebSocketHearing(WEBSOCKET), b"\x15\x03\x01", "this is no WebSocket"),
        (WebSocketHearing(WEBSOCKET), b"HTTP/" + b"x" * MAX_HEAD_SIZE, "answers"),
        (WebSocketHearing(WEBSOCKET), b"HTTP/1.0 400 Bad\x1b Request\r\n\r\n", r"answers 400 Bad\\x1b Request; where"),
        (WebSocketHearing(WEBSOCKET), UPGRADED + frame(TLS_INFO), "write wss:// for ws://"),
        (WebSocketHearing(WEBSOCKET), UPGRADED + b"\x82\x81", "a frame that is none of NATS"),
        (WebSocketHearing(WEBSOCKET), UPGRADED + b"\x82\x7f" + b"\xff" * 8, "a frame that is none of NATS"),
        (MqttHearing(), b"INFO", "this is no MQTT server"),
    ],
)
def test_what_no_such_server_says_is_one_error(hearing: Hearing, data: bytes, complaint: str) -> None:
    """Nothing of it is taken for a verdict, and nothing of it commands a terminal."""
    heard = []
    with pytest.raises(ConnectionError, match=complaint):
        heard += [word for word in hearing.feed(data) if isinstance(word, Verdict)]
    assert [] == heard


def test_nothing_in_the_clear_counts_once_tls_has_begun() -> None:
    """Behind the greeting there is nothing until then; afterwards the server is heard anew."""
    hearing = NatsHearing(ENCRYPTED)
    assert [Welcome("n")] == hear(hearing, TLS_INFO)
    with pytest.raises(ConnectionError, match="more in the clear"):
        hear(hearing, b"PONG\r\n")
    hearing = NatsHearing(ENCRYPTED)
    hear(hearing, TLS_INFO)
    hearing.begin_anew()
    assert [ADMITTED] == hear(hearing, b"PONG\r\n")


def test_a_line_that_does_not_end_is_given_up() -> None:
    """Behind the greeting as in it: nothing is kept without a bound."""
    hearing = NatsHearing(PLAIN)
    hear(hearing, INFO)
    with pytest.raises(OversizeError):
        hear(hearing, *[b"x" * 65_536] * (MAX_LINE_SIZE // 65_536 + 1))


def test_what_is_complete_is_not_kept() -> None:
    """However many frames come, and whatever follows a greeting."""
    frames = Frames()
    assert b"ab" == frames.feed(frame(b"a") + frame(b"b") + frame(b"c")[:2])
    assert b"c" == frames.feed(frame(b"c")[2:])
    line = GreetingLine()
    assert line.feed(b"INFO {}\r") is None
    assert (b"INFO {}", b"rest") == line.feed(b"\nrest")


@given(st.binary(max_size=200))
def test_a_part_is_a_line_or_a_message(data: bytes) -> None:
    """Whatever comes: words and a payload, or the one error."""
    try:
        words, payload = split_message(data + b"\r\n")
    except ConnectionError:
        return
    assert isinstance(words, list)
    assert payload in data


def test_mqtt_has_no_greeting() -> None:
    """Its clients speak first, so its address alone says whether there is TLS."""
    assert MQTT_PORTS.keys() == {"mqtt", "tls"}
    assert [] == hear(MqttHearing(), b"\x20\x02")
