"""This machine's clock against others'.

Rules kept here:
- Pure: what others' clocks showed was read, and when.
- A Date header (RFC 9110 section 6.6.1) has whole seconds, so a second of difference says nothing.
"""

from collections.abc import Sequence
from email.utils import parsedate_to_datetime
from typing import Final

import msgspec

from callout.doctor.findings import Check, Finding, notice, ok, unknown, wrong
from workers.sa_token import LEEWAY_S

UNSURE_S: Final = 1.5
"""What a Date header and a slow answer may be off by."""
REQUEST_S: Final = 2.0
"""nats-server's requests expire after its authorization timeout, by our clock."""
SERVER: Final = "nats-server"
"""Whose clock it is that a request shows: which of the servers has sent it, is not told there."""
_MEND: Final = "timedatectl set-ntp true  # on the machine whose clock is wrong"


class Reading(msgspec.Struct, frozen=True):
    """A clock that was read.

    Attributes:
        whose: whose it is, such as "the API server".
        ahead: by how many seconds our own clock is ahead of it; negative if it is behind.
        is_nats: whether it is a nats-server's, which stamps requests.
    """

    whose: str
    ahead: float
    is_nats: bool = False


def read_date(header: str | None, whose: str, asked_at: float, answered_at: float) -> Reading | None:
    """Read a clock off a Date header; `asked_at` and `answered_at` are Unix seconds of ours. None if there is none."""
    try:
        # A whole second was cut off half a second on average.
        shown = parsedate_to_datetime(header or "").timestamp() + 0.5
    except (ValueError, TypeError, OverflowError):
        return None
    return Reading(whose, (asked_at + answered_at) / 2 - shown)


def check_clocks(readings: Sequence[Reading]) -> Finding:
    """Judge the clocks that could be read."""
    if not readings:
        needed = "--sys-creds FILE, --live, or an API server or JWKS_URL that answers"
        return unknown(Check.CLOCKS, "nobody told the time", needed)
    worst = max(readings, key=lambda reading: abs(reading.ahead) / _bound(reading))
    shown = f"our clock is {abs(worst.ahead):.0f} s {'ahead of' if worst.ahead > 0 else 'behind'} that of {worst.whose}"
    if abs(worst.ahead) <= UNSURE_S:
        return ok(Check.CLOCKS, f"our clock agrees with {_list(readings)}")
    if abs(worst.ahead) > _bound(worst):
        outcome = (
            "requests seem to have expired" if worst.is_nats and worst.ahead > 0 else "tokens and logins end wrongly"
        )
        return wrong(Check.CLOCKS, f"{shown}: {outcome}", _MEND)
    return notice(Check.CLOCKS, shown, _MEND)


def _list(readings: Sequence[Reading]) -> str:
    """Name whose clocks they are, each once; a nats-server that has no name is likely one of those that have."""
    named = any(reading.is_nats and reading.whose != SERVER for reading in readings)
    whose = list(dict.fromkeys(reading.whose for reading in readings if not (named and reading.whose == SERVER)))
    return " and ".join(filter(None, (", ".join(whose[:-1]), whose[-1])))


def _bound(reading: Reading) -> float:
    """Return how many seconds may be between two clocks before logins fail."""
    return REQUEST_S if reading.is_nats and reading.ahead > 0 else LEEWAY_S
