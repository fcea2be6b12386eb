"""The time that an answer has, as a whole: its head and its body are bounded by themselves (`callout.fetch`)."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from callout.fetch_errors import FetchError


@contextmanager
def limit(seconds: float, who: str) -> Iterator[Callable[[], float]]:
    """Say how many seconds are left within the block, never less than none.

    Args:
        seconds: of the whole answer.
        who: answers.

    Raises:
        FetchError: there was no answer; of one that was late it names the whole limit, whichever part of it was late.
    """
    ends_at = time.monotonic() + seconds
    try:
        yield lambda: max(ends_at - time.monotonic(), 0.0)
    except FetchError:
        if time.monotonic() < ends_at:
            raise
        raise FetchError(f"{who} took more than {seconds:g} s to answer") from None
