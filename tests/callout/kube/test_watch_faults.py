"""Tests of `callout.kube.watch`: what a server does wrong costs no more than it has to."""

import json
import os
from pathlib import Path

import pytest

from callout.kube import reflector
from callout.kube.client import KubeClient
from callout.kube.reflector import Limits
from tests.callout.kube.watching import DEADLINE_S, ROOMY, LogLines, put, running
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
from tests.waiting import until

MANY = 20
"""Failures: far more than the descriptors that may be open for a moment."""


def count_descriptors() -> int:
    """How many files and connections this process has open."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("fault", [Cut(), Status(500), Status(401), Status(403), Status(429), ErrorEvent(500)])
async def test_a_broken_watch_goes_on_without_a_list(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, fault: Fault
) -> None:
    """Cut in the middle of a line, refused, ended with an error: the next one goes on from the last event."""
    api.fail("watch", fault)
    async with running(api, client, lines) as bench:
        await until(lambda: api.count("watch") >= 1, DEADLINE_S, "a watch")
        put(api, "a")
        await bench.settled()
        assert (1, 1) == (api.count("list"), bench.state.restarts)


@pytest.mark.parametrize("by_status", [False, True])
async def test_a_forgotten_version_is_followed_by_a_list(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, *, by_status: bool
) -> None:
    """What was deleted in the meantime is gone afterwards, though no event ever told of it."""
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


@pytest.mark.parametrize("code", [Status(410), ErrorEvent(410)])
async def test_a_410_out_of_nothing_is_followed_by_a_list(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, code: Fault
) -> None:
    """In both of its forms."""
    api.fail("watch", code)
    async with running(api, client, lines) as bench:
        await bench.watching(2)
        assert 2 == api.count("list")


async def test_a_list_that_expires_while_it_is_paged_begins_again(
    api: FakeKubeApi, client: KubeClient, lines: LogLines
) -> None:
    """From its first page."""
    put(api, "a", "b", "c", "d", "e")
    api.fail("list", Cut(), Status(410))
    async with running(api, client, lines) as bench:
        await bench.settled()
    continued = ["continue" in request.query for request in api.requests if request.kind == "list"]
    assert [False, False, False, True, True] == continued


@pytest.mark.parametrize(
    "fault", [Cut(), Status(500), Body(b"garbage"), Body(b'{"kind":"Status"}'), Status(401), Endless()]
)
async def test_a_failed_page_is_asked_for_again(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, fault: Fault
) -> None:
    """Whatever comes instead of a page, nobody is removed for it and the list comes to its end."""
    put(api, "a", "b", "c")
    async with running(api, client, lines) as bench:
        await bench.settled()
        api.fail("list", fault)
        seen = len(bench.sink.calls)
        bench.watch.list_anew()
        await until(lambda: "end_list" in bench.sink.calls[seen:], DEADLINE_S, "the second list")
        await bench.settled()


@pytest.mark.parametrize("fault", [Body(b"garbage"), Body(b"[" * 40_000), Body(b"x" * 60_000), Endless()])
async def test_garbage_in_a_watch_is_counted_and_followed_by_a_list(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, fault: Fault
) -> None:
    """A line without sense, one that is too long, one that never ends."""
    api.fail("watch", fault)
    async with running(api, client, lines) as bench:
        await bench.watching(2)
        put(api, "a")
        await bench.settled()
        assert (2, 1) == (api.count("list"), bench.state.garbage)


def nested(name: str, version: str) -> bytes:
    """A ServiceAccount whose managed fields nest 10,000 levels deep."""
    fields = '{"f:a":' * 10_000 + "{}" + "}" * 10_000
    known = f'"namespace":"ns","name":"{name}","uid":"u-{name}","resourceVersion":"{version}"'
    return f'{{"metadata":{{"managedFields":[{{"fieldsV1":{fields}}}],{known}}}}}'.encode()


async def test_a_deeply_nested_object_does_not_blind_the_list(
    api: FakeKubeApi, client: KubeClient, lines: LogLines
) -> None:
    """It is listed with the others, and the watch goes on from there."""
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


async def test_a_deeply_nested_event_does_not_blind_the_watch(
    api: FakeKubeApi, client: KubeClient, lines: LogLines
) -> None:
    """It is taken like any other; changes and deletions of others arrive after it, on the same stream."""
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


async def test_an_event_that_cannot_be_read_costs_that_serviceaccount_alone(
    api: FakeKubeApi, client: KubeClient, lines: LogLines
) -> None:
    """It is taken for gone, counted and named in the log, and the stream goes on."""
    bad = {"namespace": "ns", "name": "a", "uid": "u", "resourceVersion": "2", "annotations": {"nats.io/x": 5}}
    put(api, "a", "b")
    api.fail("watch", Body(json.dumps({"type": "MODIFIED", "object": {"metadata": bad}}).encode()))
    async with running(api, client, lines) as bench:
        await until(lambda: bench.state.skipped == 1, DEADLINE_S, "it to be counted")
        put(api, "c")
        await until(lambda: {("ns", "b"), ("ns", "c")} == set(bench.sink.picture), DEADLINE_S, "the others")
        assert (1, 0) == (api.count("list"), bench.state.garbage)
    told = [line["serviceaccount"] for line in lines.read() if "serviceaccount" in line]
    assert ["ns/a"] == told


async def test_large_objects_are_listed_in_smaller_pages(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """Whoever makes ServiceAccounts large slows the list down and does not stop it."""
    put(api, "a", "b", "c", value="x" * 60_000)
    async with running(api, client, lines) as bench:
        await bench.settled()
    assert "1" == [request.query["limit"] for request in api.requests if request.kind == "list"][-1]


@pytest.mark.parametrize("fault", [Stall(), Stall(head=False), Drip()])
async def test_a_stalled_watch_is_noticed(api: FakeKubeApi, client: KubeClient, lines: LogLines, fault: Fault) -> None:
    """A server that sends nothing, or nothing whole, for longer than the watch was to last is asked anew."""
    api.fail("watch", fault)
    limits = Limits(watch_seconds=(1, 1), grace_seconds=0.2)
    async with running(api, client, lines, limits=limits) as bench:
        await bench.watching(2)
        put(api, "a")
        await bench.settled()
        assert 1 == api.count("list")


@pytest.mark.parametrize("kind", ["list", "watch"])
async def test_a_head_that_never_ends_is_not_waited_for(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, kind: str
) -> None:
    """However long its bytes keep coming: it is told, and asked for again."""
    api.fail(kind, Drip(head=False))
    limits = Limits(watch_seconds=(30, 30), answer_seconds=0.3)
    async with running(api, client, lines, limits=limits) as bench:
        await until(lambda: "took more than 0.3 s" in bench.state.last_error, DEADLINE_S, "a complaint")
        await until(lambda: api.count("watch") >= 1 and bench.watch.connected, DEADLINE_S, "another attempt")
        put(api, "a")
        await bench.settled()


async def test_an_exec_plugin_that_hangs_is_not_waited_for(api: FakeKubeApi, lines: LogLines, tmp_path: Path) -> None:
    """It is told, and the watch goes on as soon as there are credentials."""
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


@pytest.mark.parametrize("fault", [Body(b"garbage"), Cut(), Status(500), ErrorEvent(410)])
async def test_no_connection_is_left_open(
    api: FakeKubeApi, client: KubeClient, lines: LogLines, monkeypatch: pytest.MonkeyPatch, fault: Fault
) -> None:
    """However many watches fail, as many descriptors are open afterwards as before, or one that is being opened."""
    monkeypatch.setattr(reflector, "BACK_OFF_MAX_S", 0.01)  # the real pauses of so many failures last minutes
    async with running(api, client, lines) as bench:
        await bench.watching()
        before = count_descriptors()
        api.fail("watch", *[fault] * MANY)
        api.end_watches()
        put(api, "a")  # to be cut off in it
        await bench.watching(1 + MANY + 1)
        await bench.settled()
        await until(lambda: count_descriptors() <= before + 2, DEADLINE_S, "connections to be closed")
