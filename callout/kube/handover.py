"""From the thread that reads to the sink, which lives on the supervisor's loop.

Rules kept here:
- In order, one step after the other; the sink never runs in the thread.
- Nobody else on the loop waits for long: the sink takes `MAX_STEP` changes in one step at most, and the loop turns
  before the next. So a page of the list may be several steps; what frames the list is its beginning and its end.
- Back-pressure: the thread reads on when a page has been taken, and while fewer than `MAX_STEP` changes wait. Those
  that arrive while the loop is busy are taken together, as one step of the sink.
- A sink that fails is not called again before the thread knows, and the thread is woken to hear of it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Final

from callout.kube.reflector import Page
from callout.serviceaccounts import Change, Sink

# Changes. The policy may take a millisecond or more for one that is made to be expensive.
MAX_STEP: Final = 50


class Handover:
    """Carries changes over. All methods but `close` are for the one thread that reads.

    Args:
        sink: who takes them.
        loop: where the sink is called.
        wake: called on the loop when the sink has failed; to bring the thread to `settle`.
    """

    def __init__(self, sink: Sink, loop: asyncio.AbstractEventLoop, wake: Callable[[], None]) -> None:
        self._sink = sink
        self._loop = loop
        self._wake = wake
        self._waiting: deque[Change] = deque()
        self._error: Exception | None = None
        self._closed = False

    def put_page(self, page: Page) -> None:
        """Hand a page of the list over and wait until it is taken. Raises what the sink has raised."""
        if page.first:
            self._call(self._sink.begin_list)
        for start in range(0, max(1, len(page.changes)), MAX_STEP):
            part = page.changes[start : start + MAX_STEP]
            self._call(partial(self._sink.apply, part)).result()
        if page.last:
            self._call(self._sink.end_list)
        self.settle()

    def put_changes(self, changes: Sequence[Change]) -> None:
        """Hand changes over; wait only if the sink is far behind."""
        for change in changes:
            self._waiting.append(change)
            if len(self._waiting) >= MAX_STEP:
                self._call(self._take_waiting).result()
        self._call(self._take_waiting)

    def touch(self) -> None:
        """Tell that the picture is fresh, and wait until that was heard."""
        self._call(self._sink.touch).result()

    def settle(self) -> None:
        """Wait until everything is taken. Raises what the sink has raised; then it may be used again."""
        self._call(self._take_waiting).result()
        error, self._error = self._error, None
        if error:
            self._waiting.clear()
            raise error

    def close(self) -> None:
        """Call the sink no more. To be called on the loop."""
        self._closed = True

    def _take_waiting(self) -> None:
        count = min(len(self._waiting), MAX_STEP)
        if count:
            self._sink.apply([self._waiting.popleft() for _ in range(count)])

    def _call(self, step: Callable[[], None]) -> Future[None]:
        """Have a step done on the loop, after those before it; the future says when, not how."""
        done: Future[None] = Future()

        def run() -> None:
            try:
                if not self._closed and self._error is None:
                    step()
            except Exception as error:  # noqa: BLE001  # whatever it is, the thread is to hear of it
                self._error = error
                self._wake()
            finally:
                done.set_result(None)

        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError:  # the loop is closed: the service has ended, and nobody is to be told
            done.set_result(None)
        return done
