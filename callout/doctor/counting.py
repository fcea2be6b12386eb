"""Reading the replicas' pages of metrics before and after a login.

Rules kept here:
- Every wait has a bound: a counter that does not rise is evidence, too.
- Nothing is raised: why the pages cannot be read is handed on, for whoever has named them counts on them.
"""

import asyncio
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from callout.doctor.replicas import Pages, add_up, find_rises
from callout.doctor.web import PageError, read_pages

COUNT_SECONDS: Final = 2.0  # a denial is counted before it is sent, what was dropped within half a second
COUNT_POLL_SECONDS: Final = 0.1  # reading a page costs the service some milliseconds


class Count(msgspec.Struct, frozen=True):
    """What the pages say, or why they cannot be read; neither if nobody has said where they are."""

    pages: Pages | None = None
    problem: str = ""


async def count(urls: Sequence[str]) -> Count:
    """Read the pages as they are now."""
    if not urls:
        return Count()
    try:
        return Count(await asyncio.to_thread(read_pages, urls))
    except PageError as error:
        return Count(problem=str(error))


async def count_since(before: Pages, *, silent: bool) -> Count:
    """Read the same pages as soon as a counter has risen, or after silence when what was dropped is counted."""
    deadline = time.monotonic() + COUNT_SECONDS
    while True:
        after = await count(tuple(before))
        if after.pages is None or time.monotonic() >= deadline:
            return after
        if any(add_up(find_rises(before, after.pages)).values()) and not silent:
            return after
        await asyncio.sleep(COUNT_POLL_SECONDS)
