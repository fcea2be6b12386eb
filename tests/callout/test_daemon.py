"""Tests of `callout.daemon`: what blocks holds nobody up."""

import asyncio
import sys
import threading

import pytest

from callout.daemon import LimitedCaller, call_in_daemon
from tests.commands import attempt

DEADLINE_S = 20.0
HANGING = """
import asyncio, threading
from callout.daemon import call_in_daemon

async def main():
    started = threading.Event()
    task = asyncio.create_task(call_in_daemon(lambda: started.set() or threading.Event().wait(), "hangs"))
    while not started.is_set():
        await asyncio.sleep(0.01)
    task.cancel()

asyncio.run(main())
"""


def test_the_result_comes_back() -> None:
    """As if it had been called here."""
    assert asyncio.run(call_in_daemon(lambda: 7, "seven")) == 7


def test_an_error_comes_back() -> None:
    """Whatever was raised is raised here."""
    with pytest.raises(ZeroDivisionError):
        asyncio.run(call_in_daemon(lambda: 1 // 0, "fails"))


def test_a_process_ends_while_a_call_hangs() -> None:
    """The thread is left behind, and nothing is printed about it."""
    ended = attempt([sys.executable, "-c", HANGING])
    assert (0, "") == (ended.returncode, ended.stderr)


def test_a_limited_call_gives_what_the_function_does() -> None:
    """Its result, or its error; and as often as one likes."""
    caller = LimitedCaller("seven", seconds=DEADLINE_S, limit=1)
    for _ in range(3):
        assert caller.call(lambda: 7) == 7
        with pytest.raises(ZeroDivisionError):
            caller.call(lambda: 1 // 0)


def test_a_call_that_hangs_is_left_behind_and_so_many_are() -> None:
    """While as many hang no other is begun; when one has ended it is free again."""
    caller = LimitedCaller("hangs", seconds=0.05, limit=2)
    ended = threading.Event()
    begun: list[threading.Thread] = []

    def hang() -> None:
        begun.append(threading.current_thread())
        ended.wait()

    for _ in range(4):
        with pytest.raises(TimeoutError):
            caller.call(hang)
    assert len(begun) == 2
    ended.set()
    for thread in begun:
        thread.join(DEADLINE_S)
    assert caller.call(lambda: 7) == 7
