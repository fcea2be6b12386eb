"""Our code run by a user whom permissions bind, which they do not root."""

import subprocess
import sys
from pathlib import Path

from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
AS_NOBODY = """
import os, sys
import {module} as module
if os.geteuid() == 0:
    os.setuid(54321)
sys.exit(module.{function}(sys.argv[1:]))
"""


def run_as_nobody(module: str, function: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Call a function of a module with arguments; what it returns is the exit code."""
    return subprocess.run(
        [sys.executable, "-c", AS_NOBODY.format(module=module, function=function), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_SECONDS,
    )


def make_closed(folder: Path) -> Path:
    """Make a folder into which nobody may look, and return the path of what might be in it."""
    closed = folder / "closed"
    closed.mkdir(mode=0)
    return closed / "inside"
