"""What a worker counts, read as the supervisor reads it: from the files, by another registry."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from prometheus_client import values

from tests.commands import run
from tests.workers.samples import collect
from workers.metrics import DURATION_BUCKETS, WorkerMetrics
from workers.reasons import DROP_REASONS, Reason

REQUESTS = "nats_auth_requests_total"
DURATION = "nats_auth_request_duration_seconds"
WORKER = """
import sys
from workers.metrics import WorkerMetrics
from workers.reasons import Reason

metrics = WorkerMetrics(sys.argv[1], int(sys.argv[2]))
metrics.count_allowed()
metrics.count_refused(Reason.TOKEN_EXPIRED)
metrics.observe_duration(0.001)
"""
Make = Callable[[int], WorkerMetrics]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """A maker of metrics; the library's switch to multiprocess mode, which is global, is undone afterwards."""
    directory, kind = os.environ.get("PROMETHEUS_MULTIPROC_DIR"), values.ValueClass
    yield lambda metrics_id: WorkerMetrics(str(tmp_path), metrics_id)
    values.ValueClass = kind
    if directory is None:
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    else:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = directory


def counted(directory: Path) -> dict[tuple[str, str], float]:
    """The requests that were counted at all, by result and reason."""
    return {
        (sample.labels["result"], sample.labels["reason"]): sample.value
        for sample in collect(directory)
        if sample.name == REQUESTS and sample.value
    }


def run_worker(directory: Path, metrics_id: int) -> None:
    """Let a worker live and end."""
    run([sys.executable, "-c", WORKER, str(directory), str(metrics_id)])


def test_every_reason_is_there_from_the_start(tmp_path: Path, make: Make) -> None:
    """At zero, each under the one result that it can have: a rate over what has not happened yet is 0."""
    make(0)
    found = {
        (sample.labels["result"], sample.labels["reason"]): sample.value
        for sample in collect(tmp_path)
        if sample.name == REQUESTS
    }
    refused = {("dropped" if reason in DROP_REASONS else "denied", reason.value): 0.0 for reason in Reason}
    assert {("allowed", ""): 0.0} | refused == found


def test_decisions_are_counted_by_result_and_reason(tmp_path: Path, make: Make) -> None:
    """One at a time, or as many as a storm has dropped."""
    metrics = make(0)
    for _ in range(3):
        metrics.count_allowed()
    metrics.count_refused(Reason.TOKEN_EXPIRED)
    metrics.count_refused(Reason.REQUEST_OVERFLOW, 500)
    expected = {("allowed", ""): 3.0, ("denied", "token_expired"): 1.0, ("dropped", "request_overflow"): 500.0}
    assert expected == counted(tmp_path)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_can_be_counted(tmp_path: Path, make: Make, reason: Reason) -> None:
    """Under its value, as in the log."""
    make(0).count_refused(reason)
    assert [(reason.value, 1.0)] == [(name, value) for (_, name), value in counted(tmp_path).items()]


def test_no_label_says_whose_request_it_was(tmp_path: Path, make: Make) -> None:
    """A label with a ServiceAccount's name would grow without bound."""
    make(0).observe_duration(0.1)
    assert {"result", "reason", "le"} == {label for sample in collect(tmp_path) for label in sample.labels}


def test_durations_fall_into_buckets(tmp_path: Path, make: Make) -> None:
    """Up to the second and a half that a decision has in all, and beyond."""
    metrics = make(0)
    for seconds in (0.00005, 0.0001, 0.0003, 1.5, 2.0):
        metrics.observe_duration(seconds)
    found = {sample.labels["le"]: sample.value for sample in collect(tmp_path) if sample.name == f"{DURATION}_bucket"}
    assert [str(bound) for bound in DURATION_BUCKETS] + ["+Inf"] == list(found)
    assert (2.0, 3.0, 4.0, 5.0) == (found["0.0001"], found["0.0005"], found["1.5"], found["+Inf"])
    (total,) = (sample.value for sample in collect(tmp_path) if sample.name == f"{DURATION}_sum")
    assert pytest.approx(3.50045) == total


def test_a_worker_that_is_started_again_goes_on_counting(tmp_path: Path) -> None:
    """In the file of the one before: counters do not fall, and files do not pile up."""
    for _ in range(3):
        run_worker(tmp_path, 0)
    assert {("allowed", ""): 3.0, ("denied", "token_expired"): 3.0} == counted(tmp_path)
    assert {"counter_0.db", "histogram_0.db"} == {path.name for path in tmp_path.iterdir()}


def test_workers_add_up(tmp_path: Path) -> None:
    """Each has a file of its own, by the number that the supervisor gave it."""
    for metrics_id in (0, 1, 7):
        run_worker(tmp_path, metrics_id)
    assert counted(tmp_path)["allowed", ""] == 3
    assert {f"counter_{number}.db" for number in (0, 1, 7)} == {path.name for path in tmp_path.glob("counter_*")}


def test_a_page_can_be_read_while_workers_start(make: Make, tmp_path: Path) -> None:
    """A file that has just been made never makes the page fail."""
    stop, faults = threading.Event(), []

    def read() -> None:
        while not stop.is_set():
            try:
                collect(tmp_path)
            except Exception as error:  # noqa: BLE001  # whatever it is, the page would fail with it
                faults.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for number in range(60):
        make(number)
    stop.set()
    reader.join()
    assert faults == []
