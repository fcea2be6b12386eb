"""A token that is given to a command, in a file or on standard input.

Rules kept here:
- Blanks around it are left out, and told of: a service that is sent them takes the token for none. Of one line
  end on standard input nothing is told: commands end their output so, and no client takes its token from a pipe.
- It is bounded; one that is too long is seen to be. The file may be a pipe (`--token <(kubectl create token …)`).
"""

import sys
from pathlib import Path
from typing import Final

import msgspec

from callout.secret import HIDDEN

STANDARD_INPUT: Final = "-"
MAX_TOKEN_BYTES: Final = 1 << 16  # far more than any token has, so that one which is too long is seen to be
ABOUT_BLANKS: Final = (
    "What was given ends in a line end, or has other blanks around the token. They were left out here; a client that "
    "sends them too is refused."
)


class GivenToken(msgspec.Struct, frozen=True):
    """What was given.

    Attributes:
        token: without blanks around it; empty if there was nothing else.
        remark: one sentence about it that is worth knowing, or nothing.
    """

    token: str = ""
    remark: str = ""

    def __repr__(self) -> str:
        return f"GivenToken({HIDDEN})"


def read_given_token(place: str) -> GivenToken:
    """Read a token from a file, or from standard input if `place` is `-`.

    Raises:
        OSError: the file cannot be read.
    """
    if place == STANDARD_INPUT:
        content = sys.stdin.buffer.read(MAX_TOKEN_BYTES).removesuffix(b"\n")
    else:
        with Path(place).open("rb") as file:
            content = file.read(MAX_TOKEN_BYTES)
    text = content.decode("utf-8", "replace")
    token = text.strip()
    return GivenToken(token, ABOUT_BLANKS if token != text else "")
