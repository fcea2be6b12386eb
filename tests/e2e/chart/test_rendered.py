"""What the chart renders is what a cluster takes; and its pods are found, replaced, let through and watched."""

import json
from pathlib import Path
from typing import Final

import pytest
import yaml

from callout.config.values import parse_duration
from callout.supervisor import KILL_GRACE_S
from tests.e2e.chart.helm import CHART, VARIANTS, VERSIONS, Helm, container_of, find, merge, pod_of, read_objects
from tests.e2e.chart.rendering import environment_of, render, variant
from tests.pages import yaml_blocks

KINDS: Final = {
    ("apps/v1", "Deployment"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
    ("batch/v1", "CronJob"),
    ("networking.k8s.io/v1", "NetworkPolicy"),
    ("policy/v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io/v1", "ClusterRole"),
    ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
    ("rbac.authorization.k8s.io/v1", "Role"),
    ("rbac.authorization.k8s.io/v1", "RoleBinding"),
    ("v1", "ConfigMap"),
    ("v1", "Secret"),
    ("v1", "Service"),
    ("v1", "ServiceAccount"),
    ("monitoring.coreos.com/v1", "PodMonitor"),
    ("monitoring.coreos.com/v1", "ServiceMonitor"),
    ("monitoring.grafana.com/v1alpha1", "PodLogs"),
}
"""Those of Kubernetes are in all versions from 1.29 on; the last three are others'."""


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_helm_finds_nothing_to_complain_of(helm: Helm, path: Path) -> None:
    """`helm lint`, with warnings as errors."""
    helm("lint", str(CHART), "--strict", "--kube-version", VERSIONS[0], "--values", str(path))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_every_version_of_kubernetes_gets_the_same(helm: Helm, path: Path, version: str) -> None:
    """Of kinds that it has; but for the pause before a pod stops, which 1.30 does by itself."""
    objects, newest = (read_objects(helm.render(path, version=one)) for one in (version, VERSIONS[-1]))
    assert set() == {(one["apiVersion"], one["kind"]) for one in objects} - KINDS
    pauses = [container_of(one).pop("lifecycle", {}).get("preStop") for one in (objects, newest)]
    assert newest == objects
    if pauses[1]:
        command = {"exec": {"command": ["sleep", "5"]}}
        assert [command if version == VERSIONS[0] else {"sleep": {"seconds": 5}}, {"sleep": {"seconds": 5}}] == pauses


def test_an_older_kubernetes_is_refused(helm: Helm) -> None:
    """Rather than an object that it does not know."""
    run = helm.attempt("template", str(CHART), "--kube-version", "1.28.0", "--values", str(VARIANTS[0]))
    assert 1 == run.code
    assert "chart requires kubeVersion: >=1.29" in run.error


def test_pods_are_replaced_for_variables_and_not_for_files(helm: Helm, tmp_path: Path) -> None:
    """Variables are read at the start alone, files are watched."""
    before = pod_of(render(helm, tmp_path, "created-secrets", {}))
    other_key = pod_of(render(helm, tmp_path, "created-secrets", {"nats": {"signingKey": {"content": "another"}}}))
    assert before == other_key
    assert {"release/revision": "1"} == before["metadata"]["annotations"]  # tests/e2e/test_chart.py sees it rise
    assert "annotations" not in pod_of(render(helm, tmp_path, "server-mode", {}))["metadata"]


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_a_pod_has_the_time_to_drain(helm: Helm, path: Path) -> None:
    """The pause, the drain, and what the supervisor waits for after that."""
    objects = read_objects(helm.render(path))
    pause = container_of(objects).get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    drain = parse_duration(environment_of(objects)["DRAIN_TIMEOUT"])
    assert pause + drain + KILL_GRACE_S < pod_of(objects)["spec"]["terminationGracePeriodSeconds"]


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_what_selects_the_pods_finds_them(helm: Helm, path: Path) -> None:
    """Service, PodDisruptionBudget, NetworkPolicy, monitors; and the Service's port leads to the pages."""
    objects = read_objects(helm.render(path))
    labels = pod_of(objects)["metadata"]["labels"].items()
    selectors = [
        one["spec"].get("podSelector") or one["spec"]["selector"]
        for one in objects
        if one["kind"] in {"PodDisruptionBudget", "NetworkPolicy", "PodMonitor", "PodLogs", "Deployment"}
    ]
    assert [] == [one for one in selectors if not one["matchLabels"].items() <= labels]
    service = find(objects, "Service")
    assert service["spec"]["selector"].items() <= labels
    [port] = container_of(objects)["ports"]
    assert (port["name"], environment_of(objects)["PORT"]) == (
        service["spec"]["ports"][0]["targetPort"],
        str(port["containerPort"]),
    )
    monitors = [one for one in objects if one["kind"] == "ServiceMonitor"]
    assert [] == [
        one
        for one in monitors
        if not one["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    ]


def test_the_network_policy_lets_through_what_is_needed(helm: Helm) -> None:
    """Names over UDP and TCP, NATS by selector, the API server by CIDR and port; and every rule says whereto."""
    policy = find(read_objects(helm.render(variant("large-cluster"))), "NetworkPolicy")["spec"]
    names, nats, api, more = policy["egress"]
    assert [("UDP", 53), ("TCP", 53)] == [(one["protocol"], one["port"]) for one in names["ports"]]
    assert {"app.kubernetes.io/name": "nats"} == nats["to"][0]["podSelector"]["matchLabels"]
    assert (["10.0.0.1/32", "fd00::1/128"], [6443]) == (
        [one["ipBlock"]["cidr"] for one in api["to"]],
        [one["port"] for one in api["ports"]],
    )
    assert "192.0.2.1/32" == more["to"][0]["ipBlock"]["cidr"]
    pages = {"from": [{"namespaceSelector": {}}], "ports": [{"protocol": "TCP", "port": "http"}]}
    assert [pages] == policy["ingress"]
    assert all(rule["to"] for rule in policy["egress"])
    assert ["Ingress", "Egress"] == policy["policyTypes"]


def test_the_number_of_pods_is_left_to_the_autoscaler(helm: Helm) -> None:
    """Otherwise each upgrade would set it back."""
    objects = read_objects(helm.render(variant("large-cluster")))
    assert "replicas" not in find(objects, "Deployment")["spec"]
    assert (
        find(objects, "Deployment")["metadata"]["name"]
        == find(objects, "HorizontalPodAutoscaler")["spec"]["scaleTargetRef"]["name"]
    )


def test_a_roll_out_never_has_fewer_pods(helm: Helm) -> None:
    """A new one is ready before an old one goes; ready is /readyz, alive is /livez."""
    objects = read_objects(helm.render(variant("server-mode")))
    assert {"maxUnavailable": 0, "maxSurge": 1} == find(objects, "Deployment")["spec"]["strategy"]["rollingUpdate"]
    container = container_of(objects)
    probes = ("startupProbe", "livenessProbe", "readinessProbe")
    assert ["/livez", "/livez", "/readyz"] == [container[probe]["httpGet"]["path"] for probe in probes]


def test_rules_and_dashboard_are_those_of_the_files(helm: Helm, tmp_path: Path) -> None:
    """Templates of Prometheus and Grafana in them are left alone."""
    more = {"metrics": {"prometheusRule": {"enabled": True}, "dashboard": {"enabled": True, "namespace": "monitoring"}}}
    objects = render(helm, tmp_path, "server-mode", more)
    assert yaml.safe_load((CHART / "files/alerts.yaml").read_text()) == find(objects, "PrometheusRule")["spec"]
    dashboard = find(objects, "ConfigMap")
    assert ("monitoring", "1") == (
        dashboard["metadata"]["namespace"],
        dashboard["metadata"]["labels"]["grafana_dashboard"],
    )
    [text] = dashboard["data"].values()
    assert json.loads((CHART / "files/dashboard.json").read_text()) == json.loads(text)


def test_alerts_lead_to_the_users_copy_of_the_runbook(helm: Helm, tmp_path: Path) -> None:
    """The value stands before every path, and nothing else in the rules is another."""
    base = "https://git.example.com/platform/callout/blob/main/"
    more = {"metrics": {"prometheusRule": {"enabled": True, "runbookBaseUrl": base}}}
    spec = find(render(helm, tmp_path, "server-mode", more), "PrometheusRule")["spec"]
    expected = yaml.safe_load((CHART / "files/alerts.yaml").read_text())
    for rule in (rule for group in expected["groups"] for rule in group["rules"] if "alert" in rule):
        rule["annotations"]["runbook_url"] = base + rule["annotations"]["runbook_url"]
    assert expected == spec


def test_what_needs_an_operator_is_off_by_default(helm: Helm) -> None:
    """A cluster without its definitions would refuse the whole release."""
    groups = {one["apiVersion"].partition("/")[0] for one in read_objects(helm.render(variant("server-mode")))}
    assert {"apps", "policy", "rbac.authorization.k8s.io", "v1"} == groups


def test_a_large_cluster_is_worked_out_with_what_the_chart_has(helm: Helm, tmp_path: Path) -> None:
    """The values of docs/scaling.md go with any others, and lead to the memory that the page names."""
    page = (CHART.parents[1] / "docs/scaling.md").read_text()
    [block] = (one for one in yaml_blocks(page) if "serviceAccounts" in one)
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(merge(yaml.safe_load(variant("server-mode").read_text()), yaml.safe_load(block))))
    objects = read_objects(helm.render(values))
    deployment, container = find(objects, "Deployment"), container_of(objects)
    resources = container["resources"]
    assert (6, "1") == (deployment["spec"]["replicas"], resources["requests"]["cpu"])
    assert f'container="{container["name"]}"' in page
    assert f"the chart's limit is {resources['limits']['memory'].removesuffix('Mi')} MiB" in page
