"""A running watch on the test bench: its log, its sink, and the server that it reads from."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from callout.kube.client import KubeClient
from callout.kube.reflector import Limits
from callout.kube.watch import ServiceAccountWatch
from tests.fake_kube_api import FakeKubeApi
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
