"""Tests of `callout.keys.source`: a key set that is rotated, spoiled and gone, and what stays in force."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from callout.keys.reader import FoundKeys, KeyReader
from callout.keys.rules import ASK_INTERVAL_S
from callout.keys.source import NOT_REFRESHED, NOT_YET, KeySource
from callout.kube.client import KubeClient
from tests.fake_kube_api import Body, Drip, FakeKubeApi, Fault, Status
from tests.waiting import until
from workers.logs import Log
from workers.snapshot import SnapshotFullError

DEADLINE_S = 20.0


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


class Bench:
    """A key source that runs, and what it has published.

    Attributes:
        published: what was found, each time.
        refusals: errors to raise, one from each of the next calls of `publish`.
    """

    def __init__(self, log: Log, **arguments: Any) -> None:
        self.clock = Clock()
        self.published: list[FoundKeys] = []
        self.refusals: list[Exception] = []
        reader = KeyReader(**({"issuers": ("https://issuer.example",)} | arguments))
        self.source = KeySource(reader, self.publish, log, clock=self.clock, draw=lambda: 0.0)
        self.state = self.source.state

    @property
    def documents(self) -> list[bytes]:
        """The key sets that were published."""
        return [found.document for found in self.published]

    def publish(self, found: FoundKeys) -> None:
        """Take what the source has found."""
        if self.refusals:
            raise self.refusals.pop()
        self.published.append(found)

    async def loaded(self, count: int = 1) -> None:
        """Wait until so many key sets were published."""
        await until(lambda: len(self.published) >= count, DEADLINE_S, f"key set number {count}")

    async def refresh(self, condition: Callable[[], object]) -> None:
        """Let time pass and ask for a refresh, until something has come of it."""
        self.clock.now += ASK_INTERVAL_S
        self.source.ask()
        await until(condition, DEADLINE_S, "what the refresh should bring")


@asynccontextmanager
async def running(log: Log, **arguments: Any) -> AsyncIterator[Bench]:
    """Run a key source."""
    bench = Bench(log, **arguments)
    task = asyncio.create_task(bench.source.run())
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """A log; what is written to it is in `logged`."""
    with (tmp_path / "log").open("wb") as file:
        made = Log("supervisor", fd=file.fileno())
        yield made
        made.close()


def logged(log: Log, tmp_path: Path) -> list[dict[str, Any]]:
    """End the log and return its lines."""
    log.close()
    return [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]


def test_what_was_found_is_published(log: Log, api: FakeKubeApi, client: KubeClient, old: bytes) -> None:
    """Key set and issuers, and the state says that all is well."""

    async def run() -> None:
        async with running(log, client=client, issuers=()) as bench:
            await bench.loaded()
            assert [(old, (api.issuer,))] == [(found.document, found.issuers) for found in bench.published]
            assert (3600.0, 0, "") == (bench.state.max_age, bench.state.failures, bench.state.last_error)

    asyncio.run(run())


def test_a_rotated_key_set_is_published_when_it_is_asked_for(
    log: Log, api: FakeKubeApi, client: KubeClient, old: bytes, new: bytes
) -> None:
    """A token with a new key leads to a refresh; a key set that has not changed is confirmed and not published."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            await bench.loaded()
            api.jwks = new
            await bench.refresh(lambda: len(bench.published) == 2)
            await bench.refresh(lambda: api.count("jwks") == 3 and bench.source.age == 0.0)
            assert [old, new] == bench.documents

    asyncio.run(run())


def test_a_changed_issuer_is_published(log: Log, api: FakeKubeApi, client: KubeClient, old: bytes) -> None:
    """With the same keys."""

    async def run() -> None:
        async with running(log, client=client, issuers=()) as bench:
            await bench.loaded()
            api.issuer = "https://new.example"
            await bench.refresh(lambda: len(bench.published) == 2)
            assert (old, ("https://new.example",)) == (bench.published[-1].document, bench.published[-1].issuers)

    asyncio.run(run())


