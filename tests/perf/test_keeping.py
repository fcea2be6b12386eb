"""What was measured before somebody stops a script is printed: as JSON, and as tables that a part of it makes."""

import json
import signal
from types import ModuleType
from typing import Any

import pytest

from perf import load, overload, scale, storm
from tests.perf.interrupting import interrupt

LOAD = "--workers=1 --replicas=1 --windows=2,4 --seconds=0.1 --serviceaccounts=9 --first-seen=9 --rounds=1"
OVERLOAD = "--workers=1 --factors=0.5,1 --seconds=0.5 --clients=5"
STORM = "--workers=1 --at-once=2,3 --clients=5 --retry=no"
SCALE = "--workers=1 --serviceaccounts=9,10 --changes=1 --churn=10 --seconds=0.1"


def stop(script: str, words: str, at: str) -> Any:
    """Run a script until it says that, and tell it to stop; return what it has printed."""
    command = [f"perf.{script}", "--json", *words.split()]
    _, printed, code = interrupt(command, lambda said: any(at in line for line in said), signal.SIGTERM)
    assert 128 + signal.SIGTERM == code
    return json.loads(printed)


@pytest.mark.parametrize(
    ("script", "words", "at", "found"),
    [
        (load, LOAD, "half of that rate", lambda report: len(report["points"]) >= len(["tokens", "2", "4"])),
        (storm, STORM, "3 at once", lambda report: [row["at_once"] for row in report["rows"]] == [2]),
        (overload, OVERLOAD, "capacity, end to end", lambda report: len(report["straight"]["steps"]) == 2),
        (scale, SCALE, "10 ServiceAccounts", lambda report: [row["serviceaccounts"] for row in report["rows"]] == [9]),
    ],
)
def test_what_was_measured_is_not_lost(script: ModuleType, words: str, at: str, found: Any) -> None:
    """What was still to come is missing, and nothing of what was there."""
    report = stop(script.__name__.rpartition(".")[2], words, at)
    assert found(report)
    assert script.render(report)
