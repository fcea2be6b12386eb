"""A worker's metrics: prometheus-client in multiprocess mode, one file a worker, read by the supervisor.

The file's name ends with a number that the supervisor hands out, not with the process id: a worker that is started
again goes on with the file of the one before, so files do not pile up and counters do not fall.

Every label combination exists from the start, at zero: a rate over a reason that has not happened yet is 0, not absent.
"""

import os
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Histogram, values

from workers.reasons import DROP_REASONS, Reason

# Seconds. The decision has 1.5 s in all; below a millisecond is the normal day.
DURATION_BUCKETS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5)
FILE_SIZE: Final = 1 << 16  # bytes: what prometheus-client begins with (`mmap_dict.py`)
ALLOWED: Final = "allowed"
DENIED: Final = "denied"
DROPPED: Final = "dropped"


class WorkerMetrics:
    """Counts what a worker decides.

    Args:
        directory: of the metrics files; the supervisor empties it at its start.
        metrics_id: which file is this worker's.
    """

    def __init__(self, directory: str, metrics_id: int) -> None:
        """Open this worker's file."""
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory
        for kind in ("counter", "histogram"):
            _make_file(Path(directory), f"{kind}_{metrics_id}.db")
        # The library's own switch is that variable at import, and the process id as the file's number.
        values.ValueClass = values.MultiProcessValue(lambda: metrics_id)  # type: ignore[no-untyped-call]  # the library has no types there
        registry = CollectorRegistry()
        requests = Counter(
            "nats_auth_requests",
            "Authorization requests by result (allowed, denied, dropped) and reason.",
            ("result", "reason"),
            registry=registry,
        )
        self._allowed = requests.labels(ALLOWED, "")
        self._refused = {
            reason: requests.labels(DROPPED if reason in DROP_REASONS else DENIED, reason.value) for reason in Reason
        }
        self._duration = Histogram(
            "nats_auth_request_duration_seconds",
            "Time from the arrival of a request to its decision, waiting included.",
            buckets=DURATION_BUCKETS,
            registry=registry,
        )

    def count_allowed(self) -> None:
        """Count a login."""
        self._allowed.inc()

    def count_refused(self, reason: Reason, requests: int = 1) -> None:
        """Count requests that were denied or dropped."""
        self._refused[reason].inc(requests)

    def observe_duration(self, seconds: float) -> None:
        """Note how long a request took."""
        self._duration.observe(seconds)


def _make_file(directory: Path, name: str) -> None:
    """Let a metrics file appear at its full size.

    The library makes it empty and enlarges it then; whoever reads the page in between gets an error instead of metrics.
    """
    if not (directory / name).exists():
        draft = directory / f".{name}"
        draft.write_bytes(bytes(FILE_SIZE))
        draft.rename(directory / name)
