"""One step of the build as a process that takes minutes: it is seen to be alive, and its failure is one line."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

PROGRESS_SECONDS = 30
"""How often a step says that it is alive."""
GO_ENVIRONMENT = {"CGO_ENABLED": "0", "GOWORK": "off"}
"""Static programs, from the pins of their own module alone."""


class BuildError(Exception):
    """A part cannot be had; the message says what to do."""


def run(command: Sequence[str], folder: Path, title: str, log: Path) -> None:
    """Run `command` in `folder` with all its output in `log`; `BuildError` with its last words if it fails."""
    started = time.monotonic()
    say(f"{title}: building, log in {log}")
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **GO_ENVIRONMENT},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            while (code := _maybe_wait(process)) is None:
                say(f"{title}: {time.monotonic() - started:.0f} s")
        except BaseException:  # an interrupt ends the step too
            process.terminate()
            process.wait()
            raise
    if code:
        raise BuildError(f"{title} could not be built: {last_line(log.read_text(errors='replace'))} (all of it: {log})")
    say(f"{title}: done after {time.monotonic() - started:.0f} s")


def last_line(text: str) -> str:
    """The last that is not blank: compilers and installers say there why they gave up."""
    return next((line.strip() for line in reversed(text.splitlines()) if line.strip()), "it said nothing")


def say(line: str) -> None:
    """Tell the user, who may be reading the folder's name from standard output, on standard error."""
    print(f"e2e tools: {line}", file=sys.stderr, flush=True)  # noqa: T201  # a command talks to its user


def _maybe_wait(process: subprocess.Popen[bytes]) -> int | None:
    try:
        return process.wait(PROGRESS_SECONDS)
    except subprocess.TimeoutExpired:
        return None
