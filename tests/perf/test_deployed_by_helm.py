"""What docs/measure-a-cluster.md adds to the values of NATS's chart: with it `perf.load` asks, and nobody else may."""

import asyncio
from collections.abc import Iterator
from functools import reduce
from pathlib import Path

import pytest
import yaml

from tests.commands import BASH, run
from tests.e2e.chart.helm import merge
from tests.e2e.chart.nats_chart import render_config, write_config
from tests.interop.bootstrapped import Server
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import BINARIES
from tests.minting import CurveKey, NatsKey
from tests.pages import ROOT, blocks, yaml_blocks
from tests.perf.deployed import PAGE, SERVICE_PASSWORD, complaint, report
from tests.service import Service

EXAMPLE = ROOT / "k8s/examples/server-mode/1-nats.yaml"
SHORT = ("--windows=4", "--seconds=0.2")


def read_values() -> str:
    """The page's values: of its blocks the one for NATS's chart."""
    [values] = (block for block in yaml_blocks(PAGE.read_text()) if "PERF" in block)
    return values


def make_login(folder: Path) -> None:
    """Run what the page says, but for what needs a cluster."""
    [commands] = (one.commands for one in blocks(PAGE.read_text()) if "> perf.password" in one.commands)
    here = "".join(line for line in commands.splitlines(keepends=True) if not line.startswith(("kubectl ", "helm ")))
    run([*BASH, here], cwd=folder)


@pytest.fixture
def asking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A server by the example's values and the page's, a service behind it; the arguments that say who asks."""
    home = tmp_path / "nats"
    home.mkdir()
    make_login(home)
    issuer, nack, curve = NatsKey.generate("account"), NatsKey.generate("user"), CurveKey.generate()
    secrets = {
        "CALLOUT_PASSWORD": SERVICE_PASSWORD,
        "CALLOUT_ISSUER": issuer.public,
        "CALLOUT_XKEY": curve.public,
        "SYSTEM_PASSWORD": "not-a-secret-either",
        "NACK_USER": nack.public,
        "PERF_PASSWORD": (home / "perf.password").read_text(),
    }
    for name, value in secrets.items():
        monkeypatch.setenv(name, value)
    values = reduce(merge, (yaml.safe_load(text) for text in (EXAMPLE.read_text(), read_values())))
    members = render_config(values, "nats-0") | {"jetstream": {"store_dir": str(home / "jetstream")}}
    (home / "nats.conf").write_text(write_config({**members, "host": "127.0.0.1"}))
    for name, key in (("signing.key", issuer.seed), ("xkey.key", curve.seed)):
        (home / name).write_text(key)
    cluster = ChangingCluster(tmp_path)
    cluster.put("orders", "checkout")
    tokens = tmp_path / "tokens"
    tokens.write_text(f"{cluster.token('orders', 'checkout')}\n")
    with Server(BINARIES[0].path, home) as server:
        port = server.url.rpartition(":")[2]
        settings = {
            "NATS_URL": f"nats://callout:{SERVICE_PASSWORD}@127.0.0.1:{port}",
            "NATS_ACCOUNT": "APP",
            "NATS_SIGNING_KEY_FILE": str(home / "signing.key"),
            "NATS_XKEY_FILE": str(home / "xkey.key"),
            "NATS_WORKERS": "1",
            "HTTP_HOST": "127.0.0.1",
        }
        with Service(settings | cluster.variables) as service:
            asyncio.run(service.ready())
            yield {
                "--nats-url": f"nats://127.0.0.1:{port}",
                "--tokens": str(tokens),
                "--creds": str(home / "perf.login"),
                "--callout-account": issuer.public,
                "--xkey": curve.public,
            }


def test_with_the_values_of_the_page_requests_are_answered_and_let_in(asking: dict[str, str]) -> None:
    """By the service of the example, whose requests are sealed."""
    for point in report("load", asking, *SHORT)["points"]:
        assert point["answered"] == point["allowed"] > 0
        assert 0 == point["unanswered"]


def test_another_password_asks_nothing(asking: dict[str, str], tmp_path: Path) -> None:
    """It is that of the Secret, and no other."""
    login = tmp_path / "other.login"
    login.write_text("perf:another\n")
    assert "Authorization Violation" in complaint("load", asking | {"--creds": str(login)})
