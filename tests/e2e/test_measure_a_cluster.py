"""docs/measure-a-cluster.md: the commands that need a cluster's API and nothing else, run as they stand."""

import os
import re
import subprocess
from pathlib import Path

from perf.generator.tokens import read_tokens
from tests.e2e.cluster import Cluster
from tests.pages import ROOT, blocks

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
    command = ["bash", "-euo", "pipefail", "-c", loop.replace("-n orders", "-n measured")]
    subprocess.run(command, env=variables, cwd=tmp_path, check=True, capture_output=True, timeout=COMMAND_SECONDS)
    assert TOKENS == len(read_tokens(tmp_path / "tokens"))
