"""What was measured before somebody stops a script is printed: as JSON, and as tables that a part of it makes."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from perf import load, overload, scale
from tests.waiting import PATIENCE_SECONDS

ROOT = Path(__file__).parents[2]
LOAD = "--workers=1 --replicas=1 --windows=2,4 --seconds=0.1 --serviceaccounts=9 --first-seen=9 --rounds=1"
OVERLOAD = "--workers=1 --factors=0.5,1 --seconds=0.5 --clients=5"
SCALE = "--workers=1 --serviceaccounts=9,10 --changes=1 --churn=10 --seconds=0.1"


def stop(script: str, words: str, at: str) -> Any:
    """Run a script until it says that, and tell it to stop; return what it has printed."""
    command = [sys.executable, "-m", f"perf.{script}", "--json", *words.split()]
    with subprocess.Popen(
        command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        said: list[str] = []
        while not any(at in line for line in said):
            line = process.stderr.readline()
            assert line, "".join(said)
            said.append(line)
        process.send_signal(signal.SIGTERM)
        printed, rest = process.communicate(timeout=PATIENCE_SECONDS)
    assert (128 + signal.SIGTERM, False) == (process.returncode, "Traceback" in rest)
    return json.loads(printed)


@pytest.mark.parametrize(
    ("script", "words", "at", "found"),
    [
        (load, LOAD, "half of that rate", lambda report: len(report["points"]) >= len(["tokens", "2", "4"])),
        (overload, OVERLOAD, "capacity, end to end", lambda report: len(report["straight"]["steps"]) == 2),
        (scale, SCALE, "10 ServiceAccounts", lambda report: [row["serviceaccounts"] for row in report["rows"]] == [9]),
    ],
)
def test_what_was_measured_is_not_lost(script: ModuleType, words: str, at: str, found: Any) -> None:
    """What was still to come is missing, and nothing of what was there."""
    report = stop(script.__name__.rpartition(".")[2], words, at)
    assert found(report)
    assert script.render(report)
