"""kubectl as a user runs it: with one kubeconfig, and nothing of the developer's own."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.commands import Done, attempt

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

    def attempt(self, *words: str, stdin: str = "") -> Done:
        """Run it and return how it ended, whatever that is."""
        return attempt([self._binary, *words], env=self._variables, stdin=stdin, timeout=RUN_SECONDS)

    def read(self, *words: str) -> dict[str, Any]:
        """`kubectl get … -o json`, decoded."""
        decoded: dict[str, Any] = json.loads(self("get", *words, "-o", "json"))
        return decoded

    def apply(self, manifest: Mapping[str, Any]) -> None:
        """`kubectl apply` of one object (or of a List of them)."""
        self("apply", "-f", "-", stdin=json.dumps(manifest))
