"""The service in a pod: its ServiceAccount's rights and no others, token and CA from where the kubelet puts them."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.authority import Authority
from tests.e2e.cluster import API_NAME, Cluster
from tests.e2e.deployment import Deployment, logged, until_denied, until_said, until_so
from tests.e2e.nats_cli import Logins
from tests.e2e.pod import Pod, need_mounts
from tests.e2e.workloads import (
    DISCOVERY,
    Workload,
    grant_discovery,
    grant_watch,
    make_callout,
    make_callout_with_rights,
    unique,
)
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until_sync

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
WATCH_FAILS = "the watch of ServiceAccounts has failed and goes on"
NO_KEYS = "there is no key set yet, so nobody is let in; trying again"


@pytest.fixture(scope="module", autouse=True)
def _nobody_reads_the_keys_by_default(cluster: Cluster) -> Iterator[None]:
    """Take from all ServiceAccounts what Kubernetes grants them, as some administrators do, and give it back."""
    kubectl, binding = cluster.kubectl, ("clusterrolebinding", DISCOVERY)
    subjects = kubectl.read(*binding)["subjects"]
    kubectl("annotate", "--overwrite", *binding, f"{AUTOUPDATE}=false")
    kubectl("patch", *binding, "--type=json", '--patch=[{"op": "remove", "path": "/subjects"}]')
    anybody = Workload(cluster, unique("nobody"), "nobody")
    until_sync(lambda: not anybody.may("get", "/openid/v1/jwks"), PATIENCE_SECONDS, "nobody may read the keys")
    yield
    kubectl("patch", *binding, "--type=merge", f"--patch={json.dumps({'subjects': subjects})}")
    kubectl("annotate", "--overwrite", *binding, f"{AUTOUPDATE}=true")


@pytest.fixture(scope="module")
def deployment(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """One NATS for all tests here."""
    with Deployment(tools, tmp_path_factory.mktemp("deployment"), "--xkey") as running:
        yield running


@pytest.fixture
def pod(cluster: Cluster, tmp_path: Path) -> Pod:
    """A pod whose token is still to be written."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    need_mounts(folder)
    return Pod(cluster, folder)


def _is_ready(service: Service) -> bool:
    return service.get("/readyz")[0] == 200


def _missing(service: Service) -> list[str]:
    missing: list[str] = json.loads(service.get("/readyz")[1])["missing"]
    return missing


def _has_warned(service: Service, problem: str) -> bool | None:
    return any(line["problem"].startswith(problem) for line in service.log_lines("setting")) or None


def test_its_own_rights_suffice(cluster: Cluster, deployment: Deployment, pod: Pod) -> None:
    """A client made, annotated and given a token by kubectl may publish what its namespace and annotation allow."""
    callout = make_callout_with_rights(cluster)
    pod.renew_token(callout.token(f"--audience={cluster.issuer}"))
    checkout = Workload(cluster, unique("orders"), "checkout")
    checkout.annotate(pub="audit.orders")
    with deployment.serve(pod.variables, command=pod.command) as service:
        token = checkout.token()
        deployment.nats(token, "pub", f"{checkout.namespace}.created", "hello")
        deployment.nats(token, "pub", "audit.orders", "hello")
        refused = deployment.nats.attempt(token, "pub", "payments.orders", "hello")
        assert "Permissions Violation" in refused.stderr
        assert cluster.issuer == logged(service, "key set in force")["issuers"]
        # The cluster is shared: others' ServiceAccounts may have annotations that are warned of.
        own = (None, checkout.namespace)
        assert [] == [line for line in service.log_lines(level="warning") if line.get("namespace") in own]


def test_its_own_token_tells_what_is_set_wrongly(cluster: Cluster, deployment: Deployment, pod: Pod) -> None:
    """It has the cluster's issuer, and all that the API server is called, as the token has that each pod has."""
    pod.renew_token(make_callout_with_rights(cluster).token("--duration=1h"))
    wrong = {"JWT_ISSUER": "https://other.example", "JWT_AUDIENCE": f"nats,{API_NAME}"}
    with deployment.serve(pod.variables | wrong, command=pod.command) as service:
        for problem in (
            f"JWT_AUDIENCE: {API_NAME} is for the API server, so the token that each pod has by default logs in to ",
            f"JWT_ISSUER: this cluster's tokens are of {cluster.issuer}, so they are refused; taken are those of ",
        ):
            until_so(service, partial(_has_warned, service, problem), problem)


def test_a_renewed_token_takes_effect(cluster: Cluster, deployment: Deployment, pod: Pod) -> None:
    """With the first token revoked, the second one serves the next request; there is no failure in between."""
    callout = make_callout_with_rights(cluster)

    def bound_token(secret: str) -> str:
        cluster.kubectl("create", "secret", "generic", secret, "--namespace", callout.namespace)
        return callout.token("--bound-object-kind=Secret", f"--bound-object-name={secret}")

    pod.renew_token(bound_token("first"))
    with deployment.serve(pod.variables, command=pod.command) as service:
        pod.renew_token(bound_token("second"))
        cluster.kubectl("delete", "secret", "first", "--namespace", callout.namespace)
        cluster.kill()  # it forgets which tokens it has found good
        cluster.start()
        deployment.nats.until_let_in(Workload(cluster, unique("orders"), "checkout").token())
        assert [] == [line for line in service.log_lines(WATCH_FAILS) if "401" in line["error"]]


