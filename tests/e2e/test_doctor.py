"""`callout doctor` on a real Kubernetes API: what it finds there, and that the commands which it names mend it."""

import json
import shlex
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.commands import attempt
from tests.e2e.cluster import Cluster
from tests.e2e.workloads import Workload, grant_discovery, grant_watch, make_callout, make_kubeconfig, unique
from tests.minting import Issuer, NatsKey

DOCTOR = (str(Path(sys.prefix) / "bin/callout"), "doctor", "--json")
DOCTOR_SECONDS = 120
OURS = "nats-k8s-oidc-callout"


class Patient:
    """A service that would run as that ServiceAccount, with no NATS server there: all that is asked is the cluster."""

    def __init__(self, cluster: Cluster, callout: Workload, folder: Path) -> None:
        seed = folder / "signing.nk"
        seed.write_text(NatsKey.generate("account").seed)
        seed.chmod(0o600)
        self.environ = make_kubeconfig(cluster, callout) | {
            "NATS_URL": "nats://127.0.0.1:1",
            "NATS_ACCOUNT": "APP",
            "NATS_SIGNING_KEY_FILE": str(seed),
        }

    def examine(self, *arguments: str) -> dict[str, dict[str, Any]]:
        """What is found, by check."""
        done = attempt((*DOCTOR, *arguments), env={"PATH": "/usr/bin:/bin", **self.environ}, timeout=DOCTOR_SECONDS)
        assert "" == done.stderr
        assert "eyJ" not in done.stdout
        return {finding["check"]: finding for finding in json.loads(done.stdout)["findings"]}


@pytest.fixture
def callout(cluster: Cluster) -> Workload:
    """The service's own ServiceAccount, with no rights."""
    return make_callout(cluster)


def run_all(cluster: Cluster, mend: str) -> None:
    """Run the kubectl commands of a finding, as whoever reads it would."""
    for command in mend.split(" && "):
        program, *words = shlex.split(command)
        assert "kubectl" == program
        cluster.kubectl(*words)


def test_what_it_names_grants_what_is_missing(cluster: Cluster, callout: Workload, tmp_path: Path) -> None:
    """First nothing is allowed; with its commands pasted, everything is."""
    patient = Patient(cluster, callout, tmp_path)
    finding = patient.examine()["cluster rights"]
    who = f"system:serviceaccount:{callout.namespace}:{callout.name}"
    assert ("wrong", True) == (finding["severity"], finding["what"].startswith(f"{who} may not list ServiceAccounts"))
    names = (("clusterrole", OURS), ("clusterrolebinding", OURS), ("clusterrolebinding", f"{OURS}-discovery"))
    try:
        run_all(cluster, finding["mend"])
        found = patient.examine()
    finally:
        for kind, name in names:  # they are the whole cluster's, and other tests count on their absence
            cluster.kubectl("delete", kind, name, "--ignore-not-found")
    assert {"ok"} == {found[check]["severity"] for check in ("cluster rights", "key set", "issuer", "clocks")}


def test_one_namespace_needs_no_more_than_a_role(cluster: Cluster, callout: Workload, tmp_path: Path) -> None:
    """And the role that is named for it does."""
    grant_discovery(cluster, callout)
    patient = Patient(cluster, callout, tmp_path)
    patient.environ["K8S_NAMESPACE"] = callout.namespace
    mend = patient.examine()["cluster rights"]["mend"]
    assert "clusterrole" not in mend
    run_all(cluster, mend)
    assert "ok" == patient.examine()["cluster rights"]["severity"]


def test_a_token_is_made_and_judged(cluster: Cluster, callout: Workload, tmp_path: Path) -> None:
    """By whoever may make one; who may not is told how to get one."""
    grant_watch(cluster, callout)
    grant_discovery(cluster, callout)
    workload = Workload(cluster, unique("orders"), "checkout")
    who = f"{workload.namespace}/{workload.name}"
    patient = Patient(cluster, callout, tmp_path)
    refused = patient.examine("--serviceaccount", who)["token"]
    again = f"kubectl create token -n {workload.namespace} checkout --audience=nats >token"
    assert ("unknown", True) == (refused["severity"], refused["mend"].startswith(again))
    assert "status 403" in refused["what"]
    member = f"{callout.namespace}:{callout.name}"
    rule = ("--verb=create", "--resource=serviceaccounts/token", "--namespace", workload.namespace)
    cluster.kubectl("create", "role", "tokens", *rule)
    cluster.kubectl(
        "create",
        "rolebinding",
        "tokens",
        "--role=tokens",
        "--serviceaccount",
        member,
        "--namespace",
        workload.namespace,
    )
    made = patient.examine("--serviceaccount", who)["token"]
    assert ("ok", f"the token is good, and of {who}") == (made["severity"], made["what"])


def test_a_token_of_a_serviceaccount_that_is_gone(cluster: Cluster, callout: Workload, tmp_path: Path) -> None:
    """Unknown, or made again: each by its own words."""
    grant_watch(cluster, callout)
    grant_discovery(cluster, callout)
    workload = Workload(cluster, unique("orders"), "checkout")
    patient = Patient(cluster, callout, tmp_path)
    token = tmp_path / "token"
    token.write_text(workload.token())
    assert "ok" == patient.examine("--token", str(token))["token"]["severity"]
    workload.delete()
    assert "serviceaccount_unknown" in patient.examine("--token", str(token))["token"]["what"]
    workload.create()
    assert "serviceaccount_recreated" in patient.examine("--token", str(token))["token"]["what"]


def test_another_clusters_keys_are_found(cluster: Cluster, callout: Workload, tmp_path: Path) -> None:
    """A key set from a file is compared with the API server's own."""
    grant_watch(cluster, callout)
    grant_discovery(cluster, callout)
    (tmp_path / "keys").write_text(json.dumps(Issuer.generate("ES256").jwks()))
    patient = Patient(cluster, callout, tmp_path)
    patient.environ |= {"JWKS_PATH": str(tmp_path / "keys"), "JWT_ISSUER": cluster.issuer}
    assert "unset JWKS_URL JWKS_PATH" in patient.examine()["issuer"]["mend"]
