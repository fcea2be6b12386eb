"""Whose token it is, and for whom it was made: what a real cluster's tokens tell, and what its ServiceAccounts do."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.deployment import Deployment, until_denied
from tests.e2e.workloads import Workload, make_callout_with_rights, make_kubeconfig, unique
from tests.service import Service


@pytest.fixture(scope="module")
def deployment(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One NATS for all tests here."""
    with Deployment(tools, tmp_path_factory.mktemp("deployment"), "--xkey") as running:
        yield running


@pytest.fixture(scope="module")
def variables(cluster: Cluster) -> dict[str, str]:
    """Of a service that has its own rights and no others."""
    return make_kubeconfig(cluster, make_callout_with_rights(cluster))


@pytest.fixture
def service(deployment: Deployment, variables: dict[str, str]) -> Iterator[Service]:
    """Each test reads a log of its own."""
    with deployment.serve(variables) as running:
        yield running


@pytest.fixture
def checkout(cluster: Cluster) -> Workload:
    """A ServiceAccount of the test's own."""
    return Workload(cluster, unique("orders"), "checkout")


def test_a_recreated_serviceaccount_takes_new_tokens_alone(
    deployment: Deployment, service: Service, checkout: Workload
) -> None:
    """The old token is as valid as ever to who has the keys alone; it is refused all the same."""
    old = checkout.token()
    deployment.nats.until_let_in(old)
    checkout.delete()
    checkout.create()
    deployment.nats.until_let_in(checkout.token())
    assert not deployment.nats.lets_in(old)
    until_denied(service, "serviceaccount_recreated")


def test_the_token_of_a_deleted_serviceaccount_is_refused(
    deployment: Deployment, service: Service, checkout: Workload
) -> None:
    """As soon as the watch has told of it; the API server itself would take it for some seconds more."""
    token = checkout.token()
    deployment.nats.until_let_in(token)
    checkout.delete()
    deployment.nats.until_refused(token)
    until_denied(service, "serviceaccount_unknown")


def test_a_token_for_somebody_else_is_refused(
    cluster: Cluster, deployment: Deployment, service: Service, checkout: Workload
) -> None:
    """For another service, or for the API server, as every pod has one by default."""
    deployment.nats.until_let_in(checkout.token("--audience=vault", "--audience=nats"))
    for audience in ("vault", cluster.issuer):
        assert not deployment.nats.lets_in(checkout.token(f"--audience={audience}"))
    until_denied(service, "token_audience")
    assert {"token_audience"} == {line["reason"] for line in service.log_lines("login denied")}


def test_a_token_of_another_cluster_is_refused(
    cluster: Cluster, tools: Path, tmp_path: Path, deployment: Deployment, service: Service, checkout: Workload
) -> None:
    """It has another issuer or another key, be the names the same: first the one is told by itself, then the other."""
    deployment.nats.until_let_in(checkout.token())
    other = Cluster(tools, tmp_path, issuer="https://kubernetes.example.com")
    own_keys, other.keys = other.keys, cluster.keys
    with other:
        namesake = Workload(other, checkout.namespace, checkout.name)
        assert not deployment.nats.lets_in(namesake.token())
        until_denied(service, "token_issuer")
        other.issuer = cluster.issuer
        other.restart(own_keys)
        assert not deployment.nats.lets_in(namesake.token())
        until_denied(service, "token_unknown_key")
        other.restart(cluster.keys)
        assert not deployment.nats.lets_in(namesake.token())
        until_denied(service, "serviceaccount_recreated")  # the uid tells them apart even then
