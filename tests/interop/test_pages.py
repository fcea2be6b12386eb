"""The HTTP pages over the life of a service: what they say before, while and after it can decide logins."""

import json
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.interop.key_server import KeyServer
from tests.interop.operation import PLAIN, is_let_in, serve, until_serving
from tests.standstill import stopped
from tests.waiting import PATIENCE_SECONDS, until

ENDS = "nats_auth_credential_expiry_timestamp_seconds"
DOCUMENTATION = Path(__file__).parents[2] / "docs/how-it-works.md"
DESCRIBED = re.compile(r"^\| `(nats_auth_\w+)` \| ([\w, ]*) \| ", re.MULTILINE)
"""A row of the documentation's table: a metric and its labels."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """One environment: none of this depends on the server."""
    with Environment(PLAIN, tmp_path_factory.mktemp("nats")) as running:
        yield running


@pytest.fixture
def cluster(tmp_path: Path) -> ChangingCluster:
    """A cluster with a ServiceAccount whose name and namespace would be recognised anywhere."""
    made = ChangingCluster(tmp_path)
    made.put("conspicuous", "checkout", pub=["_INBOX.>"])
    return made


async def test_ready_is_who_has_keys_serviceaccounts_and_a_worker(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Until then /readyz says no and what is missing, while /livez and /health say yes; at the end it says no again."""
    with KeyServer({}, max_age=1) as server:
        async with serve(environment, cluster, wait=False, JWKS_PATH="", JWKS_URL=server.url) as service:

            def missing() -> list[str]:
                status, body = service.get("/readyz")
                told = json.loads(body)
                assert (200 if told["ready"] else 503) == status
                assert told["ready"] == (not told["missing"])
                found: list[str] = told["missing"]
                return found

            await until(
                lambda: missing() == ["key set", "worker subscribed to NATS"], PATIENCE_SECONDS, "only keys are missing"
            )
            assert [200, 200] == [service.get(page)[0] for page in ("/livez", "/health")]
            assert 0 == service.metric("nats_auth_ready")
            server.document = json.loads(cluster.jwks.read_text())
            await until_serving(service)
            assert [] == missing()
            assert 1 == service.metric("nats_auth_ready")
            with stopped(*service.worker_pids()):
                os.kill(service.pid, signal.SIGTERM)
                await service.logged("draining")
                assert ["a service that is not stopping"] == missing()
                assert [200, 200] == [service.get(page)[0] for page in ("/livez", "/health")]
            assert 0 == await service.ended()


async def test_every_metric_of_the_documentation_is_there(environment: Environment, cluster: ChangingCluster) -> None:
    """With the labels that it says, and no other metric of ours besides."""
    rows = DESCRIBED.findall(DOCUMENTATION.read_text())
    described = {name: {label for label in labels.split(", ") if label} for name, labels in rows}
    async with serve(environment, cluster) as service:
        assert await is_let_in(environment, cluster.token("conspicuous", "checkout"))
        assert not await is_let_in(environment, cluster.token("conspicuous", "nobody"))
        _, body = service.get("/metrics")
        labels: dict[str, set[str]] = {}
        for family in text_string_to_metric_families(body.decode()):
            name = f"{family.name}_total" if family.type == "counter" else family.name
            labels[name] = {label for sample in family.samples for label in sample.labels} - {"le"}
        assert set() == labels.pop(ENDS)  # what this service logs in with has no end
        assert described == labels | {ENDS: {"credential"}}
        assert 1 == service.metric("nats_auth_requests_total", result="allowed")
        assert 1 == service.metric("nats_auth_requests_total", result="denied", reason="serviceaccount_unknown")
        assert 2 == service.metric("nats_auth_request_duration_seconds_count")
        assert 1 == service.metric("nats_auth_snapshot_serviceaccounts")
        assert 2 == service.metric("nats_auth_workers", state="serving")
        assert 1 == service.metric("nats_auth_filtered_subjects_total", side="pub", reason="reply_space")
        pages = [service.get(page)[1] for page in ("/", "/livez", "/readyz", "/health", "/metrics", "/nothing")]
        assert [] == [page for page in pages for word in (b"conspicuous", b"checkout", b"nobody") if word in page]