def test_a_token_that_is_not_taken_is_named_and_mended(cluster: Cluster, deployment: Deployment, pod: Pod) -> None:
    """A token for somebody else is a 401; the operator reads so, and a good one mends it without a restart."""
    callout = make_callout_with_rights(cluster)
    pod.renew_token(callout.token("--audience=nats"))
    with deployment.serve(pod.variables, command=pod.command, wait=False) as service:
        for event in (WATCH_FAILS, NO_KEYS):
            until_said(service, event, "the API server does not accept our credentials (401)")
        assert not _is_ready(service)
        pod.renew_token(callout.token(f"--audience={cluster.issuer}"))
        logged(service, "ready")


def test_a_renewed_authority_takes_effect(cluster: Cluster, deployment: Deployment, pod: Pod) -> None:
    """An API server of another CA is not trusted, and logins go on; with the new CA mounted the watch is well again."""
    callout = make_callout_with_rights(cluster)
    pod.renew_token(callout.token(f"--audience={cluster.issuer}"))
    checkout = Workload(cluster, unique("orders"), "checkout")
    with (
        deployment.serve(pod.variables, command=pod.command) as service,
        Logins(deployment.nats, checkout.token()) as logins,
    ):
        Authority(cluster.ca_file.parent, "kubernetes", ("kubernetes.default.svc",))
        cluster.kill()
        cluster.start()
        until_said(service, WATCH_FAILS, "certificate")
        logins.more()
        newcomer = Workload(cluster, checkout.namespace, "newcomer").token()
        assert not deployment.nats.lets_in(newcomer)
        pod.renew_authority()
        deployment.nats.until_let_in(newcomer)
        logged(service, "the watch of ServiceAccounts is well again")
        assert [] == logins.refusals


def test_a_missing_right_to_list_is_named_and_mended(cluster: Cluster, deployment: Deployment, pod: Pod) -> None:
    """Not ready, with the rule to be added in the log; granted, it is ready without a restart."""
    callout = make_callout(cluster)
    grant_discovery(cluster, callout)
    pod.renew_token(callout.token(f"--audience={cluster.issuer}"))
    with deployment.serve(pod.variables, command=pod.command, wait=False) as service:
        said = until_said(service, WATCH_FAILS, "we may not list serviceaccounts in all namespaces (403)")
        assert 'bind a ClusterRole with the rule apiGroups: [""], resources: ["serviceaccounts"]' in said
        logged(service, "key set in force")
        assert "ServiceAccounts" in _missing(service)
        grant_watch(cluster, callout)
        logged(service, "ready")


def test_a_missing_right_to_watch_is_named_and_mended(cluster: Cluster, deployment: Deployment, pod: Pod) -> None:
    """Who may list alone sees the cluster once: the log says that the watch fails; granted, changes arrive."""
    callout = make_callout(cluster)
    grant_discovery(cluster, callout)
    grant_watch(cluster, callout, verbs="get,list")
    pod.renew_token(callout.token(f"--audience={cluster.issuer}"))
    with deployment.serve(pod.variables, command=pod.command) as service:
        until_said(service, WATCH_FAILS, "we may not watch serviceaccounts in all namespaces (403)")
        cluster.kubectl("delete", "clusterrole,clusterrolebinding", callout.namespace)
        grant_watch(cluster, callout)
        deployment.nats.until_let_in(Workload(cluster, unique("orders"), "checkout").token())
        logged(service, "the watch of ServiceAccounts is well again")


def test_a_missing_right_to_read_the_keys_is_named_and_mended(
    cluster: Cluster, deployment: Deployment, pod: Pod
) -> None:
    """Not ready, with the role to be bound in the log; bound, it is ready without a restart."""
    callout = make_callout(cluster)
    grant_watch(cluster, callout)
    pod.renew_token(callout.token(f"--audience={cluster.issuer}"))
    with deployment.serve(pod.variables, command=pod.command, wait=False) as service:
        said = until_said(service, NO_KEYS, "we may not read the issuer's key set (403)")
        assert f"bind the ClusterRole {DISCOVERY}" in said
        assert "key set" in _missing(service)
        grant_discovery(cluster, callout)
        logged(service, "ready")


def test_one_namespace_takes_rights_in_that_one(cluster: Cluster, deployment: Deployment, pod: Pod) -> None:
    """A Role there does, and without it the log names it; clients of other namespaces are unknown."""
    callout = make_callout(cluster)
    grant_discovery(cluster, callout)
    pod.renew_token(callout.token(f"--audience={cluster.issuer}"))
    inside, outside = (Workload(cluster, unique("orders"), "checkout") for _ in range(2))
    variables = pod.variables | {"K8S_NAMESPACE": inside.namespace}
    with deployment.serve(variables, command=pod.command, wait=False) as service:
        said = until_said(service, WATCH_FAILS, f"we may not list serviceaccounts in namespace {inside.namespace}")
        assert "bind a Role with the rule" in said
        assert not _is_ready(service)
        grant_watch(cluster, callout, inside.namespace)
        logged(service, "ready")
        assert deployment.nats.lets_in(inside.token())
        assert not deployment.nats.lets_in(outside.token())
        until_denied(service, "serviceaccount_unknown")
