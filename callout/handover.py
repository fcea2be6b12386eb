"""From the thread that reads to the sink, which lives on the supervisor's loop.

Rules kept here:
- In order, one step after the other; the sink never runs in the thread.
- Back-pressure: a page, or `MAX_WAITING_CHANGES` changes, must have been taken before the thread reads on. Changes
  that arrive while the loop is busy are taken together, as one step of the sink.
- A sink that fails is not called again before the thread knows, and the thread is woken to hear of it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Final

from callout.reflector import Page
from callout.serviceaccounts import Change, Sink

MAX_WAITING_CHANGES: Final = 256  # some hundred KB at most, and taken in one step without holding up the loop for long


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
        self._call(lambda: self._take_page(page)).result()
        self.settle()

    def put_changes(self, changes: Sequence[Change]) -> None:
        """Hand changes over; wait only if the sink is far behind."""
        self._waiting.extend(changes)
        taken = self._call(self._take_waiting)
        if len(self._waiting) >= MAX_WAITING_CHANGES:
            taken.result()

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

    def _take_page(self, page: Page) -> None:
        if page.first:
            self._sink.begin_list()
        self._sink.apply(page.changes)
        if page.last:
            self._sink.end_list()

    def _take_waiting(self) -> None:
        while self._waiting:
            count = min(len(self._waiting), MAX_WAITING_CHANGES)
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
