"""kubectl as a user runs it: with one kubeconfig, and nothing of the developer's own."""

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

RUN_SECONDS = 120
"""A command takes a tenth of a second; applying thousands of objects takes longer."""


class Kubectl:
    """Runs kubectl for one identity.

    Args:
        binary: the program.
        kubeconfig: the file that says where the cluster is and who asks.
        home: an existing folder for kubectl's caches.
    """

    def __init__(self, binary: Path, kubeconfig: Path, home: Path) -> None:
        self.kubeconfig = kubeconfig
        self._binary = binary
        self._variables = {"PATH": os.defpath, "HOME": str(home), "KUBECONFIG": str(kubeconfig)}

    def __call__(self, *words: str, stdin: str = "") -> str:
        """Run it and return what it prints; `AssertionError` with its own words if it fails."""
        done = self.attempt(*words, stdin=stdin)
        assert done.returncode == 0, f"kubectl {' '.join(words)}: {done.stderr}"
        return done.stdout

    def attempt(self, *words: str, stdin: str = "") -> "subprocess.CompletedProcess[str]":
        """Run it and return how it ended, whatever that is."""
        return subprocess.run(
            [self._binary, *words],
            env=self._variables,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=RUN_SECONDS,
            check=False,
        )

    def read(self, *words: str) -> dict[str, Any]:
        """`kubectl get … -o json`, decoded."""
        decoded: dict[str, Any] = json.loads(self("get", *words, "-o", "json"))
        return decoded

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """`kubectl apply` of one object (or of a List of them)."""
        self("apply", "-f", "-", stdin=json.dumps(manifest))


def write_kubeconfig(path: Path, *, url: str, ca_file: Path, token: str) -> None:
    """Write a kubeconfig with one cluster and one user, who has a bearer token; for its owner's eyes only."""
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "e2e",
        "contexts": [{"name": "e2e", "context": {"cluster": "e2e", "user": "e2e"}}],
        "clusters": [{"name": "e2e", "cluster": {"server": url, "certificate-authority": str(ca_file)}}],
        "users": [{"name": "e2e", "user": {"token": token}}],
    }
    path.touch(mode=0o600)
    path.write_text(json.dumps(content))  # JSON is YAML
