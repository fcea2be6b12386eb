"""A real Prometheus reads the page of a running service, and has an answer to all that is asked of it."""

from collections.abc import Iterator

import pytest

from tests.idle_service import make_variables
from tests.monitoring.alerts import read_alerts
from tests.monitoring.dashboard import Panel, read_dashboard
from tests.monitoring.prometheus import JOB, Prometheus
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until_sync

NEEDS_MORE = {"Time until credentials end"}
"""Panels that are empty for a service with nothing that ends, as this one is."""
EMPTY_AT_ZERO = {"Requests by result and reason", "Entries of annotations not granted"}
"""Panels that leave out what has not happened."""


@pytest.fixture(scope="module")
def prometheus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    """One that has read the page of a service twice; that service has no NATS to connect to."""
    folder = tmp_path_factory.mktemp("service")
    with Service(make_variables(folder)) as service:
        until_sync(lambda: service.log_lines("key set in force"), PATIENCE_SECONDS, "the key set is there")
        with Prometheus(tmp_path_factory.mktemp("prometheus"), [("replica-0", service.port)], 1) as running:
            read = "count_over_time(nats_auth_keyset_age_seconds[1m]) > 1"
            until_sync(lambda: running.query(read), PATIENCE_SECONDS, "the page was read twice")
            yield running


@pytest.mark.parametrize("panel", read_dashboard().panels, ids=lambda panel: panel.title)
def test_a_panel_has_something_to_show(prometheus: Prometheus, panel: Panel) -> None:
    """Its queries are understood, and find what the service tells."""
    answers = [prometheus.query(query.fill_in("1m")) for query in panel.targets]
    expected = panel.title not in NEEDS_MORE | EMPTY_AT_ZERO
    assert [expected] * len(answers) == [bool(answer) for answer in answers]


def test_the_alerts_are_evaluated(prometheus: Prometheus) -> None:
    """Prometheus has taken every one of them, and none gives an error on real series."""

    def evaluated() -> list[str]:
        rules = prometheus.rules()
        return [] if any(rule["health"] == "unknown" for rule in rules) else [rule["health"] for rule in rules]

    healths = until_sync(evaluated, PATIENCE_SECONDS, "all alerts are evaluated")
    assert ["ok"] * len(read_alerts()) == healths


def test_a_service_without_nats_is_found_out(prometheus: Prometheus) -> None:
    """What is asked about readiness and workers goes by what the service really says; soon somebody would be told."""
    active = {"NatsCalloutNoWorker", "NatsCalloutNotReady"}

    def pending() -> bool:
        return active == {rule["name"] for rule in prometheus.rules() if rule["state"] != "inactive"}

    assert until_sync(pending, PATIENCE_SECONDS, "the two alerts are pending")
    assert [{"job": JOB}] == [one.labels for one in prometheus.query(read_alerts()[1].expr)]
