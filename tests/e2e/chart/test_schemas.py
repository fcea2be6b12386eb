"""What the chart renders for an older Kubernetes, by the types of that Kubernetes: each field known, and of its type.

The API server here is of the newest one, and tests/e2e/test_chart.py asks it. Of the others there are the types alone,
so what an API server says besides (about a value's range, or a feature that is off) is not seen here.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.commands import attempt
from tests.e2e.chart.helm import VARIANTS, VERSIONS, Helm, Run, container_of, find, merge, read_objects
from tests.e2e.chart.manifests import BASES, MANIFEST
from tests.e2e.chart.test_policies import POLICY
from tests.e2e.test_chart import OTHERS, SERVER_MODE, find_manifests
from tests.e2e.tools.parts import SCHEMAS

MANIFESTS: Final = [*(base / MANIFEST for base in BASES), *find_manifests()]
NEWER_FIELDS: Final = {
    "1.30": ("appArmorProfile", {"securityContext": {"appArmorProfile": {"type": "RuntimeDefault"}}}),
    "1.31": ("supplementalGroupsPolicy", {"securityContext": {"supplementalGroupsPolicy": "Strict"}}),
    "1.32": ("resources", {"resources": {"limits": {"cpu": 1}}}),
    "1.33": ("stopSignal", {"containers": [{"name": "a", "lifecycle": {"stopSignal": "SIGTERM"}}]}),
}
"""What may stand in a pod from that Kubernetes on, by k8s.io/api."""


@pytest.fixture(params=SCHEMAS)
def version(request: pytest.FixtureRequest) -> str:
    """A Kubernetes whose types are here."""
    found: str = request.param
    return found


@pytest.fixture
def deployment(helm: Helm) -> dict[str, Any]:
    """One that is good, to be spoiled."""
    return find(read_objects(helm.render(SERVER_MODE)), "Deployment")


def check(tools: Path, version: str, text: str, *words: str) -> Run:
    """Check manifests by the types of that Kubernetes."""
    done = attempt([tools / f"schemas-{version}", *words], env={}, stdin=text)
    return Run(done.returncode, done.stdout, done.stderr)


def passing(text: str) -> Run:
    """How a check ends that has seen all objects, and that leaves none out but those of operators."""
    objects = (item for one in read_objects(text) for item in one.get("items", [one]))
    lines = (
        f"{'not checked' if one['apiVersion'] in OTHERS else 'checked'}: {one['apiVersion']} {one['kind']}\n"
        for one in objects
    )
    return Run(0, "".join(lines), "")


def refuse(tools: Path, version: str, objects: Iterable[object]) -> str:
    """Have objects refused; return what is said against the one that is bad."""
    run = check(tools, version, yaml.safe_dump_all(objects))
    assert (1, "") == (run.code, run.error)
    [line] = (line for line in run.output.splitlines() if not line.startswith("checked: "))
    return line


def test_each_older_kubernetes_has_its_types_here() -> None:
    """With the API server of the newest one, that is each version that the chart is for."""
    assert VERSIONS[:-1] == tuple(f"{version}.0" for version in SCHEMAS)


@pytest.mark.parametrize("path", VARIANTS, ids=lambda path: path.stem)
def test_what_is_rendered_fits_the_types(tools: Path, helm: Helm, version: str, path: Path) -> None:
    """Each object of each variant, as it is rendered for that Kubernetes."""
    text = helm.render(path, version=f"{version}.0")
    assert passing(text) == check(tools, version, text)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_plain_manifest_fits_the_types(tools: Path, version: str, path: Path) -> None:
    """Of k8s/base and of the examples: one text for every Kubernetes."""
    text = path.read_text()
    assert passing(text) == check(tools, version, text)


def test_the_policy_is_for_1_30_and_later(tools: Path, version: str) -> None:
    """As its head says: an earlier Kubernetes has no such kind."""
    text = POLICY.read_text()
    run = check(tools, version, text)
    if version != SCHEMAS[0]:
        assert passing(text) == run
    else:
        kinds = ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
        refused = [f"refused: admissionregistration.k8s.io/v1 {kind}: there is no such kind in " for kind in kinds]
        assert 1 == run.code
        assert refused == [line.partition("k8s.io/api ")[0] for line in run.output.splitlines()]


def test_an_unknown_field_is_refused(tools: Path, version: str, deployment: dict[str, Any]) -> None:
    """Each of them is named, wherever it stands."""
    deployment["spec"]["replica"] = 2
    container_of([deployment])["readynessProbe"] = {}
    assert (
        "refused: apps/v1 Deployment: strict decoding error: "
        'unknown field "spec.replica", unknown field "spec.template.spec.containers[0].readynessProbe"'
    ) == refuse(tools, version, [deployment])


@pytest.mark.parametrize("since", NEWER_FIELDS)
def test_a_field_is_known_from_its_version_on(
    tools: Path, version: str, deployment: dict[str, Any], since: str
) -> None:
    """Each program has the types of its own Kubernetes, to which what came later is an unknown field."""
    field, pod = NEWER_FIELDS[since]
    bad = merge(deployment, {"spec": {"template": {"spec": pod}}})
    if SCHEMAS.index(version) < SCHEMAS.index(since):
        assert refuse(tools, version, [bad]).endswith(f'.{field}"')
    else:
        assert Run(0, "checked: apps/v1 Deployment\n", "") == check(tools, version, yaml.safe_dump(bad))


def test_a_field_in_another_case_is_refused(tools: Path, version: str, deployment: dict[str, Any]) -> None:
    """Names are compared as an API server does."""
    deployment["spec"]["Replicas"] = deployment["spec"].pop("replicas")
    assert 'unknown field "spec.Replicas"' in refuse(tools, version, [deployment])


@pytest.mark.parametrize(
    ("field", "value", "kind"), [("replicas", "2", "int32"), ("paused", 1, "bool"), ("selector", [], "LabelSelector")]
)
def test_a_wrong_type_is_refused(
    tools: Path, version: str, deployment: dict[str, Any], field: str, value: object, kind: str
) -> None:
    """A number in quotes, a number for a truth value, a list for a mapping; the field is named."""
    deployment["spec"][field] = value
    said = refuse(tools, version, [deployment])
    assert said.startswith("refused: apps/v1 Deployment: json: cannot unmarshal ")
    assert f"spec.{field} of type " in said
    assert said.endswith(kind)


def test_a_field_that_stands_twice_is_refused(tools: Path, version: str) -> None:
    """YAML readers differ in which of the two they take."""
    run = check(tools, version, "apiVersion: v1\nkind: Secret\ntype: Opaque\ntype: Opaque\n")
    assert 1 == run.code
    assert 'key "type" already set in map' in run.output
    assert 1 == run.output.count("\n")


def test_the_items_of_a_list_are_checked(tools: Path, version: str) -> None:
    """The list's own type says nothing of them."""
    items = [{"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {name: "a"}} for name in ("name", "nam")]
    said = refuse(tools, version, [{"apiVersion": "v1", "kind": "List", "items": items}])
    assert 'refused: v1 ServiceAccount: strict decoding error: unknown field "metadata.nam"' == said


@pytest.mark.parametrize("api", ["v1", "apps/v2", "policy/v1beta1"])
def test_a_kind_that_kubernetes_does_not_have_is_refused(tools: Path, version: str, api: str) -> None:
    """In a group that is checked, also under a version of it that is not there: it is no operator's."""
    said = refuse(tools, version, [{"apiVersion": api, "kind": "Deployment"}])
    assert f"refused: {api} Deployment: there is no such kind in k8s.io/api v0.{version.partition('.')[2]}." in said


@pytest.mark.parametrize("text", ["a: [", "a: 1", "- a", "a", "apiVersion: a/b/c\nkind: Secret"])
def test_what_is_no_object_is_refused(tools: Path, version: str, text: str) -> None:
    """In one line, and what comes after it is checked."""
    run = check(tools, version, f"{text}\n---\napiVersion: v1\nkind: Secret\n")
    refused, checked = run.output.splitlines()
    assert (1, "checked: v1 Secret") == (run.code, checked)
    assert refused.startswith("refused: ")


def test_a_document_without_an_object_is_nothing(tools: Path, version: str) -> None:
    """As the comments that helm leaves of a template that renders nothing."""
    assert Run(0, "", "") == check(tools, version, "---\n# Source: a\n---\n\n---\n")


def test_a_word_too_many_is_told(tools: Path, version: str) -> None:
    """A file that was named would otherwise pass, never read."""
    run = check(tools, version, "", "deployment.yaml")
    assert (2, "", 1) == (run.code, run.output, run.error.count("\n"))
