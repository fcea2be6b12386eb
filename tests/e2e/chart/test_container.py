"""What the service gets of the chart is what it needs: settings that it reads, files that are there, no more rights."""

import json
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from callout.bootstrap.helm_values import render_callout_values
from callout.config.loading import load
from callout.config.table import TABLE
from callout.policy.ceiling import parse_ceiling
from callout.policy.decision import Rules, decide, make_record
from callout.serviceaccounts import ServiceAccount
from tests.callout.bootstrap.sample import deploy
from tests.callout.bootstrap.test_secret_objects import secrets
from tests.e2e.chart.helm import VARIANTS, Helm, container_of, find, pod_of, read_objects
from tests.e2e.chart.rendering import environment_of, render, variant
from tests.pages import ROOT
from workers.snapshot import SnapshotWriter
from workers.user_jwt import Mode, ResponsePermission

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


def test_a_ceiling_is_mounted_as_it_is(helm: Helm) -> None:
    """And the service can read it."""
    config = find(read_objects(helm.render(variant("operator-mode"))), "ConfigMap")
    ceiling = parse_ceiling(yaml.safe_load(config["data"]["ceiling.yaml"]))
    assert (("{namespace}.>", "events.{namespace}.>"), ("{namespace}.>", "events.>")) == (ceiling.pub, ceiling.sub)


def test_an_address_with_a_password_goes_into_a_secret(helm: Helm) -> None:
    """Many may read a Deployment who may not read a Secret."""
    objects = read_objects(helm.render(variant("created-secrets")))
    assert "password" not in json.dumps(find(objects, "Deployment"))
    assert "NATS_URL" not in {one["name"] for one in container_of(objects)["env"]}


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


def test_the_page_has_the_memory_that_is_rendered(helm: Helm, tmp_path: Path) -> None:
    """Both sizes of its example: that of the snapshot, and the container's limit."""
    objects = render(helm, tmp_path, "server-mode", {"snapshot": {"serviceAccounts": 100_000}})
    [snapshot] = (one["emptyDir"] for one in pod_of(objects)["spec"]["volumes"] if one["name"] == "snapshot")
    limit = container_of(objects)["resources"]["limits"]["memory"]
    page = " ".join((ROOT / "docs/kubernetes.md").read_text().split())
    said = [f"{size.removesuffix('Mi')} MiB" for size in (snapshot["sizeLimit"], limit)]
    assert f"`sizeLimit` of the snapshot, {said[0]} for 100,000." in page
    assert f"memory limit, which is {said[1]} then, with two workers" in page
