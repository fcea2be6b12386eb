"""A cluster of thousands of ServiceAccounts whose API server goes away: logins go on, and no change is lost."""

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.deployment import Deployment, logged, until_denied, until_said
from tests.e2e.nats_cli import Logins
from tests.e2e.road import Road
from tests.e2e.workloads import Workload, count_all, make_callout_with_rights, make_kubeconfig, make_many, unique
from tests.kubeconfigs import write_kubeconfig
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until_sync

NUMBER = 5000
"""Ten pages of a list."""
WATCH_FAILS = "the watch of ServiceAccounts has failed and goes on"


@pytest.fixture(scope="module")
def large_cluster(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A cluster apart: nobody else's tests should list all that."""
    with Cluster(tools, tmp_path_factory.mktemp("large")) as running:
        make_many(running, "crowd", NUMBER)
        yield running


@pytest.fixture(scope="module")
def deployment(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One NATS for all tests here."""
    with Deployment(tools, tmp_path_factory.mktemp("deployment")) as running:
        yield running


def _is_connected(service: Service) -> bool:
    return bool(json.loads(service.get("/health")[1])["watch_connected"])


def _known(service: Service) -> int:
    known: int = json.loads(service.get("/health")[1])["serviceaccounts"]
    return known


def test_a_restart_of_the_api_server_costs_no_login(large_cluster: Cluster, deployment: Deployment) -> None:
    """Logins go on while it is down, and changes arrive when it is back."""
    callout = make_callout_with_rights(large_cluster)
    checkout = Workload(large_cluster, unique("orders"), "checkout")
    with (
        deployment.serve(make_kubeconfig(large_cluster, callout)) as service,
        Logins(deployment.nats, checkout.token()) as logins,
    ):
        assert NUMBER < logged(service, "ready")["serviceaccounts"] == count_all(large_cluster)
        large_cluster.kill()
        until_sync(lambda: not _is_connected(service), PATIENCE_SECONDS, "the outage is noticed")
        logins.more()
        assert _known(service) > NUMBER
        assert service.get("/readyz")[0] == 200
        large_cluster.start()
        newcomer = Workload(large_cluster, checkout.namespace, "newcomer")
        deployment.nats.until_let_in(newcomer.token())
        logins.more()
        assert count_all(large_cluster) == _known(service)
        assert [] == logins.refusals


def test_changes_that_nobody_can_tell_of_any_more_arrive(
    large_cluster: Cluster, deployment: Deployment, tmp_path: Path
) -> None:
    """The service is cut off while things change and etcd forgets (410 Gone): it lists again, and nothing is missed."""
    callout = make_callout_with_rights(large_cluster)
    namespace = unique("orders")
    names = ("checkout", "leaver", "changer", "twin")
    checkout, leaver, changer, twin = (Workload(large_cluster, namespace, name) for name in names)
    old = {one.name: one.token() for one in (checkout, leaver, changer, twin)}
    with (
        Road(urlsplit(large_cluster.url).port or 0) as road,
        deployment.serve(_variables(large_cluster, callout, road, tmp_path)) as service,
        Logins(deployment.nats, old["checkout"]) as logins,
    ):
        assert all(deployment.nats.lets_in(token) for token in old.values())
        road.close()
        until_sync(lambda: not _is_connected(service), PATIENCE_SECONDS, "the outage is noticed")
        leaver.delete()
        twin.delete()
        twin.create()
        changer.annotate(pub="audit.orders")
        newcomer = Workload(large_cluster, namespace, "newcomer").token()
        large_cluster.expire_versions()
        logins.more()
        assert deployment.nats.lets_in(old["leaver"])  # nobody can know better yet
        assert not deployment.nats.lets_in(newcomer)
        until_denied(service, "serviceaccount_unknown")
        road.open()
        until_said(service, WATCH_FAILS, "410")
        deployment.nats.until_let_in(newcomer)
        assert not deployment.nats.lets_in(old["leaver"])
        assert not deployment.nats.lets_in(old["twin"])
        until_denied(service, "serviceaccount_recreated")
        assert deployment.nats.lets_in(twin.token())
        deployment.nats(old["changer"], "pub", "audit.orders", "hello")
        assert deployment.nats.lets_in(large_cluster.create_token("crowd", f"sa-{NUMBER - 1}", "--audience=nats"))
        assert count_all(large_cluster) == _known(service)
        logins.more()
        assert [] == logins.refusals


def _variables(cluster: Cluster, callout: Workload, road: Road, folder: Path) -> dict[str, str]:
    """The variables for a service that goes to the API server by that road."""
    kubeconfig = folder / "kubeconfig"
    token = cluster.create_token(callout.namespace, callout.name)
    write_kubeconfig(
        kubeconfig,
        {"server": f"https://127.0.0.1:{road.port}", "certificate-authority": str(cluster.ca_file)},
        {"token": token},
    )
    return {"K8S_IN_CLUSTER": "false", "KUBECONFIG": str(kubeconfig)}
