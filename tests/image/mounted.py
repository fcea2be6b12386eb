"""The files of a test's service as Kubernetes mounts them: root's, and readable for the group that the pod has."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from tests.interop.cast import PLAIN
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment

READ_AS_GROUP: Final = 0o440
"""The chart's `defaultMode`."""


def mount(environment: Environment, cluster: ChangingCluster, user: str) -> dict[str, str]:
    """Let `user` (its numbers, with a colon between) read what the service needs; return the service's variables."""
    variables = {"HTTP_HOST": "127.0.0.1", "NATS_WORKERS": "2"} | environment.service_env() | cluster.variables
    for path in (*_find_files(variables), cluster.file(PLAIN.namespace, PLAIN.name)):
        os.chown(path, 0, int(user.partition(":")[2]))
        path.chmod(READ_AS_GROUP)
    return variables


def _find_files(variables: Mapping[str, str]) -> list[Path]:
    return [path for path in map(Path, variables.values()) if path.is_file()]
