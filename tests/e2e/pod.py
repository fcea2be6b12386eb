"""A pod as far as a program in it can tell: the mounted ServiceAccount, and the variables that name the API server.

There is no kubelet here. A mount namespace of the process's own puts a folder where the kubelet puts token and CA, so
the program finds them at the path where it looks in a cluster; nobody else sees that mount. The same goes for the
folder in memory that docs/server-mode.md asks for.
"""

import os
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import pytest

from tests.commands import attempt
from tests.e2e.cluster import Cluster
from tests.interop.changing_cluster import replace
from tests.service import SERVE

UNSHARE: Final = ("unshare", "--mount", *(() if os.geteuid() == 0 else ("--user", "--map-root-user")))
_MOUNT: Final = """
set -e
mount -t tmpfs none /run
place=/run/secrets/kubernetes.io/serviceaccount
mkdir -p "$place"
mount --bind "$0" "$place"
mkdir -m 700 /run/snapshot
exec "$@"
"""


class Pod:
    """The surroundings of the service in a pod.

    Args:
        cluster: where the pod runs.
        folder: an existing, empty folder for what is mounted.

    Attributes:
        command: runs the service in it.
        variables: what the kubelet sets and what a manifest would; there is no kubeconfig.
    """

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        address = urlsplit(cluster.url)
        self.command = (*UNSHARE, "sh", "-c", _MOUNT, str(folder), *SERVE)
        self.variables = {
            "K8S_IN_CLUSTER": "true",
            "KUBERNETES_SERVICE_HOST": str(address.hostname),
            "KUBERNETES_SERVICE_PORT": str(address.port),
            "SNAPSHOT_DIR": "/run/snapshot",
        }
        self._cluster = cluster
        self._folder = folder
        self.renew_authority()

    def renew_token(self, token: str) -> None:
        """Put another token in the place of the mounted one, as the kubelet does."""
        replace(self._folder / "token", token)

    def renew_authority(self) -> None:
        """Let the mounted CA be the cluster's present one."""
        replace(self._folder / "ca.crt", self._cluster.ca_file.read_bytes())


def need_mounts(folder: Path) -> None:
    """Skip the test where a process cannot have mounts of its own."""
    done = attempt([*UNSHARE, "sh", "-c", _MOUNT, folder, "true"])
    if done.returncode:
        pytest.skip(f"a mount namespace cannot be had: {done.stderr.strip()}")
