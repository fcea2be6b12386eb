"""A stream of bytes cut into lines, with a bound on what is kept of a line that has not ended yet.

A watch is a stream of JSON objects, one a line. A connection that breaks leaves a piece of a line behind; the piece is
simply never returned, and the watch goes on from the line before it.
"""

from typing import Final

# etcd takes 1.5 MiB for an object, and JSON may write one byte of it as six ("\\u003c"): 9 MiB is the longest honest
# line. A lower bound would let whoever can edit one ServiceAccount blind the watch for all.
MAX_LINE_BYTES: Final = 16 << 20


class LineTooLongError(ValueError):
    """The line that is being received is longer than `MAX_LINE_BYTES`."""


class LineBuffer:
    """Collects bytes and gives back whole lines.

    Args:
        limit: bytes a line may have, its end not counted.
    """

    def __init__(self, limit: int = MAX_LINE_BYTES) -> None:
        self._limit = limit
        self._rest = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take what has arrived and return the lines that are complete now, without their ends and without empty ones.

        Raises:
            LineTooLongError: the stream cannot be read any further.
        """
        head, newline, tail = data.partition(b"\n")
        self._rest += head  # amortised: a long line that comes in small pieces is copied once
        lines: list[bytes] = []
        if newline:
            *more, rest = tail.split(b"\n")
            lines = [bytes(self._rest), *more]
            self._rest = bytearray(rest)
        if len(self._rest) > self._limit or any(len(line) > self._limit for line in lines):
            raise LineTooLongError(f"a line of more than {self._limit} bytes")
        return [line for line in lines if line]
