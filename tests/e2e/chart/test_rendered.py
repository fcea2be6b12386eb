"""What the chart renders is what the service needs: settings that it reads, files that are there, no more rights."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from callout.bootstrap.helm_values import render_callout_values
from callout.config.loading import load
from callout.config.table import TABLE
from callout.config.values import parse_duration
from callout.policy.ceiling import parse_ceiling
from callout.policy.decision import Rules, decide, make_record
from callout.serviceaccounts import ServiceAccount
from callout.supervisor import KILL_GRACE_S
from tests.callout.bootstrap.sample import deploy
from tests.callout.bootstrap.test_secret_objects import secrets
from tests.e2e.chart.helm import CHART, VARIANTS, VERSIONS, Helm, container_of, find, merge, pod_of, read_objects
from workers.snapshot import SnapshotWriter
from workers.user_jwt import Mode, ResponsePermission

KINDS: Final = {
    ("apps/v1", "Deployment"),
    ("autoscaling/v2", "HorizontalPodAutoscaler"),
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
GIVEN: Final = {"NATS_URL": "nats://callout:password@nats:4222", "KUBERNETES_SERVICE_HOST": "10.96.0.1"}
"""What comes from Secrets that exist already, and from Kubernetes."""
NOT_OURS_TO_SET: Final = {
    "JWKS_PATH": "a file of the user's own: extraEnv, extraVolumes",
    "KUBECONFIG": "the chart runs the service in the cluster that it serves",
    "SERVICEACCOUNTS_PATH": "the same",
    "HTTP_HOST": "the kubelet asks the pod's address",
}
"""Settings without a value in the chart, and why."""
MIB: Final = 1 << 20
TEN: Final = ",".join(f"payments.requests.v{one}.>" for one in range(10))
WORDS: Final = ("aHVudGVyMg==", "aHVudGVyMw==")
"""Two secrets, in base64 as `secretVolume` has to be."""
SAMPLE: Final = 2_000
"""ServiceAccounts that are written to weigh them: enough that a page of LMDB more or less does not show."""


def variant(name: str) -> Path:
    """The values file of that name."""
    [path] = (path for path in VARIANTS if path.stem == name)
    return path


def environment_of(objects: list[dict[str, Any]]) -> dict[str, str]:
    """The variables that the container gets, those from Secrets of the chart among them."""
    container = container_of(objects)
    secret = {one["secretRef"]["name"] for one in container.get("envFrom", [])}
    names = [
        name for one in objects if one["kind"] == "Secret" and one["metadata"]["name"] in secret for name in one["data"]
    ]
    plain = {one["name"]: one["value"] for one in container["env"] if "value" in one}
    return GIVEN | dict.fromkeys(set(names) - set(GIVEN), "a-secret") | plain


def files_of(objects: list[dict[str, Any]]) -> set[str]:
    """The files that the container finds, from Secrets and ConfigMaps."""
    volumes = {one["name"]: one for one in pod_of(objects)["spec"]["volumes"]}
    found = set()
    for mount in container_of(objects)["volumeMounts"]:
        volume = volumes[mount["name"]]
        for source in volume.get("projected", {}).get("sources", []):
            for kind in ("secret", "configMap"):
                found |= {f"{mount['mountPath']}/{one['path']}" for one in source.get(kind, {}).get("items", [])}
    return found


def render(helm: Helm, folder: Path, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Render a variant with some values changed."""
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(merge(yaml.safe_load(variant(name).read_text()), dict(values))))
    return read_objects(helm.render(path))


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


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_the_service_takes_the_settings(helm: Helm, path: Path) -> None:
    """Without an error and without a warning."""
    _, warnings = load(environment_of(read_objects(helm.render(path))))
    assert [] == warnings


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_the_files_that_settings_name_are_mounted(helm: Helm, path: Path) -> None:
    """As a folder, so that a Secret that changes arrives; and none is mounted that nobody reads."""
    objects = read_objects(helm.render(path))
    named = {value for name, value in environment_of(objects).items() if name.endswith("_FILE")}
    mounted = {file for file in files_of(objects) if not file.startswith("/var/run/secrets/kubernetes.io")}
    assert named == mounted
    assert [] == [mount for mount in container_of(objects)["volumeMounts"] if "subPath" in mount]


def test_every_setting_has_a_value_or_a_reason(helm: Helm) -> None:
    """Nobody has to find out by trying."""
    rendered = {name for path in VARIANTS for name in environment_of(read_objects(helm.render(path)))}
    set_by_us = rendered & {setting.name for setting in TABLE} - {"JWKS_PATH"}
    assert {setting.name for setting in TABLE} == set_by_us | set(NOT_OURS_TO_SET)
    assert set() == set_by_us & set(NOT_OURS_TO_SET)


