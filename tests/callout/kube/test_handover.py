"""Tests of `callout.kube.handover`."""

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise

import pytest

from callout.kube.handover import Handover
from callout.kube.reflector import Page
from callout.serviceaccounts import MAX_STEP, MAX_STEP_ENTRIES, Removed, ServiceAccount
from tests.recording_sink import RecordingSink
from tests.waiting import until

DEADLINE_S = 10.0


def known(number: int) -> ServiceAccount:
    """One of many ServiceAccounts."""
    return ServiceAccount("ns", f"a{number}", "u", {})


def costly(number: int) -> ServiceAccount:
    """One that is a step by itself."""
    return ServiceAccount("ns", f"a{number}", "u", {"nats.io/allowed-pub-subjects": "," * MAX_STEP_ENTRIES})


class Bench:
    """A handover with its sink, on the running loop, used from a thread.

    Attributes:
        woken: set when the handover has asked for the thread.
    """

    def __init__(self) -> None:
        self.sink = RecordingSink()
        self.woken = threading.Event()
        self.handover = Handover(self.sink, asyncio.get_running_loop(), self.woken.set)

    async def use(self, *steps: Callable[[], None]) -> None:
        """Take steps in a thread, one after the other."""

        def run() -> None:
            for step in steps:
                step()

        await asyncio.to_thread(run)

    def begin(self, step: Callable[[], None]) -> Future[None]:
        """Begin a step in a thread, which the loop is there for to its end: it may be waited for by that."""
        thread = ThreadPoolExecutor(1)
        asyncio.get_running_loop().set_default_executor(thread)
        return thread.submit(step)


def keep_loop_busy(putting: Future[None], until_true: Callable[[], bool]) -> None:
    """Let nothing run on the loop, whose thread this is, until that is true, while a thread is at work."""
    ends_at = time.monotonic() + DEADLINE_S
    while not until_true():
        assert not putting.done(), putting.exception()
        assert time.monotonic() < ends_at, "the thread has not come so far"


async def test_a_list_reaches_the_sink_in_order() -> None:
    """A first page begins the list, a last page ends it."""
    bench = Bench()
    await bench.use(
        lambda: bench.handover.put_page(Page((known(1),), first=True)),
        lambda: bench.handover.put_page(Page((known(2),))),
        lambda: bench.handover.put_page(Page((), last=True)),
    )
    assert ["begin_list", "apply", "apply", "end_list"] == bench.sink.calls
    assert {("ns", "a1"), ("ns", "a2")} == set(bench.sink.picture)


async def test_a_page_is_taken_in_steps_with_the_loop_turning_in_between() -> None:
    """However large a page is, nobody else on the loop waits for more than a step of it."""
    bench = Bench()
    page = Page(tuple(known(number) for number in range(3 * MAX_STEP + 1)), first=True, last=True)
    seen = []
    taking = asyncio.create_task(bench.use(lambda: bench.handover.put_page(page)))
    while not taking.done():
        seen.append(len(bench.sink.batches))
        await asyncio.sleep(0)
    assert [MAX_STEP, MAX_STEP, MAX_STEP, 1] == bench.sink.batches
    assert ["begin_list", *["apply"] * 4, "end_list"] == bench.sink.calls
    assert max(after - before for before, after in pairwise(seen)) <= 1
    assert 3 * MAX_STEP + 1 == len(bench.sink.picture)


async def test_costly_serviceaccounts_are_steps_by_themselves() -> None:
    """In a page as in a watch; those of a watch that wait are taken without anything else having to happen."""
    bench = Bench()
    await bench.use(lambda: bench.handover.put_page(Page((costly(1), costly(2)), first=True)))
    await bench.use(lambda: bench.handover.put_changes([known(3), costly(4), costly(5)]))
    await until(lambda: len(bench.sink.picture) == 5, DEADLINE_S, "all are taken")
    assert [1, 1, 1, 1, 1] == bench.sink.batches


