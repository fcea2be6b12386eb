"""The values files of the charts."""

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from callout.bootstrap.accounts import issue_accounts
from callout.bootstrap.choices import Resolver
from callout.bootstrap.helm_values import render_callout_values, render_nack_values, render_nats_values
from tests.callout.bootstrap.sample import deploy
from tests.callout.bootstrap.test_secret_objects import secrets
from tests.commands import run
from tests.interop.environments import BINARIES


def nats_values(resolver: Resolver) -> Any:
    """The values of the official chart."""
    deployment = deploy(resolver=resolver)
    return yaml.safe_load(render_nats_values(deployment, issue_accounts(deployment)))


def test_the_official_chart_has_two_ways_for_the_resolver() -> None:
    """A full one has a volume of its own, and the chart says where; the other is a word in nats.conf."""
    full, memory = nats_values(Resolver.FULL)["config"], nats_values(Resolver.MEMORY)["config"]
    assert {"enabled": True, "merge": {"type": "full", "allow_delete": False, "interval": "2m"}} == full["resolver"]
    assert "resolver" not in full["merge"]
    assert ("MEMORY", False) == (memory["merge"]["resolver"], "resolver" in memory)


def test_the_official_chart_gets_jetstream_and_a_context() -> None:
    """Sizes in Kubernetes' units."""
    values = nats_values(Resolver.MEMORY)
    jetstream = values["config"]["jetstream"]
    assert jetstream["enabled"]
    assert "10Gi" == jetstream["fileStore"]["pvc"]["size"]
    assert {"enabled": True, "maxSize": "256Mi"} == jetstream["memoryStore"]
    context = values["natsBox"]["contexts"][values["natsBox"]["defaultContextName"]]
    assert {"secretName": "nats-sys-creds", "key": "sys.creds"} == context["creds"]


@pytest.mark.parametrize("resolver", list(Resolver))
def test_who_does_not_answer_is_given_up_soon(resolver: Resolver) -> None:
    """A server or a node that hangs takes logins with it until then; the chart's defaults are nats-server's."""
    merged = nats_values(resolver)["config"]["merge"]
    assert ("5s", 2) == (merged["ping_interval"], merged["ping_max"])


@pytest.mark.parametrize("resolver", list(Resolver))
def test_a_real_server_reads_what_the_chart_merges(tmp_path: Path, resolver: Resolver) -> None:
    """The chart writes `config.merge` into nats.conf as JSON, and the resolver with its folder beside it."""
    config = nats_values(resolver)["config"]
    members = config["merge"]
    if resolver is Resolver.FULL:
        members = members | {"resolver": {"dir": str(tmp_path / "resolver")} | config["resolver"]["merge"]}
    path = tmp_path / "nats.conf"
    path.write_text(json.dumps(members))
    run([BINARIES[0].path, "-t", "-c", path])


@pytest.mark.parametrize("sealed", [True, False])
def test_our_chart_refers_to_the_secret(sealed: bool) -> None:
    """Under the value names that the Go service's chart has, and ours beside them."""
    deployment = deploy(xkey=sealed)
    nats = yaml.safe_load(render_callout_values(deployment))["nats"]
    assert "nats://nats.nats-system.svc.cluster.local:4222" == nats["url"]
    assert ("operator", deployment.record.account("AUTH_ACCOUNT").public) == (nats["mode"], nats["account"])
    references = [value for value in nats.values() if isinstance(value, dict)]
    content = secrets(xkey=sealed)["nats-system/nats-callout"]
    assert sorted(content) == sorted(one["existingSecretKey"] for one in references)
    assert {"nats-callout"} == {one["existingSecret"] for one in references}
    assert {"userCredentials", "signingKey"} < set(nats)


def test_nacks_chart_refers_to_its_secret() -> None:
    """With the names that the chart reads; others it would ignore without a word."""
    nats = yaml.safe_load(render_nack_values(deploy(namespace="messaging")))["jetstream"]["nats"]
    assert "nats://nats.messaging.svc.cluster.local:4222" == nats["url"]
    assert {"secret": {"name": "nack-nats-creds", "key": "nack.creds"}} == nats["credentials"]


def test_values_hold_no_secret() -> None:
    """They may be committed."""
    deployment = deploy(xkey=True)
    texts = render_nats_values(deployment, issue_accounts(deployment)) + render_callout_values(deployment)
    seeds = [key.encode_seed() for key in deployment.material.signing.values()]
    seeds += [one.key.encode_seed() for one in deployment.material.credentials.values()]
    assert not [seed for seed in seeds if seed in texts + render_nack_values(deployment)]
