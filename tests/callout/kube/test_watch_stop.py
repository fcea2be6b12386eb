"""Tests of `callout.kube.watch`: it stops when it is told to, whatever it waits for."""

import asyncio
import contextlib
import threading
from pathlib import Path
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse

from callout.kube.client import KubeClient
from callout.kube.watch import ServiceAccountWatch
from tests.authority import Authority
from tests.callout.kube.watching import DEADLINE_S, PREFIX, QUICK, LogLines, put, running
from tests.fake_kube_api import FakeKubeApi, Stall
from tests.recording_sink import RecordingSink
from tests.waiting import until


@pytest.mark.parametrize("kind", ["list", "watch"])
@pytest.mark.parametrize("encrypted", [False, True])
async def test_stop_interrupts_a_read(tmp_path: Path, lines: LogLines, kind: str, *, encrypted: bool) -> None:
    """A server that stalls does not hold it up, with TLS or without."""
    authority = Authority(tmp_path) if encrypted else None
    with FakeKubeApi(authority) as api:
        path = api.write_kubeconfig(tmp_path / "config", authority)
        client = KubeClient(in_cluster=False, kubeconfig=str(path))
        api.fail(kind, Stall())
        async with running(api, client, lines) as bench:
            await until(lambda: bench.watch._response is not None, DEADLINE_S, "a read that blocks")


def test_stop_leaves_a_thread_behind_that_cannot_be_woken(
    api: FakeKubeApi, client: KubeClient, lines: LogLines
) -> None:
    """A server that does not even begin to answer: the thread ends later, and the sink hears nothing from it."""

    async def run() -> tuple[threading.Thread, RecordingSink]:
        api.fail("list", Stall(head=False))
        sink = RecordingSink()
        watch = ServiceAccountWatch(client, sink, PREFIX, lines.log, limits=QUICK)
        watch.start()
        await until(lambda: api.count("list") == 1, DEADLINE_S, "a request")
        await watch.stop()
        assert watch._thread.is_alive()
        return watch._thread, sink

    thread, sink = asyncio.run(run())
    api.close()
    thread.join(DEADLINE_S)
    assert not thread.is_alive()
    assert [] == sink.calls


async def test_a_stop_that_comes_while_a_request_is_answered_is_heard(
    api: FakeKubeApi, tmp_path: Path, lines: LogLines
) -> None:
    """Between the head of an answer and its first read there is no moment in which it could be missed."""

    class Racing(KubeClient):
        """A client during whose requests the watch is told to stop."""

        def open(self, *args: Any, **options: Any) -> BaseHTTPResponse:
            """Get the answer, and let the watch be stopped before it is handed back."""
            response = super().open(*args, **options)
            watch._stopping.set()
            return response

    api.fail("list", Stall())
    client = Racing(in_cluster=False, kubeconfig=str(api.write_kubeconfig(tmp_path / "config")))
    watch = ServiceAccountWatch(client, RecordingSink(), PREFIX, lines.log)
    watch.start()
    await asyncio.to_thread(watch._thread.join, DEADLINE_S)
    assert not watch._thread.is_alive()


async def test_stop_does_not_wait_for_the_end_of_a_pause(tmp_path: Path, lines: LogLines) -> None:
    """With no server at all."""
    client = KubeClient(in_cluster=False, kubeconfig=str(tmp_path / "missing"))
    watch = ServiceAccountWatch(client, RecordingSink(), PREFIX, lines.log)
    watch.start()
    await until(lambda: watch.state.restarts >= 1, DEADLINE_S, "a failure")
    await watch.stop()
    assert not watch._thread.is_alive()


async def test_run_delivers_until_it_is_cancelled(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """As a task of the supervisor."""
    put(api, "a")
    sink = RecordingSink()
    watch = ServiceAccountWatch(client, sink, PREFIX, lines.log, limits=QUICK)
    task = asyncio.create_task(watch.run())
    await until(lambda: "end_list" in sink.calls, DEADLINE_S, "a list")
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert not watch._thread.is_alive()
    assert {("ns", "a")} == set(sink.picture)
