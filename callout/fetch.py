"""Reading the body of an HTTP answer with a bound on its size and on the time it takes.

urllib3's own time-out is for each read by itself: a server that sends a byte every few seconds would keep us for ever.
And the length that a server announces is only what it says.
"""

import time
from typing import Final

from urllib3 import BaseHTTPResponse

READ_BYTES: Final = 64 << 10  # per read; what has arrived is taken at once, up to this


class TooMuchError(Exception):
    """The body is larger than it may be."""


class TooSlowError(Exception):
    """The body takes longer than it may."""


def read_bounded(response: BaseHTTPResponse, limit: int, deadline: float) -> bytes:
    """Read a body to its end and close the response, or give up and drop the connection.

    Args:
        response: an answer whose body was not read yet (`preload_content=False`).
        limit: bytes.
        deadline: of `time.monotonic`.

    Raises:
        TooMuchError: more than `limit` bytes came.
        TooSlowError: the deadline passed.
        urllib3.exceptions.HTTPError: the connection broke, or stalled for as long as its read time-out.
    """
    body = bytearray()
    try:
        # Compression is not asked for, so what is compressed nevertheless is garbage; it is not unpacked.
        while data := response.read1(READ_BYTES, decode_content=False):
            body += data
            if len(body) > limit:
                raise TooMuchError
            if time.monotonic() > deadline:
                raise TooSlowError
    except BaseException:
        response.close()
        raise
    response.release_conn()
    return bytes(body)
