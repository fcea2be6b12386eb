"""The chart, the plain manifests and the examples on a real API server, in a namespace that enforces `restricted`.

There are no nodes, so no pod ever runs here, and nothing is waited for. That the pods satisfy the standard is shown by
having the template made as a Pod in a dry run: Pod Security admission looks at Pods alone.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.commands import BASH, attempt
from tests.e2e.chart.helm import CHART, RELEASE, VARIANTS, VERSIONS, Helm, find, merge, pod_of, read_objects
from tests.e2e.chart.manifests import BASES
from tests.e2e.cluster import Cluster
from tests.e2e.workloads import unique
from tests.pages import ROOT, blocks

EXAMPLES = ROOT / "k8s/examples"
UPGRADE = ROOT / "docs/upgrade.md"
OTHERS = {"monitoring.coreos.com/v1", "monitoring.grafana.com/v1alpha1"}
"""Kinds of operators that the cluster does not have; tests/e2e/chart looks at them as text."""
RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
KUSTOMIZATIONS = [*BASES, EXAMPLES / "kustomize"]
OWNER_AND_GROUP = 0o440
"""The mode of secret files: the pod's group may read them, and nobody else."""
CLIENTS_POD = EXAMPLES / "clients/pod.yaml"
SERVER_MODE = next(path for path in VARIANTS if path.stem == "server-mode")


def make_namespace(cluster: Cluster, name: str, *, restricted: bool = True) -> str:
    """Make a namespace, unless it is there."""
    metadata = {"name": name, "labels": RESTRICTED if restricted else {}}
    cluster.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    return name


@pytest.fixture
def namespace(cluster: Cluster) -> str:
    """A namespace of the test's own, with Pod Security enforced."""
    return make_namespace(cluster, unique("nats"))


@pytest.fixture
def helm(tools: Path, cluster: Cluster, tmp_path: Path) -> Helm:
    """Helm as the administrator of the cluster."""
    return Helm(tools / "helm", tmp_path, cluster.kubectl.kubeconfig)


def admit(cluster: Cluster, pod: dict[str, Any]) -> str:
    """Have a pod made in a dry run, every field of it known; return what the API server says against it."""
    words = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
    return cluster.kubectl.attempt(*words, stdin=json.dumps(pod)).stderr


