"""nats.conf, as text and as real servers read it."""

import json
from pathlib import Path
from typing import Any

import pytest

from callout.bootstrap.accounts import issue_accounts
from callout.bootstrap.choices import Layout, Resolver
from callout.bootstrap.nats_conf import render_config
from tests.callout.bootstrap.sample import FOLDER, deploy
from tests.commands import run
from tests.interop.environments import BINARIES
from tests.nats_minting import decode_nats_jwt


def read(text: str) -> dict[str, Any]:
    """The members of a nats.conf: each a name and JSON, which goes on over lines that begin with a blank or a brace."""
    members: list[str] = []
    for line in text.splitlines():
        if line[:1] in (" ", "}"):
            members[-1] += line
        elif not line.startswith("#"):
            members.append(line)
    pairs = (member.partition(":") for member in members)
    return {name: json.loads(value) for name, _, value in pairs}


def test_it_trusts_the_operator_and_knows_all_accounts() -> None:
    """With the sentinel that makes a token enough, and a system account."""
    deployment = deploy(listen="0.0.0.0:4333", store_disk=1 << 30)
    members = read(render_config(deployment, issue_accounts(deployment), FOLDER))
    assert deployment.material.operator_jwt == members["operator"]
    assert deployment.record.account("SYS").public == members["system_account"]
    assert {one.public for one in deployment.record.accounts} == set(members["resolver_preload"])
    assert decode_nats_jwt(members["default_sentinel"])["nats"]["bearer_token"]
    assert ("MEMORY", "0.0.0.0:4333") == (members["resolver"], members["listen"])
    assert ("5s", 2) == (members["ping_interval"], members["ping_max"])
    assert {
        "store_dir": "/srv/nats/jetstream",
        "max_memory_store": 256 << 20,
        "max_file_store": 1 << 30,
    } == members["jetstream"]


def test_a_full_resolver_has_a_folder() -> None:
    """An absolute one: nats-server takes others from where it was started."""
    deployment = deploy(resolver=Resolver.FULL)
    resolver = read(render_config(deployment, issue_accounts(deployment), FOLDER))["resolver"]
    assert {"type": "full", "dir": "/srv/nats/resolver", "allow_delete": False, "interval": "2m"} == resolver


def test_no_seed_is_in_it() -> None:
    """It may be a ConfigMap."""
    deployment = deploy(xkey=True)
    text = render_config(deployment, issue_accounts(deployment), FOLDER)
    assert not [key for key in deployment.material.signing.values() if key.encode_seed() in text]


@pytest.mark.parametrize("binary", [one for one in BINARIES if one.has_default_sentinel()], ids=lambda one: one.line)
@pytest.mark.parametrize("resolver", list(Resolver))
@pytest.mark.parametrize("layout", list(Layout))
def test_real_servers_find_nothing_wrong(tmp_path: Path, binary: Any, resolver: Resolver, layout: Layout) -> None:
    """Whatever the layout."""
    deployment = deploy(resolver=resolver, nack=layout, xkey=True)
    config = tmp_path / "nats.conf"
    config.write_text(render_config(deployment, issue_accounts(deployment), tmp_path))
    run([binary.path, "-t", "-c", config])


@pytest.mark.parametrize("name", ["josé", 'a "quoted" name', "back\\slash", "$HOME", "# no comment", "名前"])
def test_a_real_server_reads_any_path(tmp_path: Path, name: str) -> None:
    """Its language is not quite JSON: what can be printed stands there as it is."""
    deployment = deploy(resolver=Resolver.FULL)
    config = tmp_path / "nats.conf"
    config.write_text(render_config(deployment, issue_accounts(deployment), tmp_path / name))
    run([BINARIES[0].path, "-t", "-c", config])
    assert (tmp_path / name / "resolver").is_dir()  # it has made it where it was told to
