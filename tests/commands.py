"""Programs that a test runs.

Rules kept here:
- What a program asks gets no answer: its standard input is empty unless the test writes to it.
- It is run in the checkout, with the variables of the tests, unless the test says otherwise.
- It has a deadline; a program that hangs is killed, and fails its test. What it has started itself is not looked after.

`attempt` is for a test that looks at how it ended, `run` for one to which nothing but what it printed matters, `start`
for one that has to do with it before its end.
"""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Final, TypeAlias

from tests.pages import ROOT
from tests.waiting import PATIENCE_SECONDS

Done: TypeAlias = "subprocess.CompletedProcess[str]"
"""How a program has ended, and what it said."""
Running: TypeAlias = "subprocess.Popen[str]"
"""One that has not."""
PIPE: Final = subprocess.PIPE
BASH: Final = ("bash", "-euo", "pipefail", "-c")
"""Before what a reader would paste: it ends at the first command that fails."""
TAIL_LENGTH: Final = 4000
"""Characters of what a program said that has failed: its last words say why, and a build says much before them."""


def attempt(
    command: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    stdout: int | IO[str] = PIPE,
    stderr: int | IO[str] = PIPE,
    timeout: float = PATIENCE_SECONDS,
) -> Done:
    """Run a program and return how it ended, whatever that is.

    Args:
        command: the program and its arguments.
        cwd: where it runs.
        env: all its variables; None for those of the tests.
        stdin: what it may read.
        stdout: where it prints; what goes to a pipe is in what is returned.
        stderr: likewise.
        timeout: seconds until it has to have ended.

    Raises:
        subprocess.TimeoutExpired: it has not, and was killed.
    """
    return subprocess.run(
        command,
        cwd=cwd,
        env=env,
        input=stdin or None,
        stdin=None if stdin else subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        text=True,
        timeout=timeout,
        check=False,
    )


def start(command: Sequence[str | Path], *, env: Mapping[str, str] | None = None) -> Running:
    """Start a program whose outputs are read while it runs; the caller ends it."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        text=True,
    )


def run(
    command: Sequence[str | Path],
    *,
    cwd: Path = ROOT,
    env: Mapping[str, str] | None = None,
    stdin: str = "",
    timeout: float = PATIENCE_SECONDS,
) -> str:
    """Run a program that succeeds, and return what it prints; `AssertionError` with its own words if it fails."""
    done = attempt(command, cwd=cwd, env=env, stdin=stdin, timeout=timeout)
    said = f"{done.stdout[-TAIL_LENGTH:]}{done.stderr[-TAIL_LENGTH:]}"
    assert 0 == done.returncode, f"{' '.join(map(str, command))}: {said}"
    return done.stdout
