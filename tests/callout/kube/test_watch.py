"""Tests of `callout.kube.watch`: a sink kept up to date by a server that does everything wrong."""

import asyncio
import contextlib
import json
import os
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from urllib3 import BaseHTTPResponse

from callout.kube.client import KubeClient
from callout.kube.reflector import Limits
from callout.kube.watch import ServiceAccountWatch
from tests.authority import Authority
from tests.fake_kube_api import (
    Body,
    Cut,
    Drip,
    Endless,
    ErrorEvent,
    FakeKubeApi,
    Fault,
    Stall,
    Status,
)
from tests.recording_sink import RecordingSink
from tests.waiting import until
from workers.logs import Log

PREFIX = "nats.io/"
DEADLINE_S = 20.0
QUICK = Limits(page_objects=2, page_bytes=100_000, line_bytes=50_000, watch_seconds=(30, 30))
ROOMY = Limits(watch_seconds=(30, 30))  # for objects of some 100 KB


class LogLines:
    """A log, and what was written to it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = path.open("wb")
        self.log = Log("supervisor", "debug", self._file.fileno())

    def read(self) -> list[dict[str, Any]]:
        """End the log and return its lines."""
        self.log.close()
        self._file.close()
        return [json.loads(line) for line in self._path.read_text().splitlines()]


@pytest.fixture
def lines(tmp_path: Path) -> Iterator[LogLines]:
    """The log of the watch."""
    made = LogLines(tmp_path / "log")
    yield made
    made.read()


@pytest.fixture
def api() -> Iterator[FakeKubeApi]:
    """A server that speaks plain HTTP."""
    with FakeKubeApi() as server:
        yield server


@pytest.fixture
def client(api: FakeKubeApi, tmp_path: Path) -> KubeClient:
    """The way to it."""
    return KubeClient(in_cluster=False, kubeconfig=str(api.write_kubeconfig(tmp_path / "config", token="t")))


class Bench:
    """A running watch with its sink and its server."""

    def __init__(self, api: FakeKubeApi, watch: ServiceAccountWatch, sink: RecordingSink) -> None:
        self.api = api
        self.watch = watch
        self.state = watch.state
        self.sink = sink

    async def settled(self, namespace: str = "") -> None:
        """Wait until the sink sees what the cluster holds."""

        def agree() -> bool:
            with self.api.cluster() as cluster:
                there = {key: value for key, value in cluster.picture().items() if namespace in {"", key[0]}}
            return "end_list" in self.sink.calls and there == self.sink.picture

        await until(agree, DEADLINE_S, "the sink to see what the cluster holds")

    async def watching(self, count: int = 1) -> None:
        """Wait until so many watches were opened and the last one is being read."""
        await until(
            lambda: self.api.count("watch") >= count and self.state.connected, DEADLINE_S, f"watch number {count}"
        )


@asynccontextmanager
async def running(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, *, namespace: str = "", limits: Limits = QUICK
) -> AsyncIterator[Bench]:
    """Run a watch; its pauses are as short as they come."""
    sink = RecordingSink()
    watch = ServiceAccountWatch(client, sink, PREFIX, lines.log, namespace=namespace, limits=limits, draw=lambda: 0.0)
    watch.start()
    try:
        yield Bench(api, watch, sink)
    finally:
        await watch.stop()
        assert not watch._thread.is_alive()


def put(api: FakeKubeApi, *names: str, value: str = "1") -> None:
    """Create or change ServiceAccounts."""
    with api.cluster() as cluster:
        for name in names:
            cluster.put("ns", name, {"nats.io/x": value})


def count_descriptors() -> int:
    """How many files and connections this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


def test_what_exists_is_listed_and_what_happens_is_watched(
    api: FakeKubeApi, client: KubeClient, lines: LogLines
) -> None:
    """In pages, and then as it happens: created, changed, deleted, created again with another uid."""

    async def run() -> None:
        put(api, "a", "b", "c", "d", "e")
        async with running(api, client, lines) as bench:
            await bench.settled()
            assert 3 == api.count("list")
            with api.cluster() as cluster:
                cluster.put("ns", "a", {"nats.io/x": "2"})
                cluster.delete("ns", "b")
                cluster.delete("ns", "c")
                cluster.put("ns", "c")
                cluster.put("other", "f.g")
            await bench.settled()
            assert (True, 0, "") == (bench.watch.connected, bench.watch.restarts, bench.state.last_error)
            assert (3, 1) == (api.count("list"), api.count("watch"))

    asyncio.run(run())


