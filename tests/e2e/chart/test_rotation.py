"""k8s/examples/rotation: what each step makes of nats.conf, and of the second release. tests/interop runs the steps."""

import json
import os
import re
from functools import reduce
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from tests.commands import run
from tests.e2e.chart.helm import Helm, container_of, merge, pod_of, read_objects
from tests.e2e.chart.nats_chart import list_servers, render_config, write_config
from tests.interop.environments import BINARIES
from tests.minting import CurveKey, NatsKey
from tests.pages import ROOT

EXAMPLES: Final = ROOT / "k8s/examples"
SERVERS: Final = ("server-mode/1-nats.yaml", "production/1-nats.yaml")
FIRST: Final = "rotation/1-nats.yaml"
THEN: Final = "rotation/3-nats.yaml"
CALLOUT: Final = ("server-mode/2-callout.yaml", "rotation/2-callout.yaml")
IMAGE: Final = ("--set", "image.repository=registry.internal/callout")
RENAMED: Final = (
    (r"(?<!\.)\bAUTH\b", "AUTH2"),
    (r"(user: |\[)callout\b", r"\1callout2"),
    (r"\bCALLOUT_", "CALLOUT2_"),
    (r"(CALLOUT2_.*name: nats-server)\b", r"\1-2"),
)
"""What docs/upgrade.md has changed in a copy of the first file, so that nothing of the first service is left."""
ECHO: Final = "values: {{ .Values | toJson }}\n"


def render(*files: str) -> dict[str, Any]:
    """The members of nats.conf."""
    values = reduce(merge, (yaml.safe_load((EXAMPLES / file).read_text()) for file in files))
    return render_config(values, list_servers(values)[0])


@pytest.mark.parametrize("then", [(), (THEN,)], ids=["announced", "switched"])
def test_a_real_server_reads_each_step(tmp_path: Path, then: tuple[str, ...]) -> None:
    """With the variables that the Secrets make; storage and routes are not what is tried."""
    members = {**render("server-mode/1-nats.yaml", FIRST, *then), "jetstream": {"store_dir": str(tmp_path)}}
    config = tmp_path / "nats.conf"
    config.write_text(write_config(members))
    variables = {"NACK_USER": NatsKey.generate("user").public, "SYSTEM_PASSWORD": "p1"}
    for name in ("CALLOUT", "CALLOUT2"):
        keys = {"ISSUER": NatsKey.generate("account").public, "XKEY": CurveKey.generate().public, "PASSWORD": "p2"}
        variables |= {f"{name}_{key}": value for key, value in keys.items()}
    run([BINARIES[0].path, "-t", "-c", config], env=os.environ | variables)


def test_the_first_step_changes_nobody_who_is_asked() -> None:
    """It adds an account with the same rights as the first one's, and a user whom the callout is not asked about."""
    before, after = render(*SERVERS), render(*SERVERS, FIRST)
    callouts = [members["authorization"]["auth_callout"] for members in (before, after)]
    assert ["callout2"] == [user for user in callouts[1]["auth_users"] if user not in callouts[0]["auth_users"]]
    assert callouts[0] == callouts[1] | {"auth_users": callouts[0]["auth_users"]}
    [old], [new] = (after["accounts"][name]["users"] for name in ("AUTH", "AUTH2"))
    assert old["permissions"] == new["permissions"]
    assert before["accounts"] == {name: one for name, one in after["accounts"].items() if name != "AUTH2"}


def test_the_last_step_changes_nothing_but_who_is_asked() -> None:
    """Issuer, curve key and account at once: a server that has one of them new has all of them."""
    before, after = render(*SERVERS, FIRST), render(*SERVERS, FIRST, THEN)
    new = {"issuer": "<< $CALLOUT2_ISSUER >>", "xkey": "<< $CALLOUT2_XKEY >>", "account": "AUTH2"}
    before["authorization"]["auth_callout"] |= new
    assert before == after


def rename_copy() -> dict[str, Any]:
    """The values that stay, when the first service has gone."""
    text = (EXAMPLES / "server-mode/1-nats.yaml").read_text()
    for pattern, instead in RENAMED:
        text = re.sub(pattern, instead, text)
    values: dict[str, Any] = yaml.safe_load(text)
    return values


def test_the_values_that_stay_are_those_of_the_last_step_without_the_first_service() -> None:
    """And the Secret that they still need: who deletes it has no NATS any more."""
    copy, last = rename_copy(), render("server-mode/1-nats.yaml", FIRST, THEN)
    del last["accounts"]["AUTH"]
    last["authorization"]["auth_callout"]["auth_users"].remove("callout")
    assert last == render_config(copy, "nats-0")
    references = {name: one["valueFrom"]["secretKeyRef"] for name, one in copy["container"]["env"].items()}
    added = yaml.safe_load((EXAMPLES / FIRST).read_text())["container"]["env"]
    kept = {"SYSTEM_PASSWORD": "system", "NACK_USER": "nack"}
    assert references == {name: one["valueFrom"]["secretKeyRef"] for name, one in added.items()} | {
        name: {"name": "nats-server", "key": key} for name, key in kept.items()
    }


def test_a_null_takes_no_variable_away(helm: Helm, tmp_path: Path) -> None:
    """Helm hands it on where the chart has no such value of its own, and NATS's chart refuses it."""
    (tmp_path / "chart/templates").mkdir(parents=True)
    (tmp_path / "chart/Chart.yaml").write_text("apiVersion: v2\nname: echo\nversion: 1.0.0\n")
    (tmp_path / "chart/values.yaml").write_text("container: {env: {}}\n")
    (tmp_path / "chart/templates/echo.yaml").write_text(ECHO)
    (tmp_path / "null.yaml").write_text("container: {env: {CALLOUT_PASSWORD: null}}\n")
    files = (EXAMPLES / "server-mode/1-nats.yaml", tmp_path / "null.yaml")
    words = [word for file in files for word in ("--values", str(file))]
    rendered = yaml.safe_load(helm("template", "echo", str(tmp_path / "chart"), *words))
    assert rendered["values"]["container"]["env"]["CALLOUT_PASSWORD"] is None


def test_the_second_release_has_the_second_secret(helm: Helm) -> None:
    """And nothing of the first one's."""
    first, second = (EXAMPLES / file for file in CALLOUT)
    objects = read_objects(helm.render(first, "--values", str(second), *IMAGE))
    [url] = (one for one in container_of(objects)["env"] if one["name"] == "NATS_URL")
    assert "nats-callout-2" == url["valueFrom"]["secretKeyRef"]["name"]
    assert '"nats-callout"' not in json.dumps(pod_of(objects))
