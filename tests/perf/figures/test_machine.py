"""What a measurement was made on: the build of the interpreter counts."""

import json
import sys

import pytest

from perf.figures.machine import describe_machine, say_python
from tests.commands import run


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"build": "GCC 12.2.0, Apr 28 2025 14:11:48"}, "CPython 3.11.2 (GCC 12.2.0, Apr 28 2025 14:11:48)"),
        ({}, "CPython 3.11.2"),
    ],
)
def test_the_build_stands_behind_the_version(more: dict[str, object], expected: str) -> None:
    """Results from before it was looked at say no more than they know."""
    assert expected == say_python({"python": "CPython 3.11.2", **more})


def test_it_is_the_interpreter_that_measures() -> None:
    """Which is the one that the workers run on; and the description is JSON as it stands."""
    said = run([sys.executable, "-c", "import sys; print(sys.version)"])
    machine = describe_machine()
    assert str(machine["build"]).partition(",")[0] in said
    assert machine == json.loads(json.dumps(machine))