def test_one_namespace_can_be_watched(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """Others are neither listed nor heard of."""

    async def run() -> None:
        put(api, "a")
        async with running(api, client, lines, namespace="other") as bench:
            await bench.watching()
            with api.cluster() as cluster:
                cluster.put("ns", "b")
                cluster.put("other", "c")
            await bench.settled("other")
        assert {"/api/v1/namespaces/other/serviceaccounts"} == {request.path for request in api.requests}

    asyncio.run(run())


def test_a_bookmark_keeps_the_picture_fresh(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """The sink hears of it, and the next watch goes on from it."""

    async def run() -> None:
        async with running(api, client, lines) as bench:
            await bench.watching()
            with api.cluster() as cluster:
                cluster.bookmark()
            await until(lambda: "touch" in bench.sink.calls, DEADLINE_S, "a touch")
            api.end_watches()
            await bench.watching(2)
        first, second = (request.query["resourceVersion"] for request in api.requests if request.kind == "watch")
        assert first != second

    asyncio.run(run())


def test_a_watch_that_ends_is_opened_again(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """Without a list, and with nothing missed."""

    async def run() -> None:
        async with running(api, client, lines) as bench:
            await bench.watching()
            put(api, "a")
            await bench.settled()
            api.end_watches()
            await bench.watching(2)
            put(api, "b")
            await bench.settled()
            assert 1 == api.count("list")

    asyncio.run(run())


@pytest.mark.parametrize("fault", [Cut(), Status(500), Status(401), Status(403), Status(429), ErrorEvent(500)])
def test_a_broken_watch_goes_on_without_a_list(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, fault: Fault
) -> None:
    """Cut in the middle of a line, refused, ended with an error: the next one goes on from the last event."""

    async def run() -> None:
        api.fail("watch", fault)
        async with running(api, client, lines) as bench:
            await until(lambda: api.count("watch") >= 1, DEADLINE_S, "a watch")
            put(api, "a")
            await bench.settled()
            assert (1, 1) == (api.count("list"), bench.state.restarts)

    asyncio.run(run())


@pytest.mark.parametrize("by_status", [False, True])
def test_a_forgotten_version_is_followed_by_a_list(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, *, by_status: bool
) -> None:
    """What was deleted in the meantime is gone afterwards, though no event ever told of it."""

    async def run() -> None:
        put(api, "a", "b")
        api.gone_by_status = by_status
        async with running(api, client, lines) as bench:
            await bench.settled()
            await bench.watching()
            with api.cluster() as cluster:
                cluster.delete("ns", "a")
                cluster.put("ns", "c")
                cluster.compact()
            await bench.settled()
            assert 2 == bench.sink.calls.count("begin_list")

    asyncio.run(run())


@pytest.mark.parametrize("code", [Status(410), ErrorEvent(410)])
def test_a_410_out_of_nothing_is_followed_by_a_list(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, code: Fault
) -> None:
    """In both of its forms."""

    async def run() -> None:
        api.fail("watch", code)
        async with running(api, client, lines) as bench:
            await bench.watching(2)
            assert 2 == api.count("list")

    asyncio.run(run())


def test_a_list_that_expires_while_it_is_paged_begins_again(
    api: FakeKubeApi, client: KubeClient, lines: LogLines
) -> None:
    """From its first page."""

    async def run() -> None:
        put(api, "a", "b", "c", "d", "e")
        api.fail("list", Cut(), Status(410))
        async with running(api, client, lines) as bench:
            await bench.settled()
        continued = ["continue" in request.query for request in api.requests if request.kind == "list"]
        assert [False, False, False, True, True] == continued

    asyncio.run(run())


@pytest.mark.parametrize(
    "fault", [Cut(), Status(500), Body(b"garbage"), Body(b'{"kind":"Status"}'), Status(401), Endless()]
)
def test_a_failed_page_is_asked_for_again(api: FakeKubeApi, client: KubeClient, lines: LogLines, fault: Fault) -> None:
    """Whatever comes instead of a page, nobody is removed for it and the list comes to its end."""

    async def run() -> None:
        put(api, "a", "b", "c")
        async with running(api, client, lines) as bench:
            await bench.settled()
            api.fail("list", fault)
            seen = len(bench.sink.calls)
            bench.watch.list_anew()
            await until(lambda: "end_list" in bench.sink.calls[seen:], DEADLINE_S, "the second list")
            await bench.settled()

    asyncio.run(run())


@pytest.mark.parametrize("fault", [Body(b"garbage"), Body(b"[" * 40_000), Body(b"x" * 60_000), Endless()])
def test_garbage_in_a_watch_is_counted_and_followed_by_a_list(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, fault: Fault
) -> None:
    """A line without sense, one that is too long, one that never ends."""

    async def run() -> None:
        api.fail("watch", fault)
        async with running(api, client, lines) as bench:
            await bench.watching(2)
            put(api, "a")
            await bench.settled()
            assert (2, 1) == (api.count("list"), bench.state.garbage)

    asyncio.run(run())


def nested(name: str, version: str) -> bytes:
    """A ServiceAccount whose managed fields nest 10,000 levels deep."""
    fields = '{"f:a":' * 10_000 + "{}" + "}" * 10_000
    known = f'"namespace":"ns","name":"{name}","uid":"u-{name}","resourceVersion":"{version}"'
    return f'{{"metadata":{{"managedFields":[{{"fieldsV1":{fields}}}],{known}}}}}'.encode()


def test_a_deeply_nested_object_does_not_blind_the_list(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """It is listed with the others, and the watch goes on from there."""

    async def run() -> None:
        put(api, "a")
        with api.cluster() as cluster:
            whole = json.loads(cluster.page("", {}))
            items = json.dumps(whole["items"]).encode()[1:-1]
            metadata = json.dumps(whole["metadata"]).encode()
        page = b'{"kind":"ServiceAccountList","metadata":%b,"items":[%b,%b]}' % (metadata, nested("deep", "1"), items)
        api.fail("list", Body(page))
        async with running(api, client, lines, limits=ROOMY) as bench:
            await bench.watching()
            assert {("ns", "a"), ("ns", "deep")} == set(bench.sink.picture)
            put(api, "b")
            await until(lambda: ("ns", "b") in bench.sink.picture, DEADLINE_S, "the change after it")
            assert (1, 0, 0) == (api.count("list"), bench.state.garbage, bench.state.restarts)

    asyncio.run(run())


def test_a_deeply_nested_event_does_not_blind_the_watch(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """It is taken like any other; changes and deletions of others arrive after it, on the same stream."""

    async def run() -> None:
        put(api, "a", "b")
        api.fail("watch", Body(b'{"type":"ADDED","object":' + nested("deep", "2") + b"}"))
        async with running(api, client, lines, limits=ROOMY) as bench:
            await until(lambda: ("ns", "deep") in bench.sink.picture, DEADLINE_S, "the nested one")
            with api.cluster() as cluster:
                cluster.put("ns", "a", {"nats.io/x": "2"})
                cluster.delete("ns", "b")
            await until(lambda: ("ns", "b") not in bench.sink.picture, DEADLINE_S, "the deletion of another")
            assert {"nats.io/x": "2"} == bench.sink.picture["ns", "a"][1]
            assert (1, 1, 0) == (api.count("list"), api.count("watch"), bench.state.garbage)

    asyncio.run(run())


def test_an_event_that_cannot_be_read_costs_that_serviceaccount_alone(
    api: FakeKubeApi, client: KubeClient, lines: LogLines
) -> None:
    """It is taken for gone, counted and named in the log, and the stream goes on."""
    bad = {"namespace": "ns", "name": "a", "uid": "u", "resourceVersion": "2", "annotations": {"nats.io/x": 5}}

    async def run() -> None:
        put(api, "a", "b")
        api.fail("watch", Body(json.dumps({"type": "MODIFIED", "object": {"metadata": bad}}).encode()))
        async with running(api, client, lines) as bench:
            await until(lambda: bench.state.skipped == 1, DEADLINE_S, "it to be counted")
            put(api, "c")
            await until(lambda: {("ns", "b"), ("ns", "c")} == set(bench.sink.picture), DEADLINE_S, "the others")
            assert (1, 0) == (api.count("list"), bench.state.garbage)

    asyncio.run(run())
    told = [line["serviceaccount"] for line in lines.read() if "serviceaccount" in line]
    assert ["ns/a"] == told


def test_large_objects_are_listed_in_smaller_pages(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """Whoever makes ServiceAccounts large slows the list down and does not stop it."""

    async def run() -> None:
        put(api, "a", "b", "c", value="x" * 60_000)
        async with running(api, client, lines) as bench:
            await bench.settled()
        assert "1" == [request.query["limit"] for request in api.requests if request.kind == "list"][-1]

    asyncio.run(run())


@pytest.mark.parametrize("fault", [Stall(), Stall(head=False), Drip()])
def test_a_stalled_watch_is_noticed(api: FakeKubeApi, client: KubeClient, lines: LogLines, fault: Fault) -> None:
    """A server that sends nothing, or nothing whole, for longer than the watch was to last is asked anew."""

    async def run() -> None:
        api.fail("watch", fault)
        limits = Limits(watch_seconds=(1, 1), grace_seconds=0.2)
        async with running(api, client, lines, limits=limits) as bench:
            await bench.watching(2)
            put(api, "a")
            await bench.settled()
            assert 1 == api.count("list")

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["list", "watch"])
def test_a_head_that_never_ends_is_not_waited_for(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, kind: str
) -> None:
    """However long its bytes keep coming: it is told, and asked for again."""

    async def run() -> None:
        api.fail(kind, Drip(head=False))
        limits = Limits(watch_seconds=(30, 30), answer_seconds=0.3)
        async with running(api, client, lines, limits=limits) as bench:
            await until(lambda: "took more than 0.3 s" in bench.state.last_error, DEADLINE_S, "a complaint")
            assert not bench.watch.connected
            await until(lambda: api.count("watch") >= 1 and bench.watch.connected, DEADLINE_S, "another attempt")
            put(api, "a")
            await bench.settled()

    asyncio.run(run())


def test_an_exec_plugin_that_hangs_is_not_waited_for(api: FakeKubeApi, lines: LogLines, tmp_path: Path) -> None:
    """It is told, and the watch goes on as soon as there are credentials."""

    async def run() -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [str(pipe)]}
        path = api.write_kubeconfig(tmp_path / "config", exec=plugin | {"interactiveMode": "Never"})
        client = KubeClient(in_cluster=False, kubeconfig=str(path), load_seconds=0.2)
        try:
            async with running(api, client, lines) as bench:
                await until(lambda: "exec plugin hangs" in bench.state.last_error, DEADLINE_S, "a complaint")
                api.write_kubeconfig(path, token="t")
                await bench.settled()
        finally:
            # The plugins that hang, and end: they are given a writer, and lose it.
            os.close(os.open(pipe, os.O_RDWR))

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["list", "watch"])
@pytest.mark.parametrize("encrypted", [False, True])
def test_stop_interrupts_a_read(tmp_path: Path, lines: LogLines, kind: str, *, encrypted: bool) -> None:
    """A server that stalls does not hold it up, with TLS or without."""

    async def run() -> None:
        authority = Authority(tmp_path) if encrypted else None
        with FakeKubeApi(authority) as api:
            path = api.write_kubeconfig(tmp_path / "config", authority)
            client = KubeClient(in_cluster=False, kubeconfig=str(path))
            api.fail(kind, Stall())
            async with running(api, client, lines) as bench:
                await until(lambda: bench.watch._response is not None, DEADLINE_S, "a read that blocks")

    asyncio.run(run())


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


def test_a_stop_that_comes_while_a_request_is_answered_is_heard(
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

    async def run() -> None:
        watch.start()
        await asyncio.to_thread(watch._thread.join, DEADLINE_S)
        assert not watch._thread.is_alive()

    asyncio.run(run())


def test_stop_does_not_wait_for_the_end_of_a_pause(tmp_path: Path, lines: LogLines) -> None:
    """With no server at all."""

    async def run() -> None:
        client = KubeClient(in_cluster=False, kubeconfig=str(tmp_path / "missing"))
        watch = ServiceAccountWatch(client, RecordingSink(), PREFIX, lines.log)
        watch.start()
        await until(lambda: watch.state.restarts >= 1, DEADLINE_S, "a failure")
        await watch.stop()
        assert not watch._thread.is_alive()

    asyncio.run(run())


def test_run_delivers_until_it_is_cancelled(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """As a task of the supervisor."""

    async def run() -> None:
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

    asyncio.run(run())


def test_errors_are_reported_when_they_change(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """The same error many times is one line; another one is another; that it is over is one as well."""

    async def run() -> None:
        api.fail("watch", Status(403), Status(403), Status(500))
        async with running(api, client, lines) as bench:
            await bench.watching(4)
            put(api, "a")
            await bench.settled()
            await until(lambda: not bench.state.last_error, DEADLINE_S, "the error to be over")
            assert 3 == bench.state.restarts

    asyncio.run(run())
    written = [(line["level"], line["event"], line.get("error", "")[:40]) for line in lines.read()]
    assert [
        ("warning", "the watch of ServiceAccounts has failed and goes on", "we may not watch serviceaccounts in all "),
        ("warning", "the watch of ServiceAccounts has failed and goes on", "the server answered with status 500 when"),
        ("info", "the watch of ServiceAccounts is well again", ""),
    ] == written


def test_what_is_missing_at_first_may_come_later(api: FakeKubeApi, lines: LogLines, tmp_path: Path) -> None:
    """Without a kubeconfig the watch goes on trying, and says so."""

    async def run() -> None:
        path = tmp_path / "later"
        client = KubeClient(in_cluster=False, kubeconfig=str(path))
        async with running(api, client, lines) as bench:
            await until(lambda: "no kubeconfig" in bench.state.last_error, DEADLINE_S, "a complaint")
            assert (False, []) == (bench.watch.connected, bench.sink.calls)
            api.write_kubeconfig(path)
            await bench.settled()
            await until(lambda: bench.watch.connected, DEADLINE_S, "contact")

    asyncio.run(run())


def test_another_cluster_is_listed_anew(api: FakeKubeApi, lines: LogLines, tmp_path: Path) -> None:
    """Versions of one cluster mean nothing in another."""

    async def run() -> None:
        path = api.write_kubeconfig(tmp_path / "config")
        client = KubeClient(in_cluster=False, kubeconfig=str(path))
        put(api, "a")
        with FakeKubeApi() as other:
            put(other, "b")
            async with running(api, client, lines) as bench:
                await bench.settled()
                await bench.watching()
                other.write_kubeconfig(path)
                api.end_watches()
                bench.api = other
                await bench.settled()

    asyncio.run(run())


def test_a_failed_sink_is_given_everything_again(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """Whether it fails with a page or with an event, even if nothing more ever happens."""

    async def run() -> None:
        put(api, "a")
        async with running(api, client, lines) as bench:
            await bench.settled()
            await bench.watching()
            bench.sink.failures = [OSError("hunter2"), OSError("hunter2")]
            put(api, "b")
            await bench.settled()
            assert 3 == bench.sink.calls.count("begin_list")

    asyncio.run(run())
    written = lines.read()
    assert "OSError in apply" == written[0]["error"]
    assert "hunter2" not in json.dumps(written)


def test_a_list_can_be_asked_for(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """It comes at once, though the cluster is quiet, and is no failure."""

    async def run() -> None:
        put(api, "a")
        async with running(api, client, lines) as bench:
            await bench.watching()
            bench.watch.list_anew()
            await until(lambda: bench.sink.calls.count("end_list") == 2, DEADLINE_S, "a second list")
            assert (0, "") == (bench.watch.restarts, bench.state.last_error)

    asyncio.run(run())


def test_many_changes_at_once_arrive_in_few_steps(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """All of them, and in order."""

    async def run() -> None:
        async with running(api, client, lines) as bench:
            await bench.watching()
            with api.cluster() as cluster:
                for number in range(2000):
                    cluster.put("ns", f"a{number % 50}", {"nats.io/x": str(number)})
            await bench.settled()
            assert 2000 == sum(bench.sink.batches)

    asyncio.run(run())


def test_no_connection_is_left_open(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """However many watches fail, as many descriptors are open afterwards as before."""

    async def run() -> None:
        async with running(api, client, lines) as bench:
            await bench.watching()
            before = count_descriptors()
            api.fail("watch", Body(b"garbage"), Cut(), Status(500))
            for number in range(4):
                api.end_watches()
                put(api, f"a{number}")
                await bench.settled()
            await until(lambda: count_descriptors() <= before + 2, DEADLINE_S, "connections to be closed")

    asyncio.run(run())
