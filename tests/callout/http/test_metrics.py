"""callout.http.metrics: the page /metrics."""

from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from callout.http.metrics import MetricsPage
from tests.readings import READINGS
from workers.metrics import WorkerMetrics
from workers.reasons import Reason


def samples(page: MetricsPage) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """The page's samples, by name and labels."""
    _, body = page.render(READINGS)
    families = text_string_to_metric_families(body.decode())
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


@pytest.mark.parametrize(
    ("name", "labels", "expected"),
    [
        ("nats_auth_build", (("version", "1.2.3"),), 1),
        ("nats_auth_start_time_seconds", (), 1000),
        ("nats_auth_ready", (), 1),
        ("nats_auth_snapshot_serviceaccounts", (), 7),
        ("nats_auth_snapshot_bytes", (), 4096),
        ("nats_auth_snapshot_limit_bytes", (), 8192),
        ("nats_auth_snapshot_age_seconds", (), 1.5),
        ("nats_auth_keyset_age_seconds", (), 60),
        ("nats_auth_keyset_max_age_seconds", (), 300),
        ("nats_auth_watch_connected", (), 0),
        ("nats_auth_watch_restarts_total", (), 4),
        ("nats_auth_watch_garbage_total", (), 8),
        ("nats_auth_watch_skipped_total", (), 9),
        ("nats_auth_worker_restarts_total", (), 5),
        ("nats_auth_workers", (("state", "serving"),), 2),
        ("nats_auth_workers", (("state", "disconnected"),), 0),
        ("nats_auth_filtered_subjects_total", (("reason", "invalid"), ("side", "pub")), 6),
        ("nats_auth_filtered_subjects_total", (("reason", "too_many"), ("side", "sub")), 0),
        ("nats_auth_credential_expiry_timestamp_seconds", (("credential", "user_jwt"),), 2000),
        ("nats_auth_credential_expiry_timestamp_seconds", (("credential", "client_certificate"),), 3000),
    ],
)
def test_readings_are_on_the_page(
    tmp_path: Path, name: str, labels: tuple[tuple[str, str], ...], expected: float
) -> None:
    """What the supervisor knows is read at that moment."""
    assert samples(MetricsPage(tmp_path))[name, labels] == expected


def test_workers_counts_are_added_up(tmp_path: Path) -> None:
    """Two workers count into files of their own; the page shows the sum."""
    for number in range(2):
        worker = WorkerMetrics(str(tmp_path), number)
        worker.count_allowed()
        worker.count_refused(Reason.TOKEN_EXPIRED, 3)
    found = samples(MetricsPage(tmp_path))
    assert found["nats_auth_requests_total", (("reason", ""), ("result", "allowed"))] == 2
    assert found["nats_auth_requests_total", (("reason", "token_expired"), ("result", "denied"))] == 6


def test_every_name_is_ours_and_labels_are_few(tmp_path: Path) -> None:
    """No label holds a name from the cluster, so their number is fixed."""
    WorkerMetrics(str(tmp_path), 0)
    found = samples(MetricsPage(tmp_path))
    assert {name for name, _ in found if not name.startswith("nats_auth_")} == set()
    assert {label for _, labels in found for label, _ in labels} == {
        "credential",
        "le",
        "reason",
        "result",
        "side",
        "state",
        "version",
    }
