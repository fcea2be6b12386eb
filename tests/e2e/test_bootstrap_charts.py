"""What `callout bootstrap` writes for Kubernetes: the service's chart takes its values, and a real API its Secrets.

The charts of NATS and NACK cannot be had here: of their values it is shown that Helm reads them as they were meant.
"""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.chart.helm import Helm, container_of, pod_of, read_objects
from tests.e2e.cluster import Cluster
from tests.e2e.workloads import unique
from tests.interop.bootstrapped import bootstrap, read_env

IMAGE = "image.repository=registry.test/callout"
"""The chart's default names no registry that exists."""
ECHO = "values: {{ .Values | toJson }}\n"


def read_yaml(path: Path) -> Any:
    """The one document of a file."""
    return yaml.safe_load(path.read_text())


@pytest.mark.parametrize("options", [(), ("--xkey", "--namespace", "nats-system")], ids=["plain", "sealed"])
def test_the_services_chart_takes_the_values(tools: Path, tmp_path: Path, options: tuple[str, ...]) -> None:
    """The pod gets the settings of callout.env, and its files are keys of the Secret that stands beside them."""
    folder = tmp_path / "nats"
    bootstrap(folder, *options)
    objects = read_objects(Helm(tools / "helm", tmp_path).render(folder / "helm/callout.yaml", "--set", IMAGE))
    settings = {one["name"]: one.get("value") for one in container_of(objects)["env"]}
    expected = read_env(folder)
    assert expected.keys() <= settings.keys()
    for name in ("NATS_MODE", "NATS_ACCOUNT"):
        assert expected[name] == settings[name]
    secrets = {one["metadata"]["name"]: one["stringData"] for one in read_secrets(folder)}
    volumes = [
        source for one in pod_of(objects)["spec"]["volumes"] for source in one.get("projected", {}).get("sources", [])
    ]
    used = {
        (source["secret"]["name"], item["key"])
        for source in volumes
        if "secret" in source
        for item in source["secret"]["items"]
    }
    assert {("nats-callout", key) for key in secrets["nats-callout"]} == used


def read_secrets(folder: Path) -> list[dict[str, Any]]:
    """The Secrets that were written."""
    return list(yaml.safe_load_all((folder / "kubernetes/secrets.yaml").read_text()))


@pytest.mark.parametrize("name", ["nats", "nack", "callout"])
def test_helm_reads_the_values_as_they_were_meant(tools: Path, tmp_path: Path, name: str) -> None:
    """A namespace that looks like a number stays a text for go-yaml, too."""
    folder, chart = tmp_path / "nats", tmp_path / "chart"
    bootstrap(folder, "--namespace", "1e3", "--nack-namespace", "y")
    (chart / "templates").mkdir(parents=True)
    (chart / "Chart.yaml").write_text("apiVersion: v2\nname: echo\nversion: 1.0.0\n")
    (chart / "templates/echo.yaml").write_text(ECHO)
    values = folder / f"helm/{name}.yaml"
    rendered = Helm(tools / "helm", tmp_path)("template", "echo", str(chart), "--values", str(values))
    assert json.dumps(read_yaml(values), sort_keys=True) == json.dumps(
        yaml.safe_load(rendered)["values"], sort_keys=True
    )


def test_the_secrets_are_taken(cluster: Cluster, tmp_path: Path) -> None:
    """By kubectl, into namespaces that exist, and again after a rotation; each byte arrives."""
    folder, nats, nack = tmp_path / "nats", unique("nats"), unique("nack")
    bootstrap(folder, "--namespace", nats, "--nack-namespace", nack, "--xkey")
    for namespace in (nats, nack):
        cluster.kubectl("create", "namespace", namespace)
    steps = {"create": ("--rotate", "AUTH_ACCOUNT"), "apply": ("--retire", "AUTH_ACCOUNT", "--now")}
    for verb, change in steps.items():
        cluster.kubectl(verb, "--filename", str(folder / "kubernetes/secrets.yaml"))
        for secret in read_secrets(folder):
            metadata = secret["metadata"]
            for key, text in secret["stringData"].items():
                words = ("get", "secret", metadata["name"], "--namespace", metadata["namespace"])
                template = '{{index .data "' + key + '" | base64decode}}'
                assert text == cluster.kubectl(*words, "--output", f"go-template={template}")
        bootstrap(folder, *change)
