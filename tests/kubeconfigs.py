"""A kubeconfig as the tests write one: a cluster, a user, and the context of both."""

import json
from collections.abc import Mapping
from pathlib import Path


def write_kubeconfig(path: Path, cluster: Mapping[str, object], user: Mapping[str, object]) -> Path:
    """Write one with these members of cluster and user, for its owner's eyes only; return its path."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": cluster}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
        "current-context": "x",
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))  # JSON is YAML
    return path