def pod_of_job(job: dict[str, Any]) -> dict[str, Any]:
    """The pod template of a CronJob, as a Pod."""
    template = job["spec"]["jobTemplate"]["spec"]["template"]
    metadata = template["metadata"] | {"name": "as-a-pod", "namespace": job["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def find_of_release(cluster: Cluster, namespace: str) -> list[str]:
    """The objects of the release that exist, in its namespace and outside of all."""
    kinds = "deployments,services,serviceaccounts,secrets,configmaps,poddisruptionbudgets,networkpolicies"
    label = f"app.kubernetes.io/instance={RELEASE}"
    inside = cluster.kubectl("get", kinds, "-n", namespace, "-l", label, "-o", "name").split()
    outside = cluster.kubectl("get", "clusterroles,clusterrolebindings", "-l", label, "-o", "name").split()
    return inside + [one for one in outside if one.partition("/")[2].startswith(f"{namespace}-")]


def test_the_namespace_enforces_what_it_says(cluster: Cluster, namespace: str) -> None:
    """A pod that asks for nothing is refused: so being let in means something."""
    cluster.kubectl("create", "serviceaccount", "default", "-n", namespace)
    spec = {"containers": [{"name": "a", "image": "a"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": namespace}, "spec": spec}
    assert 'violates PodSecurity "restricted' in admit(cluster, pod)


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_the_api_server_takes_what_is_rendered(cluster: Cluster, namespace: str, helm: Helm, path: Path) -> None:
    """Whichever Kubernetes it was rendered for: each object by its schema, with no unknown field; and the pods."""
    make_namespace(cluster, "orders")
    for text in {helm.render(path, "--namespace", namespace, version=version) for version in VERSIONS}:
        objects = [one for one in read_objects(text) if one["apiVersion"] not in OTHERS]
        manifest = {"apiVersion": "v1", "kind": "List", "items": objects}
        words = ("apply", "--dry-run=server", "--validate=strict", "-f", "-")
        cluster.kubectl(*words, stdin=json.dumps(manifest))
        account = pod_of(objects)["spec"]["serviceAccountName"]
        metadata = {"name": account, "namespace": namespace}
        cluster.kubectl.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
        assert "" == admit(cluster, pod_of(objects))
        for one in objects:
            if one["kind"] == "CronJob":
                assert "" == admit(cluster, pod_of_job(one))


def test_a_release_lives_and_goes(cluster: Cluster, namespace: str, helm: Helm, tmp_path: Path) -> None:
    """Install, upgrade, roll back, uninstall: each does what it says, and at the end nothing is left."""
    here = ("--namespace", namespace)
    helm("install", RELEASE, str(CHART), *here, "--values", str(SERVER_MODE), "--dry-run=server")
    assert [] == find_of_release(cluster, namespace)

    notes = helm("install", RELEASE, str(CHART), *here, "--values", str(SERVER_MODE))
    assert "STATUS: deployed" in notes
    assert f"deployment/{RELEASE}" in notes
    assert {"deployment.apps", "clusterrole.rbac.authorization.k8s.io", "service", "serviceaccount"} <= {
        one.partition("/")[0] for one in find_of_release(cluster, namespace)
    }
    before = cluster.kubectl.read("deployment", RELEASE, *here)["spec"]
    assert 2 == before["replicas"]
    assert "" == admit(cluster, pod_of(read_objects(helm("get", "manifest", RELEASE, *here))))
    assert {OWNER_AND_GROUP} == find_modes(before)

    more = tmp_path / "more.yaml"
    more.write_text(
        yaml.safe_dump(
            merge(
                yaml.safe_load(SERVER_MODE.read_text()),
                {
                    "replicaCount": 3,
                    "secretEnv": {"NATS_TOKEN": "not-a-real-token"},
                    "ceiling": {"content": "pub: []\nsub: []\n"},
                    "networkPolicy": {"enabled": True, "apiServer": {"cidrs": ["10.0.0.1/32"]}},
                },
            )
        )
    )
    helm("upgrade", RELEASE, str(CHART), *here, "--values", str(more))
    after = cluster.kubectl.read("deployment", RELEASE, *here)["spec"]
    assert (3, f"{RELEASE}-env") == (
        after["replicas"],
        after["template"]["spec"]["containers"][0]["envFrom"][0]["secretRef"]["name"],
    )
    assert {"release/revision": "2"} == after["template"]["metadata"]["annotations"]
    assert f"networkpolicy.networking.k8s.io/{RELEASE}" in find_of_release(cluster, namespace)

    helm("rollback", RELEASE, "1", *here)
    assert before == cluster.kubectl.read("deployment", RELEASE, *here)["spec"]
    assert f"networkpolicy.networking.k8s.io/{RELEASE}" not in find_of_release(cluster, namespace)
    assert [1, 2, 3] == [one["revision"] for one in json.loads(helm("history", RELEASE, *here, "-o", "json"))]

    helm("uninstall", RELEASE, *here)
    assert [] == find_of_release(cluster, namespace)


def ask_in_dry_run(tools: Path, cluster: Cluster, namespace: str) -> dict[str, Any]:
    """The pod that the page on upgrades makes, as the API server would keep it, every field of it known."""
    [commands] = (one.commands for one in blocks(UPGRADE.read_text()) if "kubectl create --filename" in one.commands)
    dry = commands.replace("kubectl create", "kubectl create --dry-run=server --validate=strict --output json")
    search = os.pathsep.join([str(tools), os.environ.get("PATH", os.defpath)])
    done = attempt(
        [*BASH, dry.replace("nats-system", namespace)],
        env={
            "PATH": search,
            "HOME": str(cluster.kubectl.kubeconfig.parent),
            "KUBECONFIG": str(cluster.kubectl.kubeconfig),
        },
    )
    assert (0, "") == (done.returncode, done.stderr)
    pod: dict[str, Any] = json.loads(done.stdout)
    return pod


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_a_new_image_can_be_asked_about_a_release(
    tools: Path, cluster: Cluster, namespace: str, helm: Helm, path: Path
) -> None:
    """A pod that is let in and is nobody's, with all that the release's pods have but the image and what it does."""
    deployment = find(read_objects(helm.render(path, "--namespace", namespace)), "Deployment")
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    metadata = {"name": account, "namespace": namespace}
    cluster.kubectl.apply({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    cluster.kubectl.apply(deployment)
    pod = ask_in_dry_run(tools, cluster, namespace)
    theirs = cluster.kubectl.read("deployment", RELEASE, "--namespace", namespace)["spec"]["template"]["spec"]
    [container] = theirs["containers"]
    its_own = pod["spec"].pop("tolerations")  # the API server adds two to those of each pod
    assert [] == [one for one in theirs.pop("tolerations", []) if one not in its_own]
    changed = {"image": "registry.internal/nats-k8s-oidc-callout:NEW", "args": ["config"]}
    assert theirs | {"restartPolicy": "Never", "containers": [container | changed]} == {
        name: pod["spec"][name] for name in theirs
    }
    assert (namespace, {}) == (pod["metadata"]["namespace"], pod["metadata"].get("labels", {}))
    assert "command" not in container  # the arguments are those of the image's own


def find_modes(deployment: dict[str, Any]) -> set[int]:
    """The modes of the files in volumes."""
    return {one["projected"]["defaultMode"] for one in deployment["template"]["spec"]["volumes"] if "projected" in one}


GO_DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ .Release.Name }}
spec:
  replicas: 1
  selector:
    matchLabels:
      app.kubernetes.io/name: nats-k8s-oidc-callout
      app.kubernetes.io/instance: {{ .Release.Name }}
  template:
    metadata:
      labels:
        app.kubernetes.io/name: nats-k8s-oidc-callout
        app.kubernetes.io/instance: {{ .Release.Name }}
    spec:
      containers:
        - name: nats-k8s-oidc-callout
          image: go-service
"""
"""What matters of the Go service's: names and labels that cannot be changed afterwards."""


def test_a_release_of_the_go_services_chart_can_be_taken_over(
    cluster: Cluster, namespace: str, helm: Helm, tmp_path: Path
) -> None:
    """Scaled down first, for two services must not answer at once; then upgraded with its values, but the image."""
    here = ("--namespace", namespace)
    chart = tmp_path / "go-chart"
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text(f"apiVersion: v2\nname: {RELEASE}\nversion: 0.0.1\n")
    (chart / "templates/deployment.yaml").write_text(GO_DEPLOYMENT)
    helm("install", RELEASE, str(chart), *here)
    cluster.kubectl("scale", "--replicas=0", f"deployment/{RELEASE}", *here)
    [values] = (path for path in VARIANTS if path.stem == "go-service")
    no_operators = ("--set", "metrics.podMonitor.enabled=false,logs.podLogs.enabled=false")
    helm("upgrade", RELEASE, str(CHART), *here, "--values", str(values), *no_operators)
    spec = cluster.kubectl.read("deployment", RELEASE, *here)["spec"]
    images = [one["image"] for one in spec["template"]["spec"]["containers"]]
    assert (1, ["registry.internal/nats-k8s-oidc-callout:1"]) == (spec["replicas"], images)
    helm("uninstall", RELEASE, *here)
    assert [] == find_of_release(cluster, namespace)


def test_two_releases_of_one_name_keep_apart(cluster: Cluster, helm: Helm) -> None:
    """In two namespaces; one that goes leaves the other its rights."""
    one, other = (make_namespace(cluster, unique("nats")) for _ in range(2))
    for namespace in (one, other):
        helm("install", RELEASE, str(CHART), "--namespace", namespace, "--values", str(SERVER_MODE))
    helm("uninstall", RELEASE, "--namespace", one)
    assert may(cluster, other, "list", "serviceaccounts", "--all-namespaces")
    assert not may(cluster, one, "list", "serviceaccounts", "--all-namespaces")


def may(cluster: Cluster, namespace: str, *words: str) -> bool:
    """Tell whether the release's ServiceAccount may do something."""
    identity = f"--as=system:serviceaccount:{namespace}:{RELEASE}"
    return cluster.kubectl.attempt("auth", "can-i", *words, identity).returncode == 0


@pytest.mark.parametrize("watched", ["", "orders"], ids=["everywhere", "one-namespace"])
def test_the_rights_are_those_that_the_service_needs(
    cluster: Cluster, namespace: str, helm: Helm, watched: str
) -> None:
    """ServiceAccounts, to be looked at, where they are served; the issuer's pages; nothing else."""
    make_namespace(cluster, "orders")
    words = ("--namespace", namespace, "--values", str(SERVER_MODE), "--set", f"watchNamespace={watched}")
    helm("install", RELEASE, str(CHART), *words)
    for verb in ("get", "list", "watch"):
        assert may(cluster, namespace, verb, "serviceaccounts", "--namespace=orders")
        assert (not watched) == may(cluster, namespace, verb, "serviceaccounts", "--all-namespaces")
    for path in ("/openid/v1/jwks", "/.well-known/openid-configuration"):
        assert may(cluster, namespace, "get", path)
    for verb in ("create", "update", "patch", "delete"):
        assert not may(cluster, namespace, verb, "serviceaccounts", "--namespace=orders")
    assert not may(cluster, namespace, "create", "serviceaccounts", "--subresource=token", "--namespace=orders")
    assert not may(cluster, namespace, "get", "secrets", "--namespace", namespace)
    helm("uninstall", RELEASE, "--namespace", namespace)


def test_no_network_policy_keeps_the_node_of_a_pod_out(cluster: Cluster) -> None:
    """The chart's values refer to it: the API itself says so."""
    described = cluster.kubectl("explain", "networkpolicy.spec.ingress").split()
    assert "OR if the traffic source is the pod's local node" in " ".join(described)


@pytest.mark.parametrize("folder", KUSTOMIZATIONS, ids=lambda path: path.name)
def test_the_plain_manifests_are_taken(cluster: Cluster, folder: Path) -> None:
    """`kubectl apply -k`, in the namespace that they name, with every field known; and the pods are let in."""
    make_namespace(cluster, "nats-system")
    cluster.kubectl("apply", "--validate=strict", "-k", str(folder))
    objects = read_objects(cluster.kubectl("kustomize", str(folder)))
    assert "" == admit(cluster, pod_of(objects))
    assert {OWNER_AND_GROUP} == find_modes(cluster.kubectl.read("deployment", RELEASE, "-n", "nats-system")["spec"])
    binding = find(objects, "ClusterRoleBinding")["subjects"]
    assert [{"kind": "ServiceAccount", "name": RELEASE, "namespace": "nats-system"}] == binding
    assert may(cluster, "nats-system", "watch", "serviceaccounts", "--all-namespaces")
    cluster.kubectl("delete", "-k", str(folder), "--wait=false")


def find_manifests() -> list[Path]:
    """The examples that are objects of Kubernetes, not values or kustomizations."""
    found = (path for path in EXAMPLES.rglob("*.yaml") if path.name != "kustomization.yaml")
    return sorted(path for path in found if all("kind" in one for one in yaml.safe_load_all(path.read_text())))


@pytest.mark.parametrize("path", find_manifests(), ids=lambda path: path.name)
def test_an_example_is_taken(cluster: Cluster, path: Path) -> None:
    """`kubectl apply`, with every field known; the pods of a Deployment are let in where `restricted` is enforced."""
    objects = [item for one in read_objects(path.read_text()) for item in one.get("items", [one])]
    for name in {one["metadata"]["namespace"] for one in objects if "namespace" in one["metadata"]}:
        make_namespace(cluster, name, restricted=path != CLIENTS_POD)
        for account in ("default", *find_accounts(objects)):
            cluster.kubectl.apply(
                {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": account, "namespace": name}}
            )
    cluster.kubectl("apply", "--validate=strict", "-f", str(path))
    for one in objects:
        if one["kind"] == "Deployment":
            assert "" == admit(cluster, pod_of([one]))


def find_accounts(objects: list[dict[str, Any]]) -> set[str]:
    """The ServiceAccounts of pods."""
    return {one["spec"]["serviceAccountName"] for one in objects if one["kind"] == "Pod"}


def test_there_are_examples_to_take() -> None:
    """The client that the documentation leads to is among them."""
    assert {"client.yaml", "pod.yaml", "orders.yaml"} <= {path.name for path in find_manifests()}
