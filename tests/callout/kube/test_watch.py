"""Tests of `callout.kube.watch`: a sink kept up to date with what the cluster holds."""

import json
from pathlib import Path

from callout.kube.client import KubeClient
from callout.kube.errors import purpose_of, refuse
from tests.callout.kube.watching import DEADLINE_S, LogLines, put, running
from tests.fake_kube_api import FakeKubeApi, Status
from tests.waiting import until
from workers.snapshot import SnapshotFullError


async def test_what_exists_is_listed_and_what_happens_is_watched(
    api: FakeKubeApi, client: KubeClient, lines: LogLines
) -> None:
    """In pages, and then as it happens: created, changed, deleted, created again with another uid."""
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


async def test_one_namespace_can_be_watched(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """Others are neither listed nor heard of."""
    put(api, "a")
    async with running(api, client, lines, namespace="other") as bench:
        await bench.watching()
        with api.cluster() as cluster:
            cluster.put("ns", "b")
            cluster.put("other", "c")
        await bench.settled("other")
    assert {"/api/v1/namespaces/other/serviceaccounts"} == {request.path for request in api.requests}


async def test_a_bookmark_keeps_the_picture_fresh(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """The sink hears of it, and the next watch goes on from it."""
    async with running(api, client, lines) as bench:
        await bench.watching()
        with api.cluster() as cluster:
            cluster.bookmark()
        await until(lambda: "touch" in bench.sink.calls, DEADLINE_S, "a touch")
        api.end_watches()
        await bench.watching(2)
    first, second = (request.query["resourceVersion"] for request in api.requests if request.kind == "watch")
    assert first != second


async def test_a_watch_that_ends_is_opened_again(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """Without a list, and with nothing missed."""
    async with running(api, client, lines) as bench:
        await bench.watching()
        put(api, "a")
        await bench.settled()
        api.end_watches()
        await bench.watching(2)
        put(api, "b")
        await bench.settled()
        assert 1 == api.count("list")


async def test_errors_are_reported_when_they_change(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """The same error many times is one line; another one is another; that it is over is one as well."""
    api.fail("watch", Status(403), Status(403), Status(500))
    async with running(api, client, lines) as bench:
        await bench.watching(4)
        put(api, "a")
        await bench.settled()
        await until(lambda: not bench.state.last_error, DEADLINE_S, "the error to be over")
        assert 3 == bench.state.restarts
    failed, watch = "the watch of ServiceAccounts has failed and goes on", purpose_of("watch", "")
    written = [(line["level"], line["event"], line.get("error", "")) for line in lines.read()]
    assert [
        ("warning", failed, str(refuse(403, watch, api.url))),
        ("warning", failed, str(refuse(500, watch, api.url))),
        ("info", "the watch of ServiceAccounts is well again", ""),
    ] == written


async def test_what_is_missing_at_first_may_come_later(api: FakeKubeApi, lines: LogLines, tmp_path: Path) -> None:
    """Without a kubeconfig the watch goes on trying, and says so."""
    path = tmp_path / "later"
    client = KubeClient(in_cluster=False, kubeconfig=str(path))
    async with running(api, client, lines) as bench:
        await until(lambda: "no kubeconfig" in bench.state.last_error, DEADLINE_S, "a complaint")
        assert (False, []) == (bench.watch.connected, bench.sink.calls)
        api.write_kubeconfig(path)
        await bench.settled()
        await until(lambda: bench.watch.connected, DEADLINE_S, "contact")


async def test_another_cluster_is_listed_anew(api: FakeKubeApi, lines: LogLines, tmp_path: Path) -> None:
    """Versions of one cluster mean nothing in another."""
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


async def test_a_failed_sink_is_given_everything_again(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """Whether it fails with a page or with an event, even if nothing more ever happens."""
    put(api, "a")
    async with running(api, client, lines) as bench:
        await bench.settled()
        await bench.watching()
        bench.sink.failures = [OSError("hunter2"), OSError("hunter2")]
        put(api, "b")
        await bench.settled()
        assert 3 == bench.sink.calls.count("begin_list")
    written = lines.read()
    assert "OSError in apply" == written[0]["error"]
    assert "hunter2" not in json.dumps(written)


async def test_a_full_snapshot_is_told_and_tried_again(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """From the first list on, with what to do about it: it is not complete before all of it is in."""
    put(api, "a")
    async with running(api, client, lines) as bench:
        bench.sink.failures = [SnapshotFullError("no room left"), SnapshotFullError("no room left")]
        await bench.watching()
        put(api, "b")
        await until(lambda: not bench.state.last_error, DEADLINE_S, "the error to be over")
        assert (3, 1) == (bench.sink.calls.count("begin_list"), bench.sink.calls.count("end_list"))
    written = [(line["event"], line.get("error", "")) for line in lines.read()]
    assert [
        ("the watch of ServiceAccounts has failed and goes on", "no room left"),
        ("the watch of ServiceAccounts is well again", ""),
    ] == written


async def test_a_list_can_be_asked_for(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """It comes at once, though the cluster is quiet, and is no failure."""
    put(api, "a")
    async with running(api, client, lines) as bench:
        await bench.watching()
        bench.watch.list_anew()
        await until(lambda: bench.sink.calls.count("end_list") == 2, DEADLINE_S, "a second list")
        assert (0, "") == (bench.watch.restarts, bench.state.last_error)


async def test_many_changes_at_once_arrive_in_few_steps(api: FakeKubeApi, client: KubeClient, lines: LogLines) -> None:
    """All of them, and in order."""
    async with running(api, client, lines) as bench:
        await bench.watching()
        with api.cluster() as cluster:
            for number in range(2000):
                cluster.put("ns", f"a{number % 50}", {"nats.io/x": str(number)})
        await bench.settled()
        assert 2000 == sum(bench.sink.batches)
