"""Which of the errors that go on is worth another line of the log.

Rules kept here:
- An error is told when it is new, and again when it still goes on after a while. What is not told is counted.
- However many kinds there are, what is told in that while is bounded, and so is what is remembered: whoever makes us
  fail in another way each time fills no log.
- No clock: the moment is an argument.
"""


class Repeats:
    """Remembers what was told of late.

    Args:
        interval_s: how long a kind of error is not told again.
        max_kinds: how many kinds are told in that time.
    """

    def __init__(self, interval_s: float, max_kinds: int) -> None:
        """Start with nothing told."""
        self._interval_s = interval_s
        self._max_kinds = max_kinds
        self._told: dict[str, float] = {}  # when, in monotonic seconds
        self._untold = 0

    def is_due(self, kind: str, now: float) -> bool:
        """Tell whether an error is to be told now; if so, it counts as told."""
        self._told = {one: at for one, at in self._told.items() if now - at <= self._interval_s}
        if kind in self._told or len(self._told) >= self._max_kinds:
            self._untold += 1
            return False
        self._told[kind] = now
        return True

    def take_untold(self) -> int:
        """Return how many errors, of whichever kind, were not told since this was last asked."""
        untold, self._untold = self._untold, 0
        return untold
