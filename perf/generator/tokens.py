"""The ServiceAccount tokens that a deployed set-up is measured with: read from a file, and how long they are good for.

Rules kept here:
- An error says which line is none, and shows nothing of it, nor of what was given for a path.
- Signatures are the service's to check; of the claims just the expiry is read.
"""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from callout.errors import CommandError
from callout.explain.moments import format_seconds
from callout.files import reason_of
from perf.generator.wire import MAX_TOKEN
from workers.jose import decode_segment, split

MAX_TOKENS: Final = 1_000_000


class _Claims(msgspec.Struct):
    exp: int | float | None = None


def read_text(path: Path) -> str:
    """Read a file that an argument names.

    Raises:
        ValueError: it cannot be read; completes "--tokens names a file that …", and does not repeat the path.
    """
    try:
        return path.read_text()
    except UnicodeDecodeError:
        raise ValueError("holds no text") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {reason_of(error)}") from None


def read_tokens(path: Path) -> list[str]:
    """Read tokens, one a line.

    Raises:
        ValueError: there are none, or a line is none; as `read_text` says it.
    """
    tokens = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        token = line.strip()
        if token and split(token.encode(errors="replace")) is None:
            glued = ": two without a line end between them, it seems" if token.count(".") > 2 else ""
            raise ValueError(f"does not hold one token a line: line {number} is none{glued}")
        if len(token) > MAX_TOKEN:
            raise ValueError(
                f"holds a token that no server takes: line {number} has {len(token):,} bytes, and {MAX_TOKEN:,} are the"
                " most that a CONNECT bears"
            )
        if token:
            tokens.append(token)
    if not tokens:
        raise ValueError("does not hold tokens, one a line")
    return tokens[:MAX_TOKENS]


def maybe_expiry(token: str) -> float | None:
    """Return when a token expires, Unix seconds; None if it does not say."""
    compact = split(token.encode())
    try:
        return msgspec.json.decode(decode_segment(compact.payload), type=_Claims).exp if compact else None
    except (ValueError, RecursionError):  # msgspec's errors are among the first; the second is for depth
        return None


def check_lifetime(tokens: Sequence[str], seconds: float) -> str | None:
    """See that tokens are good; return what is to be said if they are not until the end.

    Args:
        tokens: all that are used.
        seconds: how long the measurement takes, about.

    Raises:
        CommandError: some have expired.
    """
    ends = sorted(end for token in tokens if (end := maybe_expiry(token)) is not None)
    now = time.time()
    expired = sum(end <= now for end in ends)
    if expired:
        raise CommandError(f"{expired:,} of {len(tokens):,} tokens have expired: make new ones")
    if not ends or ends[0] >= now + seconds:
        return None
    left, whole = (format_seconds(round(span)) for span in (ends[0] - now, seconds))
    return f"tokens expire before the end: the first in {left}, and this takes about {whole}; then they are refused"
