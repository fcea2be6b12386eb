"""The pages that a reader follows with a cluster at hand, each carried out from its first command to its last."""

import contextlib
from pathlib import Path

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.nack import StandIn, install_crds
from tests.e2e.walkthrough import Walkthrough
from tests.pages import PAGES, ROOT, blocks

ELSEWHERE = ("clients.md",)
"""Its blocks need no cluster, and are run one by one: tests/e2e/clients."""
WALKED = [
    page
    for page in PAGES
    if page.name not in ELSEWHERE and any(block.run == "run: e2e" for block in blocks(page.read_text()))
]
STARTING = [page for page in WALKED if "callout serve) &" in page.read_text()]
"""Those on which the service is started."""


@pytest.mark.parametrize("page", STARTING, ids=lambda page: page.name)
def test_a_service_that_does_not_start_is_not_waited_for(page: Path, tools: Path, tmp_path: Path) -> None:
    """One line says why, and the next command that it has ended."""
    kubeconfig = tmp_path / "broken"
    kubeconfig.write_text("{")
    with Walkthrough(page, tools, tmp_path, kubeconfig) as walk, pytest.raises(AssertionError, match="failed with 1:"):
        walk.run()
    assert 1 == (tmp_path / "page.log").read_text().count(f"callout: KUBECONFIG: the kubeconfig {kubeconfig} ")


@pytest.mark.parametrize("page", WALKED, ids=lambda page: page.name)
def test_a_page_can_be_followed(page: Path, tools: Path, tmp_path: Path) -> None:
    """Each command works as it stands, on a cluster that nobody else has used."""
    folder = tmp_path / "reader"
    folder.mkdir()
    (tmp_path / "cluster").mkdir()
    with contextlib.ExitStack() as running:
        cluster = running.enter_context(Cluster(tools, tmp_path / "cluster"))
        walk = running.enter_context(Walkthrough(page, tools, folder, cluster.kubectl.kubeconfig))
        if page.name == "kubernetes.md":
            (folder / "k8s").symlink_to(ROOT / "k8s")
        if page.name == "nack.md":
            install_crds(cluster)
            address = f"nats://127.0.0.1:{walk.ports['4222']}"
            creds = folder / "nats-setup/creds/nack.creds"
            running.enter_context(StandIn(cluster, tools, tmp_path, address, creds))
        walk.run()
