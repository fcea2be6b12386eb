"""docs/measure-a-cluster.md: what needs a cluster's API and nothing else, as it stands there."""

import json
import os
import re
from pathlib import Path

import yaml

from perf.generator.tokens import read_tokens
from tests.commands import BASH, run
from tests.e2e.cluster import Cluster
from tests.pages import ROOT, blocks, yaml_blocks

PAGE = ROOT / "docs/measure-a-cluster.md"
COMMAND_SECONDS = 120
TOKENS = 3
"""Some of those that the page asks for: each is one start of kubectl."""


def test_the_tokens_of_the_page_are_what_a_storm_takes(cluster: Cluster, tools: Path, tmp_path: Path) -> None:
    """One a line: kubectl ends a token with a line end on a terminal alone."""
    [line] = (
        line
        for block in blocks(PAGE.read_text())
        for line in block.commands.splitlines()
        if "create token" in line and "> tokens" in line
    )
    loop, fewer = re.subn(r"seq \d+", f"seq {TOKENS}", line)
    assert 1 == fewer
    cluster.kubectl("create", "namespace", "measured")
    cluster.kubectl("create", "serviceaccount", "checkout", "--namespace", "measured")
    variables = {
        "PATH": f"{tools}{os.pathsep}{os.defpath}",
        "HOME": str(tmp_path),
        "KUBECONFIG": str(cluster.kubectl.kubeconfig),
    }
    command = [*BASH, loop.replace("-n orders", "-n measured")]
    run(command, env=variables, cwd=tmp_path, timeout=COMMAND_SECONDS)
    assert TOKENS == len(read_tokens(tmp_path / "tokens"))


def test_the_pod_of_the_page_needs_no_rights(cluster: Cluster) -> None:
    """The API server knows every field of it, and takes it where Pod Security is restricted."""
    [pod] = (yaml.safe_load(block) for block in yaml_blocks(PAGE.read_text()) if "kind: Pod" in block)
    namespace = pod["metadata"]["namespace"] = "measuring"
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    cluster.kubectl.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": labels}})
    cluster.kubectl("create", "serviceaccount", "default", "--namespace", namespace)
    words = ("create", "--dry-run=server", "--validate=strict", "--output=json", "-f", "-")
    made = json.loads(cluster.kubectl(*words, stdin=json.dumps(pod)))
    assert not any("projected" in volume for volume in made["spec"]["volumes"])
