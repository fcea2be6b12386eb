"""Calling something that blocks, without having to wait for it: not at the end of the process, and not for ever.

`asyncio.to_thread` uses threads that the interpreter joins before it ends: a fetch that hangs would hold up a stop for
as long as its time-outs allow. And what has no time-out, such as another program that is waited for, cannot be ended
from outside. A daemon thread is left behind in both cases.
"""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


async def call_in_daemon(function: Callable[[], T], name: str) -> T:
    """Call `function` in a daemon thread of that name; return or raise what it does. May be cancelled at any time."""
    loop = asyncio.get_running_loop()
    result: asyncio.Future[T] = loop.create_future()

    def deliver(value: T | None, error: BaseException | None) -> None:
        if result.done():  # cancelled meanwhile
            return
        if error is not None:
            result.set_exception(error)
        else:
            result.set_result(value)  # type: ignore[arg-type]  # None only if T allows it

    def run() -> None:
        value, error = None, None
        try:
            value = function()
        except BaseException as caught:  # noqa: BLE001  # whatever it is belongs to the caller
            error = caught
        try:
            loop.call_soon_threadsafe(deliver, value, error)
        except RuntimeError:
            return  # the loop is closed: nobody waits any more

    threading.Thread(target=run, name=name, daemon=True).start()
    return await result


class LimitedCaller:
    """Calls what may hang for ever, each time in a daemon thread, and waits for it so long and no longer.

    Args:
        name: of the threads.
        seconds: how long a call is waited for.
        limit: how many threads may be left behind. While as many hang no call is begun, so they do not pile up; more
            than one, so that a call can succeed again though an older one hangs for good.
    """

    def __init__(self, name: str, *, seconds: float, limit: int) -> None:
        self._name = name
        self._seconds = seconds
        self._free = threading.BoundedSemaphore(limit)

    def call(self, function: Callable[[], T]) -> T:
        """Call `function`; return or raise what it does.

        Raises:
            TimeoutError: it hangs, or as many as may be left behind do.
        """
        if not self._free.acquire(blocking=False):
            raise TimeoutError
        result: Future[T] = Future()

        def run() -> None:
            try:
                value = function()
            except BaseException as caught:  # noqa: BLE001  # whatever it is belongs to the caller
                self._free.release()
                result.set_exception(caught)
            else:
                self._free.release()
                result.set_result(value)

        threading.Thread(target=run, name=self._name, daemon=True).start()
        return result.result(self._seconds)
