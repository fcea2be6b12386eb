"""The version of nats-server that is to be deployed: what the pages say, and what the values for NATS pin."""

import re
from typing import Final

import pytest
import yaml

from callout.bootstrap.helm_values import NATS_TAG
from tests.pages import ROOT

BUILT: Final = ROOT / "tests/e2e/tools/nats-server/go.mod"
EXAMPLE: Final = ROOT / "k8s/examples/server-mode/1-nats.yaml"
_PIN: Final = re.compile(r"^\tgithub\.com/nats-io/nats-server/v2 v(\S+)", re.MULTILINE)
_DEPLOYED: Final = re.compile(r"\b[Dd]eploy\W+(2\.\d+\.\d+)")


def find_newest() -> str:
    """The newest that tests run on, which `make e2e` builds."""
    [version] = _PIN.findall(BUILT.read_text())
    return str(version)


@pytest.mark.parametrize("page", ["docs/upgrade.md", "SECURITY.md"])
def test_a_page_says_to_deploy_the_newest_that_is_tested(page: str) -> None:
    """And no other."""
    assert [find_newest()] == _DEPLOYED.findall((ROOT / page).read_text())


def test_values_for_nats_pin_it() -> None:
    """In both modes: the chart's own may be older."""
    example = yaml.safe_load(EXAMPLE.read_text())["container"]["image"]["tag"]
    assert [f"{find_newest()}-alpine"] * 2 == [example, NATS_TAG]