@pytest.mark.parametrize("sealed", [True, False])
def test_what_bootstrap_writes_is_taken(helm: Helm, tmp_path: Path, sealed: bool) -> None:
    """Its values lack the image alone; the Secret that they name has what is mounted."""
    path = tmp_path / "callout.yaml"
    path.write_text(render_callout_values(deploy(xkey=sealed)))
    objects = read_objects(helm.render(path, "--set", "image.repository=registry.internal/x"))
    settings, warnings = load(environment_of(objects))
    assert ([], Mode.OPERATOR) == (warnings, settings.nats_mode)
    [files] = (one for one in pod_of(objects)["spec"]["volumes"] if one["name"] == "files")
    items = {item["key"] for one in files["projected"]["sources"] for item in one["secret"]["items"]}
    assert {"nats-callout"} == {one["secret"]["name"] for one in files["projected"]["sources"]}
    assert set(secrets(xkey=sealed)["nats-system/nats-callout"]) == items


def test_what_the_user_sets_wins(helm: Helm, tmp_path: Path) -> None:
    """Once each: a variable that stands there twice would be whichever Kubernetes takes."""
    more = {"secretEnv": {"NATS_ACCOUNT": "SECRET"}, "extraEnv": [{"name": "NATS_USER_TTL", "value": "5m"}]}
    objects = render(helm, tmp_path, "go-service", more)
    names = [one["name"] for one in container_of(objects)["env"]]
    assert ("NATS_ACCOUNT" in names, 1) == (False, names.count("NATS_USER_TTL"))
    assert "5m" == environment_of(objects)["NATS_USER_TTL"]


def test_the_go_services_default_address_is_no_second_one(helm: Helm, tmp_path: Path) -> None:
    """`helm upgrade --reuse-values` of its release brings it along beside a NATS_URL."""
    default = {"nats": {"url": "nats://nats:4222"}}
    assert render(helm, tmp_path, "server-mode", {}) == render(helm, tmp_path, "server-mode", default)


@pytest.mark.parametrize("value", [1_000_000, "1000000", "1000000s"])
def test_a_duration_may_be_a_number_of_seconds(helm: Helm, tmp_path: Path, value: int | str) -> None:
    """As the service takes it; a large one is not written with an exponent."""
    objects = render(helm, tmp_path, "server-mode", {"nats": {"responseTtl": value}})
    assert str(value) == environment_of(objects)["NATS_RESPONSE_TTL"]
    objects = render(helm, tmp_path, "server-mode", {"nats": {"userTtl": 30}})
    assert "30" == environment_of(objects)["NATS_USER_TTL"]


def test_an_address_with_a_password_goes_into_a_secret(helm: Helm) -> None:
    """Many may read a Deployment who may not read a Secret."""
    objects = read_objects(helm.render(variant("created-secrets")))
    assert "password" not in json.dumps(find(objects, "Deployment"))
    assert "NATS_URL" not in {one["name"] for one in container_of(objects)["env"]}


def test_pods_are_replaced_for_variables_and_not_for_files(helm: Helm, tmp_path: Path) -> None:
    """Variables are read at the start alone, files are watched."""
    before = pod_of(render(helm, tmp_path, "created-secrets", {}))
    other_key = pod_of(render(helm, tmp_path, "created-secrets", {"nats": {"signingKey": {"content": "another"}}}))
    assert before == other_key
    assert {"release/revision": "1"} == before["metadata"]["annotations"]  # tests/e2e/test_chart.py sees it rise
    assert "annotations" not in pod_of(render(helm, tmp_path, "server-mode", {}))["metadata"]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("created-secrets", [{"nats": {"url": f"nats://callout:{word}@nats:4222"}} for word in WORDS]),
        ("created-secrets", [{"nats": {"signingKey": {"content": word}}} for word in WORDS]),
        ("one-namespace", [{"nats": {"token": word}} for word in WORDS]),
        ("large-cluster", [{"secretEnv": {"NATS_URL": f"nats://{word}@nats:4222"}} for word in WORDS]),
        ("go-service", [{"secretVolume": {"token": word}} for word in WORDS]),
    ],
    ids=["password", "key", "token", "secretEnv", "secretVolume"],
)
def test_what_many_may_read_does_not_depend_on_a_secret(
    helm: Helm, tmp_path: Path, name: str, values: list[dict[str, Any]]
) -> None:
    """From a digest a weak password could be guessed, by whoever may read a Deployment and no Secret."""
    one, other = (render(helm, tmp_path, name, changed) for changed in values)
    assert one != other
    assert [] == [each for each in one if each["kind"] != "Secret" and each not in other]


