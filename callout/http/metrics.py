"""The page /metrics: what the workers counted, and what the supervisor knows at this moment.

Rules kept here:
- Names begin with `nats_auth_`; no label holds the name of a ServiceAccount or a namespace, so their number is fixed.
- The supervisor's own values are read when the page is asked for, on its loop: there is nothing to keep in step.
"""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector

from callout.config.expiry import Credential
from callout.policy.verdict import DropReason, Side
from workers.status import State


class Readings(msgspec.Struct, frozen=True, kw_only=True):
    """What the supervisor knows of itself at one moment: ages in seconds, None for "never yet"; moments in Unix time.

    Attributes:
        started_at: when the supervisor was made.
        snapshot_bytes: shared memory that it takes.
        snapshot_limit: the most that it may come to take, in bytes.
        keyset_lifetime: for how many seconds the key set counts as fresh.
        watch_connected: whether the source of ServiceAccounts is in contact.
        watch_restarts: how often it had to begin anew.
        watch_garbage: answers and lines of it that could not be read.
        watch_skipped: objects of it that could not be read.
        workers: how many there are in each state.
        filtered: entries of annotations that were dropped, by side and reason.
        ends: when what the service logs in with ends; what does not end is left out.
    """

    version: str
    started_at: float
    ready: bool
    snapshot_entries: int
    snapshot_bytes: int
    snapshot_limit: int
    snapshot_generation: int
    snapshot_age: float | None
    keyset_age: float | None
    keyset_lifetime: float | None
    keyset_failures: int
    watch_connected: bool
    watch_restarts: int
    watch_garbage: int
    watch_skipped: int
    workers: Mapping[State, int]
    worker_restarts: int
    filtered: Mapping[tuple[Side, DropReason], int]
    ends: Mapping[Credential, float]


# Name (without nats_auth_), kind, help, and where the value is; the documentation's table is made from it too.
_SCALARS: tuple[
    tuple[str, type[GaugeMetricFamily | CounterMetricFamily], str, Callable[[Readings], float | None]], ...
] = (
    ("start_time_seconds", GaugeMetricFamily, "When the supervisor started, in Unix time.", lambda r: r.started_at),
    ("ready", GaugeMetricFamily, "Whether logins can be decided: 1 or 0.", lambda r: r.ready),
    ("snapshot_serviceaccounts", GaugeMetricFamily, "ServiceAccounts in the snapshot.", lambda r: r.snapshot_entries),
    ("snapshot_bytes", GaugeMetricFamily, "Shared memory that the snapshot takes.", lambda r: r.snapshot_bytes),
    (
        "snapshot_limit_bytes",
        GaugeMetricFamily,
        "Shared memory that the snapshot may come to take: its own, and what is free beside it.",
        lambda r: r.snapshot_limit,
    ),
    ("snapshot_generation", GaugeMetricFamily, "Number of the last change.", lambda r: r.snapshot_generation),
    (
        "snapshot_age_seconds",
        GaugeMetricFamily,
        "Time since the source last confirmed the snapshot.",
        lambda r: r.snapshot_age,
    ),
    ("keyset_age_seconds", GaugeMetricFamily, "Time since the key set was last confirmed.", lambda r: r.keyset_age),
    (
        "keyset_max_age_seconds",
        GaugeMetricFamily,
        "For how long the key set counts as fresh: its max-age, from 30 s to 1 h, and 5 min without one.",
        lambda r: r.keyset_lifetime,
    ),
    (
        "keyset_refresh_failures",
        GaugeMetricFamily,
        "Attempts in a row to read the key set that failed.",
        lambda r: r.keyset_failures,
    ),
    (
        "watch_connected",
        GaugeMetricFamily,
        "Whether the source of ServiceAccounts is in contact: 1 or 0.",
        lambda r: r.watch_connected,
    ),
    (
        "watch_restarts",
        CounterMetricFamily,
        "Times the watch of ServiceAccounts had to begin anew.",
        lambda r: r.watch_restarts,
    ),
    (
        "watch_garbage",
        CounterMetricFamily,
        "Answers and lines from the API server that could not be read; each is followed by a new list.",
        lambda r: r.watch_garbage,
    ),
    (
        "watch_skipped",
        CounterMetricFamily,
        "Objects from the API server that were no ServiceAccount that could be read, each time they were seen.",
        lambda r: r.watch_skipped,
    ),
    (
        "worker_restarts",
        CounterMetricFamily,
        "Workers that ended without having been asked to.",
        lambda r: r.worker_restarts,
    ),
)


class MetricsPage:
    """Renders the page.

    Args:
        directory: of the workers' files.
    """

    def __init__(self, directory: Path) -> None:
        """Read nothing yet."""
        self._directory = str(directory)

    def render(self, readings: Readings) -> tuple[str, bytes]:
        """Return the page's content type and its body. Reads a file of each worker: for a thread."""
        registry = CollectorRegistry()
        MultiProcessCollector(registry, self._directory)  # type: ignore[no-untyped-call]  # has no types
        registry.register(_SupervisorCollector(readings))
        return CONTENT_TYPE_LATEST, generate_latest(registry)


class _SupervisorCollector(Collector):
    def __init__(self, readings: Readings) -> None:
        self._readings = readings

    def collect(self) -> Iterable[Metric]:
        """Turn the readings of this moment into metrics."""
        readings = self._readings
        info = GaugeMetricFamily("nats_auth_build", "The version that runs; always 1.", labels=["version"])
        info.add_metric([readings.version], 1)
        yield info
        for name, kind, documentation, value_of in _SCALARS:
            value = value_of(readings)
            if value is not None:
                yield kind(f"nats_auth_{name}", documentation, value=float(value))
        workers = GaugeMetricFamily("nats_auth_workers", "Workers by what they are doing.", labels=["state"])
        for state in State:
            workers.add_metric([state.name.lower()], readings.workers.get(state, 0))
        yield workers
        filtered = CounterMetricFamily(
            "nats_auth_filtered_subjects",
            "Entries of annotations that were not granted.",
            labels=["side", "reason"],
        )
        for side in Side:
            for reason in DropReason:
                filtered.add_metric([side.value, reason.value], readings.filtered.get((side, reason), 0))
        yield filtered
        ends = GaugeMetricFamily(
            "nats_auth_credential_expiry_timestamp_seconds",
            "When what the service logs in to NATS with ends, in Unix time; without what does not end.",
            labels=["credential"],
        )
        for credential, end in readings.ends.items():
            ends.add_metric([credential.value], end)
        yield ends
