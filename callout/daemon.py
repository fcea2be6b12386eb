"""Calling something that blocks, without having to wait for it at the end of the process.

`asyncio.to_thread` uses threads that the interpreter joins before it ends: a fetch that hangs would hold up a stop for
as long as its time-outs allow. A daemon thread is left behind.
"""

import asyncio
import threading
from collections.abc import Callable
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
