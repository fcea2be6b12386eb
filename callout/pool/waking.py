"""A clock that stands still while whoever reads it does.

A machine that is paused, or a container that is frozen, stops the supervisor and its workers alike. When both go on,
the stamps of the workers are old, and a supervisor that went by the time of day would kill every one of them for it.
"""

import time
from collections.abc import Callable
from typing import Final

LONGEST_ROUND_S: Final = 1.0  # the pool reads it ten times a second: a longer gap was not watched through


class WakingClock:
    """Counts the seconds for which it was being read; a gap counts as `LONGEST_ROUND_S` at most.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin at 0."""
        self._clock = clock
        self._read_at = clock()
        self._seconds = 0.0

    def now(self) -> float:
        """Read it: seconds, only of use compared with others of this clock."""
        before, self._read_at = self._read_at, self._clock()
        self._seconds += min(self._read_at - before, LONGEST_ROUND_S)
        return self._seconds