async def test_a_list_ends_in_as_many_steps_as_the_sink_needs() -> None:
    """The loop turns between them, and the page is not taken before the last one."""
    bench = Bench()
    bench.sink.steps_to_end = 3
    seen = []
    taking = asyncio.create_task(bench.use(lambda: bench.handover.put_page(Page((known(1),), first=True, last=True))))
    while not taking.done():
        seen.append(len(bench.sink.calls))
        await asyncio.sleep(0)
    assert ["begin_list", "apply", *["end_list"] * 4] == bench.sink.calls
    assert max(after - before for before, after in pairwise(seen[2:])) <= 1


async def test_a_page_that_fails_halfway_ends_no_list() -> None:
    """Whoever stands in the rest of it would be taken for removed."""
    bench = Bench()
    bench.sink.failures = [OSError("full")]
    page = Page(tuple(known(number) for number in range(2 * MAX_STEP)), first=True, last=True)
    with pytest.raises(OSError, match="full"):
        await bench.use(lambda: bench.handover.put_page(page))
    assert ["begin_list", "apply"] == bench.sink.calls


async def test_changes_arrive_together_while_the_loop_is_busy() -> None:
    """What has come in the meantime is one step of the sink, in order, and no larger than the bound."""
    bench = Bench()

    def put() -> None:
        for number in range(MAX_STEP - 1):
            bench.handover.put_changes([known(number)])
        bench.handover.put_changes([Removed("ns", "a0")])

    putting = bench.begin(put)
    keep_loop_busy(putting, lambda: len(bench.handover._waiting) == MAX_STEP)
    await asyncio.wrap_future(putting)
    await bench.use(bench.handover.settle)
    assert [MAX_STEP] == bench.sink.batches
    assert MAX_STEP - 2 == len(bench.sink.picture)


async def test_a_large_batch_is_taken_in_steps() -> None:
    """A single read may bring more than one step of the sink should hold."""
    bench = Bench()
    await bench.use(lambda: bench.handover.put_changes([known(number) for number in range(2 * MAX_STEP + 1)]))
    assert [MAX_STEP, MAX_STEP, 1] == bench.sink.batches


async def test_the_thread_waits_for_a_sink_that_is_far_behind() -> None:
    """While the loop is busy no more than the bound is read ahead."""
    bench = Bench()
    read = []

    def put() -> None:
        for number in range(3 * MAX_STEP):
            read.append(number)
            bench.handover.put_changes([known(number)])

    putting = bench.begin(put)
    keep_loop_busy(putting, lambda: len(read) >= MAX_STEP)
    assert MAX_STEP >= len(bench.handover._waiting)
    assert not putting.done()
    await asyncio.wait_for(asyncio.wrap_future(putting), DEADLINE_S)
    assert 3 * MAX_STEP == len(bench.sink.picture)


async def test_a_touch_is_passed_on() -> None:
    """After what came before it."""
    bench = Bench()
    await bench.use(lambda: bench.handover.put_changes([known(1)]), bench.handover.touch)
    assert ["apply", "touch"] == bench.sink.calls


async def test_a_failed_sink_is_heard_of_in_the_thread() -> None:
    """It is woken, nothing more is delivered, and what waited is dropped; afterwards the handover works again."""
    bench = Bench()
    bench.sink.failures = [OSError("full")]
    await bench.use(lambda: bench.handover.put_changes([known(1)]))
    await until(bench.woken.is_set, DEADLINE_S, "the thread to be woken")
    await bench.use(lambda: bench.handover.put_changes([known(2)]))
    with pytest.raises(OSError, match="full"):
        await bench.use(bench.handover.settle)
    await bench.use(lambda: bench.handover.put_changes([known(3)]), bench.handover.settle)
    assert {("ns", "a3")} == set(bench.sink.picture)


async def test_a_failed_page_is_heard_of_at_once() -> None:
    """The page was not taken."""
    bench = Bench()
    bench.sink.failures = [OSError("full")]
    with pytest.raises(OSError, match="full"):
        await bench.use(lambda: bench.handover.put_page(Page((known(1),), first=True)))


def test_after_close_the_sink_is_left_alone() -> None:
    """The thread does not have to know, and waits for nothing."""

    async def run() -> Bench:
        bench = Bench()
        bench.handover.close()
        await bench.use(lambda: bench.handover.put_changes([known(1)]), bench.handover.touch, bench.handover.settle)
        assert [] == bench.sink.calls
        return bench

    bench = asyncio.run(run())
    bench.handover.settle()  # the loop is closed by now