def test_asking_often_fetches_seldom(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """However many tokens with unknown keys come, the next fetch is `ASK_INTERVAL_S` after the last."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            await bench.loaded()
            for _ in range(1000):
                bench.source.ask()
                await asyncio.sleep(0)
            assert 1 == api.count("jwks")

    asyncio.run(run())


def test_the_age_is_that_of_the_last_confirmation(log: Log, client: KubeClient) -> None:
    """None before the first key set, then the seconds since it was last seen to be the current one."""

    async def run() -> None:
        assert Bench(log, client=client).source.age is None
        async with running(log, client=client) as bench:
            await bench.loaded()
            bench.clock.now += 7
            assert 7.0 == bench.source.age

    asyncio.run(run())


def test_how_long_it_is_fresh_comes_with_the_key_set(log: Log, client: KubeClient) -> None:
    """None before the first key set, then what the answer said."""

    async def run() -> None:
        assert Bench(log, client=client).source.lifetime is None
        async with running(log, client=client) as bench:
            await bench.loaded()
            assert 3600.0 == bench.source.lifetime

    asyncio.run(run())


@pytest.mark.parametrize("fault", [Status(500), Status(401), Body(b'{"keys":[]}'), Body(b"garbage")])
def test_after_a_failure_the_last_good_set_stays(log: Log, api: FakeKubeApi, client: KubeClient, fault: Fault) -> None:
    """Whatever comes instead of a key set is counted and told; with the next good one all is well."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            await bench.loaded()
            api.fail("jwks", fault)
            await bench.refresh(lambda: bench.state.failures == 1)
            assert 1 == len(bench.published)
            assert "" != bench.state.last_error
            assert ASK_INTERVAL_S == bench.source.age
            await bench.refresh(lambda: bench.state.failures == 0)
            assert "" == bench.state.last_error

    asyncio.run(run())


def test_what_fails_at_first_is_tried_again_soon(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """Nothing is published until key set and issuer are both there."""

    async def run() -> None:
        api.fail("issuer", Body(b"garbage"))
        async with running(log, client=client, issuers=()) as bench:
            await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
            assert [] == bench.published
            await bench.loaded()

    asyncio.run(run())


def test_a_server_that_dies_takes_nothing_with_it(log: Log, api: FakeKubeApi, client: KubeClient, old: bytes) -> None:
    """The last good set stays, and the failures are counted."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            await bench.loaded()
            api.close()
            await bench.refresh(lambda: bench.state.failures == 1)
            assert [old] == bench.documents
            assert "no connection" in bench.state.last_error

    asyncio.run(run())


def test_failures_are_reported_when_they_change(log: Log, api: FakeKubeApi, client: KubeClient, tmp_path: Path) -> None:
    """The same failure many times is one line, and so is its end."""

    async def run() -> None:
        api.fail("jwks", Status(500), Status(500), Status(503))
        async with running(log, client=client) as bench:
            await bench.loaded()
            await until(lambda: bench.state.last_error == "", DEADLINE_S, "the error to be over")

    asyncio.run(run())
    where = "key set of the API server (/openid/v1/jwks)"
    assert [
        ("warning", f"{where}: {api.url} answered with status 500 when asked to read the issuer's key set"),
        ("warning", f"{where}: {api.url} answered with status 503 when asked to read the issuer's key set"),
        ("info", None),
    ] == [(line["level"], line.get("error")) for line in logged(log, tmp_path)]


def test_what_stays_in_force_is_said_only_if_there_is_something(log: Log, tmp_path: Path, old: bytes) -> None:
    """Before the first key set nobody is let in; afterwards the last one goes on serving."""

    async def run() -> None:
        path = tmp_path / "jwks.json"
        async with running(log, path=path) as bench:
            await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
            path.write_bytes(old)
            await bench.loaded()
            path.unlink()
            await bench.refresh(lambda: bench.state.last_error)

    asyncio.run(run())
    told = [line["event"] for line in logged(log, tmp_path) if line["level"] == "warning"]
    assert [NOT_YET, NOT_REFRESHED] == told


def test_a_publisher_that_fails_is_asked_again(log: Log, client: KubeClient) -> None:
    """A snapshot that is full today may have room tomorrow; of a fault of ours only the kind is shown."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            bench.refusals = [SnapshotFullError("no room left"), OSError("hunter2")]
            await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
            assert "OSError while the key set was refreshed" == bench.state.last_error
            assert bench.source.age is None
            await until(lambda: bench.state.failures == 2, DEADLINE_S, "another failure")
            assert "no room left" == bench.state.last_error
            await bench.loaded()

    asyncio.run(run())


def test_a_head_that_never_ends_is_not_waited_for(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """Each byte begins a read's time-out anew, but the whole has a time of its own; and it is tried again."""

    async def run() -> None:
        api.fail("jwks", Drip(head=False))
        async with running(log, client=client, seconds=0.2) as bench:
            await until(lambda: "took more than" in bench.state.last_error, DEADLINE_S, "a failure")
            await bench.loaded()

    asyncio.run(run())


def test_an_exec_plugin_that_hangs_is_not_waited_for(log: Log, api: FakeKubeApi, tmp_path: Path) -> None:
    """Neither by the loop nor by the end of the source."""
    fifo = tmp_path / "never written"
    os.mkfifo(fifo)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [str(fifo)]}
    kubeconfig = api.write_kubeconfig(tmp_path / "config", exec=plugin | {"interactiveMode": "Never"})
    client = KubeClient(in_cluster=False, kubeconfig=str(kubeconfig), load_seconds=0.2)

    async def run() -> None:
        async with running(log, client=client) as bench:
            await until(lambda: "exec plugin hangs" in bench.state.last_error, DEADLINE_S, "a failure")

    try:
        asyncio.run(run())
    finally:
        os.close(os.open(fifo, os.O_RDWR))  # `cat` ends


def test_a_file_is_followed(log: Log, tmp_path: Path, old: bytes, new: bytes) -> None:
    """A change is seen without being asked for; what cannot be used leaves the last good set in force."""

    async def run() -> None:
        path = tmp_path / "jwks.json"
        path.write_bytes(old)
        async with running(log, path=path) as bench:
            await bench.loaded()
            path.write_bytes(b"half a key se")
            await bench.refresh(lambda: bench.state.failures >= 1)
            path.write_bytes(new)
            await bench.loaded(2)
            assert [old, new] == bench.documents
            path.unlink()
            await until(lambda: "no such file" in bench.state.last_error, DEADLINE_S, "the file to be missed")

    asyncio.run(run())
