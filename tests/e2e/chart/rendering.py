"""The chart rendered with one of its variants, and what the service's container gets then."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml

from tests.e2e.chart.helm import VARIANTS, Helm, container_of, merge, read_objects

GIVEN: Final = {"NATS_URL": "nats://callout:password@nats:4222", "KUBERNETES_SERVICE_HOST": "10.96.0.1"}
"""What comes from Secrets that exist already, and from Kubernetes."""


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


def render(helm: Helm, folder: Path, name: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Render a variant with some values changed."""
    path = folder / "values.yaml"
    path.write_text(yaml.safe_dump(merge(yaml.safe_load(variant(name).read_text()), dict(values))))
    return read_objects(helm.render(path))
