"""NACK's part in the end-to-end tests: its CRDs in the cluster, and the stand-in that reads its objects."""

import os
import sys
from pathlib import Path
from typing import Final, Self

from tests.e2e.cluster import Cluster
from tests.e2e.server_process import ServerProcess
from tests.missing import leave_out

VARIABLE: Final = "NACK_CRDS"
"""Names NACK's own file; it is no part of this project."""


def find_crds() -> Path:
    """Where NACK's objects are declared; where nobody says so the test is left out, with what to do."""
    named = os.environ.get(VARIABLE, "")
    if not named:
        leave_out(f"NACK's objects are not known here: set {VARIABLE} to a copy of NACK's deploy/crds.yml")
    if not Path(named).is_file():
        leave_out(f"{VARIABLE} is {named}, which is no file: set it to a copy of NACK's deploy/crds.yml")
    return Path(named)


def install_crds(cluster: Cluster) -> None:
    """Teach the cluster NACK's objects, and wait until it knows them."""
    crds = str(find_crds())
    cluster.kubectl("apply", "-f", crds)
    cluster.kubectl("wait", "--for", "condition=Established", "--timeout", "60s", "-f", crds)


class StandIn:
    """The stand-in for NACK, within a `with` block; it may start before its credentials and the server are there."""

    def __init__(self, cluster: Cluster, tools: Path, folder: Path, server: str, creds: Path) -> None:
        self._process = ServerProcess("the stand-in for NACK", folder / "nack.log")
        words = (tools / "kubectl", cluster.kubectl.kubeconfig, server, creds)
        self._command = [sys.executable, "-m", "tests.e2e.nack_stand_in", *map(str, words)]

    def __enter__(self) -> Self:
        self._process.start(self._command, lambda: True)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