def test_the_token_is_for_the_api_server_alone(helm: Helm, tmp_path: Path) -> None:
    """The one that Kubernetes mounts by itself is not there; ours has the audience that the value names."""
    objects = render(helm, tmp_path, "server-mode", {"apiToken": {"audience": "https://api.example.com"}})
    pod = pod_of(objects)["spec"]
    [access] = (one for one in pod["volumes"] if one["name"] == "api-access")
    token = access["projected"]["sources"][0]["serviceAccountToken"]
    assert (False, "https://api.example.com", 3600) == (
        pod["automountServiceAccountToken"],
        token["audience"],
        token["expirationSeconds"],
    )
    default = pod_of(read_objects(helm.render(variant("server-mode"))))["spec"]["volumes"]
    [access] = (one for one in default if one["name"] == "api-access")
    assert "audience" not in access["projected"]["sources"][0]["serviceAccountToken"]


def test_the_rights_are_those_that_it_needs(helm: Helm, tmp_path: Path) -> None:
    """To watch ServiceAccounts, everywhere or in one namespace, and to read the issuer's two pages."""
    watching = {"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["get", "list", "watch"]}
    pages = {"nonResourceURLs": ["/.well-known/openid-configuration", "/openid/v1/jwks"], "verbs": ["get"]}
    everywhere = read_objects(helm.render(variant("server-mode")))
    assert [watching, pages] == find(everywhere, "ClusterRole")["rules"]
    assert [] == [one for one in everywhere if one["kind"] in {"Role", "RoleBinding"}]
    in_one = read_objects(helm.render(variant("one-namespace")))
    assert [pages] == find(in_one, "ClusterRole")["rules"]
    role, binding = find(in_one, "Role"), find(in_one, "RoleBinding")
    assert ([watching], "orders", "orders") == (
        role["rules"],
        role["metadata"]["namespace"],
        binding["metadata"]["namespace"],
    )
    kinds = {one["kind"] for one in render(helm, tmp_path, "one-namespace", {"rbac": {"create": False}})}
    assert set() == kinds & {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}


def test_the_snapshot_has_the_memory_that_it_takes(helm: Helm, tmp_path: Path) -> None:
    """A real snapshot of ServiceAccounts with two annotations of ten subjects each takes less than is reckoned."""
    more = {"snapshot": {"serviceAccounts": 100_000}}
    [size] = (
        int(one["emptyDir"]["sizeLimit"].removesuffix("Mi"))
        for one in pod_of(render(helm, tmp_path, "server-mode", more))["spec"]["volumes"]
        if one["name"] == "snapshot"
    )
    rules = Rules("nats.io/", shared_inbox=True, response=ResponsePermission(1, 0), account="APP")
    annotations = {"nats.io/allowed-pub-subjects": TEN, "nats.io/allowed-sub-subjects": TEN}
    folder = tmp_path / "snapshot"
    folder.mkdir()
    writer = SnapshotWriter(folder)
    empty = writer.stats().used_bytes
    with writer.transaction() as transaction:
        for number in range(SAMPLE):
            account = ServiceAccount("orders", f"checkout-{number}", f"{number:036}", annotations)
            transaction.put(account.namespace, account.name, make_record(account, decide(account, rules), rules))
    each = (writer.stats().used_bytes - empty) / SAMPLE
    assert 500 < each
    assert each * 100_000 < (size - 16) * MIB


def test_the_memory_limit_goes_with_workers_and_snapshot(helm: Helm, tmp_path: Path) -> None:
    """There is none for the CPU: it would stop all workers at once, in the middle of a storm."""
    few = container_of(read_objects(helm.render(variant("one-namespace"))))["resources"]
    assert {"memory": f"{128 + 80 * 3 + 16 + 1}Mi"} == few["limits"]
    assert few["limits"]["memory"] == few["requests"]["memory"]
    more = {"snapshot": {"serviceAccounts": 1_000_000}, "nats": {"workers": 8}}
    many = container_of(render(helm, tmp_path, "one-namespace", more))["resources"]
    assert {"memory": f"{128 + 80 * 9 + 16 + 1954}Mi"} == many["limits"]


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


def test_a_ceiling_is_mounted_as_it_is(helm: Helm) -> None:
    """And the service can read it."""
    config = find(read_objects(helm.render(variant("operator-mode"))), "ConfigMap")
    ceiling = parse_ceiling(yaml.safe_load(config["data"]["ceiling.yaml"]))
    assert (("{namespace}.>", "events.{namespace}.>"), ("{namespace}.>", "events.>")) == (ceiling.pub, ceiling.sub)


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
    [block] = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    values = tmp_path / "values.yaml"
    values.write_text(yaml.safe_dump(merge(yaml.safe_load(variant("server-mode").read_text()), yaml.safe_load(block))))
    objects = read_objects(helm.render(values))
    deployment = find(objects, "Deployment")
    resources = container_of(objects)["resources"]
    assert (5, "1") == (deployment["spec"]["replicas"], resources["requests"]["cpu"])
    assert f"the chart's limit is {resources['limits']['memory'].removesuffix('Mi')} MiB" in page
