"""The CronJob that runs the doctor: it has what the service has and a client's token, and is no pod of the service."""

from pathlib import Path
from typing import Any, Final

import pytest

from tests.e2e.chart.helm import VARIANTS, Helm, container_of, find, pod_of, read_objects
from tests.e2e.chart.rendering import render, variant

ON: Final = {"doctor": {"enabled": True}}
SERVING_ALL: Final = [path.stem for path in VARIANTS if "watchNamespace" not in path.read_text()]
"""The variants whose service lets the CronJob's ServiceAccount in."""
TOKEN: Final = "nats-token"  # a volume
LONGEST_NAME: Final = 52  # of a CronJob: its Jobs have eleven characters more, and no name more than 63


def template_of(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The template of the CronJob's pods."""
    found: dict[str, Any] = find(objects, "CronJob")["spec"]["jobTemplate"]["spec"]["template"]
    return found


def audience_of(objects: list[dict[str, Any]]) -> str:
    """Whom the token is meant for that it logs in with."""
    [volume] = (one for one in template_of(objects)["spec"]["volumes"] if one["name"] == TOKEN)
    [source] = volume["projected"]["sources"]
    return str(source["serviceAccountToken"]["audience"])


def test_there_is_none_unless_it_is_asked_for(helm: Helm) -> None:
    """It is one more pod with the service's keys, and leaves lines in nats-server's log."""
    assert "CronJob" not in {one["kind"] for one in read_objects(helm.render(variant("server-mode")))}


@pytest.mark.parametrize("name", SERVING_ALL)
def test_it_has_what_the_service_has(helm: Helm, tmp_path: Path, name: str) -> None:
    """Settings, files, identity, security: so what it finds holds for the service. A token for NATS is all besides."""
    objects = render(helm, tmp_path, name, ON)
    spec, service, container = template_of(objects)["spec"], pod_of(objects)["spec"], container_of(objects)
    [doctor] = spec["containers"]
    same = ("env", "envFrom", "image", "imagePullPolicy", "securityContext")
    assert {key: container.get(key) for key in same} == {key: doctor.get(key) for key in same}
    mounts = [one for one in doctor["volumeMounts"] if one["name"] != TOKEN]
    assert container["volumeMounts"] == mounts
    names = {"snapshot", TOKEN}
    volumes = [[one for one in pod["volumes"] if one["name"] not in names] for pod in (service, spec)]
    assert volumes[0] == volumes[1]
    theirs = (
        "serviceAccountName",
        "securityContext",
        "automountServiceAccountToken",
        "enableServiceLinks",
        "nodeSelector",
    )
    assert {key: service.get(key) for key in theirs} == {key: spec.get(key) for key in theirs}


def test_nothing_takes_its_pods_for_the_services(helm: Helm, tmp_path: Path) -> None:
    """No Service sends it anything, no budget counts it, and no policy or monitor is meant for it."""
    objects = render(helm, tmp_path, "large-cluster", ON)
    labels = template_of(objects)["metadata"]["labels"].items()
    selectors = [
        one["spec"].get("podSelector") or one["spec"]["selector"]
        for one in objects
        if one["kind"] in {"Deployment", "PodDisruptionBudget", "NetworkPolicy"}
    ]
    assert 3 == len(selectors)
    assert [] == [one for one in selectors if one["matchLabels"].items() <= labels]
    assert not find(objects, "Service")["spec"]["selector"].items() <= labels


@pytest.mark.parametrize(
    ("values", "audience"),
    [
        ({}, "nats"),
        ({"jwt": {"audience": "messages, nats"}}, "messages"),
        ({"secretEnv": {"JWT_AUDIENCE": "others"}}, "others"),
    ],
)
def test_its_token_is_for_an_audience_of_clients(
    helm: Helm, tmp_path: Path, values: dict[str, Any], audience: str
) -> None:
    """The first, where there are several: any of them is let in."""
    assert audience == audience_of(render(helm, tmp_path, "server-mode", ON | values))


def test_its_name_leaves_room_for_those_of_its_jobs(helm: Helm, tmp_path: Path) -> None:
    """An API server refuses a CronJob with a longer one."""
    name = find(render(helm, tmp_path, "server-mode", ON | {"fullnameOverride": "a" * 63}), "CronJob")["metadata"][
        "name"
    ]
    assert (LONGEST_NAME, True) == (len(name), name.endswith("-doctor"))


def test_a_run_is_short_and_once(helm: Helm, tmp_path: Path) -> None:
    """Two at a time would hear each other; one that was tried again would hide what comes and goes."""
    spec = find(
        render(helm, tmp_path, "server-mode", ON | {"doctor": {"enabled": True, "args": ["--json"]}}), "CronJob"
    )["spec"]
    job = spec["jobTemplate"]["spec"]
    [doctor] = job["template"]["spec"]["containers"]
    assert ("Forbid", 0, "Never") == (
        spec["concurrencyPolicy"],
        job["backoffLimit"],
        job["template"]["spec"]["restartPolicy"],
    )
    assert ["doctor", "--live", "--token=/var/run/secrets/nats/token", "--json"] == doctor["args"]
