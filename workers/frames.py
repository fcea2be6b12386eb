"""What a NATS server sends, cut into messages for us and the rest, which is for the client library.

Source: NATS' client protocol (docs.nats.io, "Client Protocol"); nats-server `server/client.go` writes it.

    MSG <subject> <sid> [reply] <size>                   payload
    HMSG <subject> <sid> [reply] <header size> <size>    header and payload

Rules kept here:
- Bytes go in, messages come out: no I/O, no clock. However the bytes are cut into reads, the messages are the same.
- What is not a well-formed message for us is handed on as it stands: the library knows what to do, and what to refuse.
- Each byte is looked at a bounded number of times, however small the reads in which a message or a line comes.
- What is kept of something that is not complete yet is bounded. The bounds are above whatever a server sends: with a
  lower one, whoever may publish something large could end our connection.
- Of a header just the server's curve key is read: what waits is bounded by its payload, and headers come on top.
"""

import re
from collections.abc import Container, Iterator
from typing import Final

import msgspec

XKEY_HEADER: Final = "Nats-Server-Xkey"  # nats-server's auth_callout.go: who has sealed the request
MAX_HEADER_SIZE: Final = 4096  # bytes; a server's has about 90, and whoever traces messages adds some hundred
MAX_MESSAGE_SIZE: Final = 64 << 20  # bytes; as much as max_payload "can be set up to" (docs.nats.io), header included
MAX_LINE_SIZE: Final = 1 << 20  # bytes; INFO is the longest line, and names every server of a cluster
MAX_DIGITS: Final = 9  # of a size; nats-server's parseSize (server/util.go) takes no more either
_END: Final = b"\r\n"
_WORDS: Final = {b"MSG": (4, 5), b"HMSG": (5, 6)}  # in the line: without a reply subject, and with one
_XKEY: Final = re.compile(rb"\r\n" + XKEY_HEADER.encode() + rb":[ \t]*([!-~]*)[ \t]*(?=\r\n)")


class OversizeError(Exception):
    """Something is longer than whatever a server sends; nothing more can be cut out of what follows."""


class Message(msgspec.Struct, frozen=True, gc=False):
    """A message for us; `reply` is empty where no answer is wanted, `xkey` where the header names no key."""

    sid: bytes
    reply: bytes
    xkey: str
    payload: bytes


class Cutter:
    """Cuts what one connection sends.

    Args:
        sids: the subscriptions whose messages are for us; looked at anew for each message.
    """

    def __init__(self, sids: Container[bytes]) -> None:
        """Start at the beginning of a line."""
        self._sids = sids
        self._kept = bytearray()
        self._needed = 0  # bytes, of the message that is kept; 0 while its line is not complete

    def feed(self, data: bytes) -> Iterator[Message | bytes]:
        """Take what was read, and give what is complete, in its order: messages for us, other things as they stand.

        Raises:
            OversizeError: what is not complete would be larger than anything that a server sends.
        """
        searched = max(len(self._kept) - len(_END) + 1, 0)
        self._kept += data
        if len(self._kept) >= self._needed and (self._needed or self._kept.find(_END, searched) >= 0):
            yield from self._cut()
        if len(self._kept) > max(self._needed, MAX_LINE_SIZE):
            raise OversizeError(f"the server sends a line of more than {MAX_LINE_SIZE} bytes")

    def _cut(self) -> Iterator[Message | bytes]:
        data = bytes(self._kept)
        start, needed = 0, 0
        while (line_end := data.find(_END, start)) >= 0:
            words = data[start:line_end].split()
            end = line_end + len(_END)
            size = _size(words)
            if size is not None:
                end += size + len(_END)
                if end > len(data):
                    needed = end - start
                    break
            if size is None or words[2] not in self._sids:
                yield data[start:end]
            else:
                yield _take(words, data, line_end + len(_END), size)
            start = end
        del self._kept[:start]
        self._needed = needed


def find_xkey(header: bytes) -> str:
    """Return the server's curve key that a header names, the last if it names several; empty if none."""
    found = _XKEY.findall(header) if len(header) <= MAX_HEADER_SIZE else ()
    return found[-1].decode() if found else ""


def _size(words: list[bytes]) -> int | None:
    """Return how long the payload of a message is, header included; None of what is no well-formed message."""
    if not words or len(words) not in _WORDS.get(words[0], ()):
        return None
    size = _maybe_number(words[-1])
    header_size = _maybe_number(words[-2]) if words[0] == b"HMSG" else 0
    return None if size is None or header_size is None or header_size > size else size


def _maybe_number(word: bytes) -> int | None:
    """Read a number of bytes; None if it is none."""
    if not word.isdigit():
        return None
    if len(word) > MAX_DIGITS or int(word) > MAX_MESSAGE_SIZE:
        raise OversizeError(f"the server sends a message of more than {MAX_MESSAGE_SIZE} bytes")
    return int(word)


def _take(words: list[bytes], data: bytes, start: int, size: int) -> Message:
    has_header = words[0] == b"HMSG"
    header_size = int(words[-2]) if has_header else 0
    reply = words[3] if len(words) == _WORDS[words[0]][1] else b""
    xkey = find_xkey(data[start : start + header_size]) if has_header else ""
    return Message(words[2], reply, xkey, data[start + header_size : start + size])
