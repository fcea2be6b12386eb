"""The chart's values: each is explained, each is bounded by the schema, and their defaults are the service's own."""

import json
import tomllib
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from callout.config.table import TABLE
from tests.chart.values_table import CHART, README, VALUES, fill, read_values
from tests.pages import ROOT

SCHEMA = json.loads((CHART / "values.schema.json").read_text())
DEFAULTS = {
    "nats.mode": "NATS_MODE",
    "nats.userTtl": "NATS_USER_TTL",
    "nats.userTtlJitter": "NATS_USER_TTL_JITTER",
    "nats.userName": "NATS_USER_NAME",
    "nats.sharedInbox": "NATS_SHARED_INBOX",
    "nats.responseMax": "NATS_RESPONSE_MAX",
    "nats.responseTtl": "NATS_RESPONSE_TTL",
    "nats.streamAdmin": "NATS_STREAM_ADMIN",
    "annotationPrefix": "SA_ANNOTATION_PREFIX",
    "logLevel": "LOG_LEVEL",
}
"""Values with a default that the service has, too, and the settings that they become."""
GO_SERVICE = (
    *("replicaCount", "image.repository", "image.pullPolicy", "image.tag", "nameOverride", "fullnameOverride"),
    *("nats.url", "nats.account", "nats.token", "jwt.issuer", "jwt.audience", "jwt.jwksUrl", "logLevel"),
    *(
        f"nats.{source}.{name}"
        for source in ("userCredentials", "signingKey")
        for name in ("create", "content", "existingSecret", "existingSecretKey")
    ),
    *("secretEnv", "secretVolume", "resources", "rbac.create", "podAnnotations", "podSecurityContext"),
    *("serviceAccount.create", "serviceAccount.annotations", "serviceAccount.name"),
    *("securityContext", "nodeSelector", "tolerations", "affinity", "extraObjects"),
    *(f"networkPolicy.{name}" for name in ("enabled", "natsPort", "ingress", "egress", "natsSelector")),
    *(
        f"metrics.podMonitor.{name}"
        for name in ("enabled", "namespace", "labels", "annotations", "path", "interval", "scrapeTimeout")
    ),
    *("metrics.podMonitor.relabelings", "metrics.podMonitor.metricRelabelings"),
    *(f"logs.podLogs.{name}" for name in ("enabled", "namespace", "labels", "annotations", "pipelineStages")),
    "logs.podLogs.relabelings",
)
"""The values that the Go service's chart has (helm/nats-k8s-oidc-callout/values.yaml in its repository)."""


def names_in_schema(schema: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[str]:
    """The values that a schema allows, as far as values.yaml goes into them."""
    values = {value.path for value in read_values(VALUES.read_text())}
    for name, child in schema["properties"].items():
        here, target = (*path, name), follow(child)
        if "properties" in target and here not in values:
            yield from names_in_schema(target, here)
        else:
            yield ".".join(here)


def follow(schema: dict[str, Any]) -> dict[str, Any]:
    """What a schema refers to, or itself."""
    name = schema.get("$ref", "").removeprefix("#/definitions/")
    found: dict[str, Any] = SCHEMA["definitions"][name] if name else schema
    return found


def test_the_readme_has_the_values_as_they_are() -> None:
    """`make docs` has been run since values.yaml changed."""
    assert README.read_text() == fill(README.read_text())


def test_every_value_is_explained() -> None:
    """In a sentence above it."""
    assert [] == [value.name for value in read_values(VALUES.read_text()) if not value.about.rstrip("`").endswith(".")]


def test_the_schema_knows_every_value_and_no_other() -> None:
    """`global` is Helm's own, for charts that have this one in them."""
    expected = sorted(value.name for value in read_values(VALUES.read_text()))
    assert expected == sorted(set(names_in_schema(SCHEMA)) - {"global"})


@pytest.mark.parametrize(("value", "setting"), DEFAULTS.items())
def test_defaults_are_those_of_the_service(value: str, setting: str) -> None:
    """So that what is documented there holds here."""
    [default] = [one.default for one in read_values(VALUES.read_text()) if one.name == value]
    [expected] = [one.default for one in TABLE if one.name == setting]
    assert expected == (str(default).lower() if isinstance(default, bool) else str(default))


def test_the_names_of_the_go_services_chart_are_kept() -> None:
    """Whoever has values for it changes the image."""
    assert set() == set(GO_SERVICE) - {value.name for value in read_values(VALUES.read_text())}


def test_the_chart_is_of_the_service_beside_it() -> None:
    """The image's tag is the service's version unless somebody says otherwise."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (project["name"], project["version"]) == (chart["name"], chart["appVersion"])
