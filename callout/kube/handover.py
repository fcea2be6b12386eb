"""From the thread that reads to the sink, which lives on the supervisor's loop.

Rules kept here:
- In order, one step after the other; the sink never runs in the thread.
- Nobody else on the loop waits for long: the sink is given steps (`callout.serviceaccounts.divide`), and the loop
  turns before the next. So a page of the list may be several steps; what frames the list is its beginning and its end.
- Back-pressure: the thread reads on when a page has been taken, and while fewer than `MAX_STEP` changes wait. Those
  that arrive while the loop is busy are taken together, as far as a step reaches.
- A sink that fails is not called again before the thread knows, and the thread is woken to hear of it.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial

from callout.kube.reflector import Page
from callout.serviceaccounts import MAX_STEP, Change, Sink, divide, take_step


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
        for step in divide(page.changes):
            self._call(partial(self._sink.apply, step)).result()
        while page.last and self._call(self._sink.end_list).result():
            pass
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
        while self._call(self._take_waiting).result():
            pass
        error, self._error = self._error, None
        if error:
            self._waiting.clear()
            raise error

    def close(self) -> None:
        """Call the sink no more. To be called on the loop."""
        self._closed = True

    def _take_waiting(self) -> bool:
        """Take a step of what waits; tell whether there is more, which then has a step of its own on its way."""
        step = take_step(self._waiting)
        if step:
            self._sink.apply(step)
        if self._waiting:
            self._call(self._take_waiting)
        return bool(self._waiting)

    def _call(self, step: Callable[[], bool | None]) -> Future[bool]:
        """Have a step done on the loop, after those before it; the future says when, and whether there is more of it.

        There is no more of a step that failed or could not be done.
        """
        done: Future[bool] = Future()

        def run() -> None:
            more = False
            try:
                if not self._closed and self._error is None:
                    more = bool(step())
            except Exception as error:  # noqa: BLE001  # whatever it is, the thread is to hear of it
                self._error = error
                self._wake()
            finally:
                done.set_result(more)

        try:
            self._loop.call_soon_threadsafe(run)
        except RuntimeError:  # the loop is closed: the service has ended, and nobody is to be told
            done.set_result(False)
        return done
