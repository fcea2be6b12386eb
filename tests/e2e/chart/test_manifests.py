"""The plain manifests are the chart's."""

from pathlib import Path

import pytest
import yaml

from callout.bootstrap.helm_values import render_callout_values
from callout.config.loading import load
from tests.callout.bootstrap.sample import deploy
from tests.chart.values_table import VALUES
from tests.e2e.chart.helm import Helm, merge, read_objects
from tests.e2e.chart.manifests import BASES, MANIFEST, render_base
from tests.e2e.chart.rendering import environment_of
from tests.pages import ROOT

EXAMPLES = ROOT / "k8s/examples"
ADDED = {
    "hardened.yaml": {"NATS_RESPONSE_MAX": "0", "NATS_SHARED_INBOX": "false"},
    "tls/2-callout.yaml": {"NATS_TLS_CA_FILE": "/etc/nats-k8s-oidc-callout/tls-ca.crt"},
}
"""What the service is told by the examples that are added to either mode."""
NOBODYS = {"image": {"repository": "registry.invalid/nats-k8s-oidc-callout"}}


@pytest.mark.parametrize("folder", BASES, ids=lambda path: path.name)
def test_a_base_is_what_the_chart_renders(helm: Helm, folder: Path) -> None:
    """`make manifests` has been run since the chart changed."""
    assert (folder / MANIFEST).read_text() == render_base(helm, folder)


@pytest.mark.parametrize("folder", BASES, ids=lambda path: path.name)
def test_a_base_says_nothing_of_helm(folder: Path) -> None:
    """Nobody who applies them has a release."""
    assert "helm" not in (folder / MANIFEST).read_text().lower()


@pytest.mark.parametrize("folder", BASES, ids=lambda path: path.name)
def test_the_service_takes_the_settings_of_a_base(folder: Path) -> None:
    """Without an error and without a warning."""
    _, warnings = load(environment_of(read_objects((folder / MANIFEST).read_text())))
    assert [] == warnings


def test_the_base_of_server_mode_has_the_values_of_the_example() -> None:
    """The same Secret, xkey and ceiling: the servers of the example are there for both."""
    example = yaml.safe_load((EXAMPLES / "server-mode/2-callout.yaml").read_text())
    assert merge(example, NOBODYS) == yaml.safe_load((BASES[0] / "values.yaml").read_text())


def test_the_base_of_operator_mode_has_the_values_that_bootstrap_writes() -> None:
    """With --xkey, as docs/kubernetes.md has it, and the example's ceiling; the account alone is another."""
    written = yaml.safe_load(render_callout_values(deploy(xkey=True)))
    example = yaml.safe_load((EXAMPLES / "operator-mode/2-callout.yaml").read_text())
    base = yaml.safe_load((BASES[1] / "values.yaml").read_text())
    own = {"nats": {"account": base["nats"]["account"]}}
    expected = defaults = yaml.safe_load(VALUES.read_text())
    for values in (written, example, NOBODYS, own):
        expected = merge(expected, values)
    assert expected == merge(defaults, base)


@pytest.mark.parametrize("added", ADDED)
@pytest.mark.parametrize("folder", BASES, ids=lambda path: path.name)
def test_an_example_that_is_added_says_what_it_is_for(helm: Helm, folder: Path, added: str) -> None:
    """It changes these variables and no others, and the service takes them without a warning."""
    plain, more = (
        environment_of(read_objects(helm.render(folder / "values.yaml", *words)))
        for words in ((), ("--values", str(EXAMPLES / added)))
    )
    assert ADDED[added].items() == more.items() - plain.items()
    assert set() == plain.keys() - more.keys()
    _, warnings = load(more)
    assert [] == warnings
