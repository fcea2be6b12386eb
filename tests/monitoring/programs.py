"""Prometheus' own programs, which judge our rules and queries.

`make test` asks for nothing but Python: without them their tests are skipped there. CI has them, and must have them.
"""

import shutil
from pathlib import Path

from tests.commands import Done, attempt
from tests.missing import leave_out


def find_program(name: str) -> str:
    """Where prometheus or promtool is; where it is not the test is skipped, and in CI fails, with what to do."""
    found = shutil.which(name)
    if found is None:
        leave_out(f"{name} is needed: 'apt-get install prometheus' has it, or put a release of Prometheus on PATH")
    return found


def run_promtool(*words: str | Path) -> Done:
    """Run it and return how it ended."""
    return attempt([find_program("promtool"), *words])
