"""What a server says to whoever logs in, taken as a greeting and a verdict. Pure: bytes in, words out.

    NATS        INFO …                          PONG, or -ERR …
    WebSocket   HTTP/1.1 101 … ⏎ ⏎, INFO …      the same, in frames (RFC 6455 section 5.2)
    MQTT                                        CONNACK (MQTT 3.1.1 section 3.2)

Rules kept here:
- What comes in the clear counts for nothing once TLS has begun, and there is nothing in the clear but the greeting.
- A verdict is a line, or a packet, of its own: what merely has one inside is none.
- What is kept is bounded, and each byte is looked at a bounded number of times: lines and messages are those that
  `workers.frames` cuts, with its limits.
- What a server says reaches an error as printable text alone.
"""

from collections.abc import Iterator
from typing import Final, Protocol

import msgspec

from perf.generator.wire import PONG, Address, read_greeting, read_inner_greeting, show_said
from workers.frames import MAX_LINE_SIZE, Cutter

MAX_HEAD_SIZE: Final = 1 << 14  # bytes of an HTTP answer before its body; nats-server's have about 150
_END: Final = b"\r\n"
_END_OF_HEAD: Final = b"\r\n\r\n"
_HTTP: Final = b"HTTP/"
_UPGRADED: Final = b"HTTP/1.1 101 "
_MESSAGES: Final = (b"MSG", b"HMSG")
_CONTROL: Final = 0x08  # in the opcode: a ping or a farewell
_MASKED: Final = 0x80  # a server's frames never are
_LENGTH: Final = 0x7F
_LONG_LENGTHS: Final = {126: 2, 127: 8}  # bytes in which the length stands by itself
_CONNACK: Final = 0x20
_CONNACK_SIZE: Final = 4
_CONNACK_REASONS: Final = {
    1: "unacceptable protocol version",
    2: "identifier rejected",
    3: "server unavailable",
    4: "bad user name or password",
    5: "not authorized",
}


class Welcome(msgspec.Struct, frozen=True):
    """The server is what it should be: now it may be told who comes; `nonce` is what credentials sign."""

    nonce: str = ""


class Verdict(msgspec.Struct, frozen=True):
    """Whether who came is in, and why not."""

    admitted: bool
    reason: str = ""


class Hearing(Protocol):
    """Takes what the server says on one connection."""

    def feed(self, data: bytes) -> Iterator[Welcome | Verdict]:
        """Take what was read, and give what it comes to.

        Raises:
            ConnectionError: it is not what such a server says; nothing more is to be made of what follows.
            workers.frames.OversizeError: it is longer than whatever a server sends.
        """


