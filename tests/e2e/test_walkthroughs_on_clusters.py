"""The pages that a reader follows with a cluster at hand, each carried out from its first command to its last."""

import contextlib
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.nack import StandIn, install_crds
from tests.e2e.walked_pages import ROADS, WALKED, WITH_DEMO
from tests.e2e.walkthrough import Walkthrough
from tests.pages import ROOT

WITH_SECRETS = [
    name
    for name, (page, _) in ROADS.items()
    if re.search(r"^kubectl create (secret generic nack|--filename nats-setup)", page.read_text(), re.MULTILINE)
]
MAKING = re.compile(r"^SERVER_PORT=|create namespace \$|signing\.key|bootstrap nats-setup --(xkey|nack)|secrets\.yaml")
"""What is in the blocks that make namespaces, keys and Secrets, and in the one that names the ports for them."""
NACK_OBJECTS = ("streams,consumers,keyvalues", "--all-namespaces")
MENDING = "--from-file system --dry-run"
"""What is in the block for a Secret of before."""


@pytest.mark.parametrize(("page", "other"), ROADS.values(), ids=ROADS)
def test_a_page_can_be_followed(page: Path, other: re.Pattern[str] | None, tools: Path, tmp_path: Path) -> None:
    """Each command works as it stands, on a cluster that nobody else has used."""
    folder = tmp_path / "reader"
    folder.mkdir()
    (tmp_path / "cluster").mkdir()
    with contextlib.ExitStack() as running:
        cluster = running.enter_context(Cluster(tools, tmp_path / "cluster"))
        walk = running.enter_context(
            Walkthrough(
                page,
                tools,
                folder,
                cluster.kubectl.kubeconfig,
                lambda commands: other is None or not other.search(commands),
            )
        )
        if page.name == "kubernetes.md":
            (folder / "k8s").symlink_to(ROOT / "k8s")
        if page.name == "upgrade.md":
            make_secret_of_before(cluster)
        if page.name == "nack.md":
            install_crds(cluster)
            address = f"nats://127.0.0.1:{walk.ports['4222']}"
            creds = folder / "nats-setup/creds/nack.creds"
            running.enter_context(StandIn(cluster, tools, tmp_path, address, creds))
        said = walk.run()
    assert page not in WITH_DEMO or "\nAll well" in said


@pytest.mark.parametrize("road", WITH_SECRETS)
def test_a_page_makes_no_secret_beside_others(road: str, tools: Path, tmp_path: Path) -> None:
    """Followed again in an empty folder, it stops before it makes or replaces any, as long as one is there."""
    page, other = ROADS[road]

    def is_taken(commands: str) -> bool:
        return MAKING.search(commands) is not None and (other is None or not other.search(commands))

    def follow(name: str) -> None:
        folder = tmp_path / name
        folder.mkdir()
        with Walkthrough(page, tools, folder, cluster.kubectl.kubeconfig, is_taken) as walk:
            walk.run()

    (tmp_path / "cluster").mkdir()
    with Cluster(tools, tmp_path / "cluster") as cluster:
        follow("first")
        made = read_secrets(cluster)
        assert 3 == len(made)
        while made:
            with pytest.raises(AssertionError, match="AlreadyExists"):
                follow(f"beside-{len(made)}")
            assert made == read_secrets(cluster)
            last = made.pop()["metadata"]
            cluster.kubectl("delete", "secret", last["name"], "--namespace", last["namespace"])


def test_a_password_that_is_there_is_kept(tools: Path, tmp_path: Path) -> None:
    """A Secret of before gets one, and keeps it, whatever folder the page is followed in."""
    [page] = (page for page in WALKED if page.name == "upgrade.md")

    def follow(name: str) -> list[str]:
        folder = tmp_path / name
        folder.mkdir()
        with Walkthrough(page, tools, folder, cluster.kubectl.kubeconfig, lambda one: MENDING in one) as walk:
            walk.run()
        return sorted(path.name for path in folder.iterdir() if path.suffix == "" and path.is_file())

    (tmp_path / "cluster").mkdir()
    with Cluster(tools, tmp_path / "cluster") as cluster:
        make_secret_of_before(cluster)
        assert ["sys", "system"] == follow("first")
        [made] = read_secrets(cluster)
        assert {"password", "system"} == set(made["data"])
        assert [] == follow("second")
        assert [made] == read_secrets(cluster)


def test_a_stream_of_others_stays(tools: Path, tmp_path: Path) -> None:
    """NACK's objects are made only where none of their names is taken, and what is there is not changed."""
    [page] = (page for page in WALKED if page.name == "nack.md")
    folder = tmp_path / "reader"
    folder.mkdir()
    (tmp_path / "cluster").mkdir()
    with Cluster(tools, tmp_path / "cluster") as cluster:
        install_crds(cluster)
        cluster.kubectl.apply(
            {
                "apiVersion": "jetstream.nats.io/v1beta2",
                "kind": "Stream",
                "metadata": {"name": "events", "namespace": "default"},
                "spec": {"name": "events", "subjects": ["events.>"]},
            }
        )
        before = cluster.kubectl.read(*NACK_OBJECTS)["items"]
        kubeconfig = cluster.kubectl.kubeconfig
        with (
            Walkthrough(page, tools, folder, kubeconfig, lambda one: "kind: KeyValue" in one) as walk,
            pytest.raises(AssertionError, match="AlreadyExists"),
        ):
            walk.run()
        assert before == cluster.kubectl.read(*NACK_OBJECTS)["items"]


def make_secret_of_before(cluster: Cluster) -> None:
    """What step 2 of the page on the chart made when the servers' account had no user."""
    cluster.kubectl("create", "namespace", "nats-system")
    cluster.kubectl("create", "secret", "generic", "nats-server", "-n", "nats-system", "--from-literal=password=p")


def read_secrets(cluster: Cluster) -> list[dict[str, Any]]:
    """All Secrets, ordered by namespace and name."""
    items: list[dict[str, Any]] = cluster.kubectl.read("secrets", "--all-namespaces")["items"]
    return items
