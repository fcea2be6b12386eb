"""Helm as a user runs it, and what it renders.

It takes the Kubernetes of its own client for the user's, as a released one does, and that may be newer than those that
the chart is tried for: so it always gets `--kube-version` where no cluster answers that.
"""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec
import yaml

from tests.commands import attempt
from tests.pages import ROOT

CHART: Final = ROOT / "k8s/chart"
VARIANTS: Final = sorted((Path(__file__).parent / "variants").glob("*.yaml"))
"""Values files for the ways in which the chart is used."""
VERSIONS: Final = tuple(f"1.{minor}.0" for minor in range(29, 35))
"""The versions of Kubernetes that the chart is for."""
NEWEST: Final = VERSIONS[-1]
RELEASE: Final = "nats-k8s-oidc-callout"
NAMESPACE: Final = "nats-system"
RUN_SECONDS: Final = 120
_IN_TEMPLATE: Final = re.compile(r"^Error: execution error at \(\S+\): \n\n(.*?)\n\n", re.DOTALL)


class Run(msgspec.Struct, frozen=True):
    """How a command has ended."""

    code: int
    output: str
    error: str

    @property
    def refusal(self) -> str:
        """What the chart itself says against the values, without what helm says around it."""
        found = _IN_TEMPLATE.match(self.error)
        return found[1] if found else ""


class Helm:
    """Runs helm.

    Args:
        binary: the program.
        home: an existing folder for what it keeps.
        kubeconfig: the cluster; None where no cluster is asked.
    """

    def __init__(self, binary: Path, home: Path, kubeconfig: Path | None = None) -> None:
        self._binary = binary
        self._variables = {"PATH": os.defpath, "HOME": str(home)}
        if kubeconfig is not None:
            self._variables["KUBECONFIG"] = str(kubeconfig)

    def __call__(self, *words: str) -> str:
        """Run it and return what it prints; `AssertionError` with its own words if it fails."""
        run = self.attempt(*words)
        assert run.code == 0, f"helm {' '.join(words)}: {run.error}"
        return run.output

    def attempt(self, *words: str, stdin: str = "") -> Run:
        """Run it and return how it ended."""
        done = attempt([self._binary, *words], env=self._variables, stdin=stdin, timeout=RUN_SECONDS)
        return Run(done.returncode, done.stdout, done.stderr)

    def render(self, values: Path, *words: str, version: str = NEWEST) -> str:
        """Render the chart with a values file."""
        return self(*_template(version), "--values", str(values), *words)

    def attempt_values(self, values: object) -> Run:
        """Try to render the chart with these values."""
        return self.attempt(*_template(NEWEST), "--values", "-", stdin=yaml.safe_dump(values))


def _template(version: str) -> tuple[str, ...]:
    return ("template", RELEASE, str(CHART), "--namespace", NAMESPACE, "--kube-version", version)


def read_objects(text: str) -> list[dict[str, Any]]:
    """Read rendered manifests."""
    return [one for one in yaml.safe_load_all(text) if one]


def find(objects: Iterable[dict[str, Any]], kind: str) -> dict[str, Any]:
    """The one object of a kind."""
    [found] = (one for one in objects if one["kind"] == kind)
    return found


def pod_of(objects: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The pod template of the Deployment, as a Pod."""
    deployment = find(objects, "Deployment")
    template = deployment["spec"]["template"]
    metadata = template["metadata"] | {"name": "as-a-pod", "namespace": deployment["metadata"]["namespace"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


def container_of(objects: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """The service's container."""
    [container] = pod_of(objects)["spec"]["containers"]
    found: dict[str, Any] = container
    return found


def merge(base: Any, over: Any) -> Any:
    """Merge values as helm does: mappings into each other, anything else in the place of what was there."""
    if not (isinstance(base, dict) and isinstance(over, dict)):
        return over
    return base | {key: merge(base.get(key), value) for key, value in over.items()}


def walk(values: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """All mappings and what is in them, each with the names that lead to it."""
    yield path, values
    if isinstance(values, dict):
        for name, child in values.items():
            yield from walk(child, (*path, name))