class GreetingLine:
    """Collects the line that a NATS server begins with."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._kept = bytearray()

    def feed(self, data: bytes) -> tuple[bytes, bytes] | None:
        """Take what was read; return the line and what follows it once the line is complete.

        Raises:
            ConnectionError: it is longer than any.
        """
        searched = max(len(self._kept) - 1, 0)
        self._kept += data
        end = self._kept.find(_END, searched)
        if end > MAX_LINE_SIZE or (end < 0 and len(self._kept) > MAX_LINE_SIZE):
            raise ConnectionError("this is no NATS server")
        return None if end < 0 else (bytes(self._kept[:end]), bytes(self._kept[end + len(_END) :]))


def greet(line: bytes, rest: bytes, address: Address) -> Welcome:
    """Read a greeting, and see that nothing follows it in the clear where TLS is to begin.

    Raises:
        ConnectionError: it is none, or one side wants TLS and the other does not, or something follows.
    """
    nonce = read_greeting(line, address)
    if address.tls is not None and rest:
        raise ConnectionError("the server says more in the clear where TLS is to begin")
    return Welcome(nonce)


def split_message(part: bytes) -> tuple[list[bytes], bytes]:
    """Take a part that `workers.frames.Cutter` gives apart: the words of its line, and of a message what follows it.

    Raises:
        ConnectionError: it begins as a message and is none.
    """
    line, _, rest = part.partition(_END)
    words = line.split()
    if words and words[0] in _MESSAGES and not rest.endswith(_END):
        raise ConnectionError("the server sends a message that is none of NATS")
    return words, rest[: -len(_END)]


class NatsHearing:
    """Hears a NATS server.

    Args:
        address: of the server; if it has TLS, that begins behind the greeting, and `begin_anew` is to be called then.
    """

    def __init__(self, address: Address) -> None:
        """Nothing has been heard yet."""
        self._address = address
        self._greeting: GreetingLine | None = GreetingLine()
        self._deaf = False
        self._cutter = Cutter(())

    def feed(self, data: bytes) -> Iterator[Welcome | Verdict]:
        """Take what was read (`Hearing`)."""
        if self._deaf:
            raise ConnectionError("the server says more in the clear where TLS is to begin")
        if self._greeting is not None:
            found = self._greeting.feed(data)
            if found is None:
                return
            line, data = found
            self._greeting = None
            self._deaf = self._address.tls is not None
            yield greet(line, data, self._address)
        if data:
            yield from judge(self._cutter, data)

    def begin_anew(self) -> None:
        """Hear the server again, now that TLS has begun."""
        self._deaf = False


class WebSocketHearing:
    """Hears a NATS server through a WebSocket; TLS, if there is any, has begun before."""

    def __init__(self, address: Address) -> None:
        """Nothing has been heard yet."""
        self._address = address
        self._head = b""
        self._frames: Frames | None = None
        self._greeting: GreetingLine | None = GreetingLine()
        self._cutter = Cutter(())

    def feed(self, data: bytes) -> Iterator[Welcome | Verdict]:
        """Take what was read (`Hearing`)."""
        if self._frames is None:
            self._head += data
            head, end, data = self._head.partition(_END_OF_HEAD)
            if not end and len(head) <= MAX_HEAD_SIZE and head[: len(_HTTP)] == _HTTP[: len(head)]:
                return
            if not head.startswith(_UPGRADED) or len(head) > MAX_HEAD_SIZE:
                raise ConnectionError(_explain_head(head))
            self._frames = Frames()
        inside = self._frames.feed(data)
        if self._greeting is not None:
            found = self._greeting.feed(inside)
            if found is None:
                return
            line, inside = found
            self._greeting = None
            read_inner_greeting(line, self._address)
            yield Welcome()
        if inside:
            yield from judge(self._cutter, inside)


class MqttHearing:
    """Hears an MQTT server, which says nothing before it is asked."""

    def __init__(self) -> None:
        """Nothing has been heard yet."""
        self._heard = b""

    def feed(self, data: bytes) -> Iterator[Welcome | Verdict]:
        """Take what was read (`Hearing`)."""
        self._heard = (self._heard + data)[:_CONNACK_SIZE]
        if self._heard and self._heard[0] != _CONNACK:
            raise ConnectionError("this is no MQTT server")
        if len(self._heard) == _CONNACK_SIZE:
            code = self._heard[-1]
            yield Verdict(code == 0, "" if code == 0 else _CONNACK_REASONS.get(code, f"code {code} of MQTT"))


class Frames:
    """Takes the payload out of a server's WebSocket frames."""

    def __init__(self) -> None:
        """Nothing has come yet."""
        self._kept = bytearray()

    def feed(self, data: bytes) -> bytes:
        """Take what was read; return the payload of what is complete.

        Raises:
            ConnectionError: a frame is larger than any that is sent, or masked.
        """
        self._kept += data
        found = bytearray()
        start = 0
        while (span := self._find_payload(start)) is not None and span[1] <= len(self._kept):
            if not self._kept[start] & _CONTROL:
                found += self._kept[slice(*span)]
            start = span[1]
        del self._kept[:start]
        return bytes(found)

    def _find_payload(self, start: int) -> tuple[int, int] | None:
        """Return where the payload of the frame that begins there is; None as long as its head is not complete."""
        if len(self._kept) < start + 2:
            return None
        length = self._kept[start + 1]
        begin = start + 2 + _LONG_LENGTHS.get(length & _LENGTH, 0)
        if len(self._kept) < begin:
            return None
        size = int.from_bytes(self._kept[start + 2 : begin]) if begin > start + 2 else length
        if length & _MASKED or size > MAX_LINE_SIZE:
            raise ConnectionError("the server sends a frame that is none of NATS")
        return begin, begin + size


def judge(cutter: Cutter, data: bytes) -> Iterator[Verdict]:
    """Give what a NATS server says of a login, behind its greeting."""
    for part in cutter.feed(data):
        assert isinstance(part, bytes), "no subscription is ours"
        words, _ = split_message(part)
        if part == PONG:
            yield Verdict(admitted=True)
        elif words and words[0] == b"-ERR":
            yield Verdict(admitted=False, reason=show_said(part.strip()))


def _explain_head(head: bytes) -> str:
    if head.startswith(b"INFO "):
        return "this is where NATS clients connect, and no WebSocket"
    if head.startswith(_HTTP):
        status = show_said(head.partition(_END)[0].partition(b" ")[2])
        return f"it is asked for a WebSocket and answers {status}; where it has TLS, write wss:// for ws://"
    return "this is no WebSocket"
