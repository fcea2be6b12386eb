"""How long to wait before something that failed is tried again.

Rules kept here:
- Each failure in a row doubles the wait, up to a limit: what is down for long is not asked all the time, and what comes
  back is noticed within the limit.
- Half of the wait is drawn at random ("equal jitter"): replicas that failed together do not come back together, and
  none comes back at once.
- No clock and no randomness here: the caller waits, and draws. How long the first wait and the longest are is the
  caller's to know, and stands with its reason where it is used.
"""

from typing import Final

MAX_DOUBLINGS: Final = 64  # any limit is reached long before; a power of 2 without a bound would overflow


def back_off(failures: int, draw: float, *, first_s: float, limit_s: float) -> float:
    """Return the seconds to wait after so many failures in a row.

    That is 50 to 100 % of `first_s` after the first failure, of twice that after the second, and so on up to `limit_s`;
    0 after none.

    Args:
        failures: in a row, so far.
        draw: random, 0 <= draw < 1.
        first_s: seconds, more than 0.
        limit_s: seconds, the longest wait.
    """
    if failures <= 0:
        return 0.0
    whole = min(limit_s, first_s * 2.0 ** min(failures - 1, MAX_DOUBLINGS))
    return whole * (1 + draw) / 2
