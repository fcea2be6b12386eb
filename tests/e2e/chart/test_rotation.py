"""k8s/examples/rotation: what each step makes of nats.conf, and of the second release. tests/interop runs the steps."""

import json
import os
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


def test_the_second_release_has_the_second_secret(helm: Helm) -> None:
    """And nothing of the first one's."""
    first, second = (EXAMPLES / file for file in CALLOUT)
    objects = read_objects(helm.render(first, "--values", str(second), *IMAGE))
    [url] = (one for one in container_of(objects)["env"] if one["name"] == "NATS_URL")
    assert "nats-callout-2" == url["valueFrom"]["secretKeyRef"]["name"]
    assert '"nats-callout"' not in json.dumps(pod_of(objects))
