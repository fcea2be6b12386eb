"""Our code run by a user whom permissions bind, which they do not root."""

import sys
from collections.abc import Mapping
from pathlib import Path

from tests.commands import Done, attempt

AS_NOBODY = """
import os, sys
import {module} as module
if os.geteuid() == 0:
    os.setuid(54321)
sys.exit(module.{function}(sys.argv[1:]))
"""


def run_as_nobody(module: str, function: str, *arguments: str, env: Mapping[str, str] | None = None) -> Done:
    """Call a function of a module with arguments, and `env` for its variables; what it returns is the exit code."""
    return attempt([sys.executable, "-c", AS_NOBODY.format(module=module, function=function), *arguments], env=env)


def make_closed(folder: Path) -> Path:
    """Make a folder into which nobody may look, and return the path of what might be in it."""
    closed = folder / "closed"
    closed.mkdir(mode=0)
    return closed / "inside"
