"""The Makefile's switches mean what they say."""

import shutil
from pathlib import Path

import pytest

from tests.commands import Done, attempt
from tests.pages import ROOT

PYTHON_THAT_BUILDS = """#!/bin/sh
case "$*" in
  *tools.build) echo /built ;;
  *) echo "$NATS_SERVER" "$@" ;;
esac
"""


@pytest.mark.parametrize(
    ("switches", "arguments"),
    [
        ("", ""),
        ("ONCE=1", "--once"),
        ("ONCE=yes XKEY=1", "--xkey --once"),
        ("ONCE=0 XKEY=no MODE=", ""),
        ("ONCE=false XKEY=off", ""),
        ("MODE=operator", "--mode 'operator'"),
        ("MODE=operators", "--mode 'operators'"),
    ],
)
def test_switches_of_the_demo_become_arguments(switches: str, arguments: str) -> None:
    """No is no, and a mode that does not exist is left to `callout demo` to refuse."""
    done = make("--dry-run", "--old-file=.venv/.set-up", "demo", *switches.split(), folder=ROOT)
    assert (0, f".venv/bin/callout demo {arguments}".split()) == (done.returncode, done.stdout.split())


@pytest.mark.parametrize(
    ("switches", "arguments"),
    [
        ("", ""),
        ("ONLY=ladder,load", "--only 'ladder,load'"),
        ("ONLY=storm ATTEMPTS=5", "--only 'storm' --attempts '5'"),
        ("ONLY= ATTEMPTS=many", "--attempts 'many'"),
    ],
)
def test_switches_of_the_measurements_become_arguments(switches: str, arguments: str) -> None:
    """Without any all is measured; what is no number, and no measurement, is left to `python -m perf` to refuse."""
    done = make("--dry-run", "--old-file=.venv/.set-up", "perf", *switches.split(), folder=ROOT)
    assert (0, f".venv/bin/python -m perf {arguments}".split()) == (done.returncode, done.stdout.split())


def test_both_runs_of_e2e_are_on_the_server_that_it_has_built(tmp_path: Path) -> None:
    """The examples name that version, whatever PyPI has; a Python that only says what it is asked for stands in."""
    python = tmp_path / "python"
    python.write_text(PYTHON_THAT_BUILDS)
    python.chmod(0o700)
    done = make("--silent", "--old-file=.venv/.set-up", "e2e", f"BIN={tmp_path}", folder=ROOT)
    runs = [line.split() for line in done.stdout.splitlines()]
    assert [("/built/nats-server", "tests/interop"), ("/built/nats-server", "tests/e2e")] == [
        (server, next(word for word in words if word.startswith("tests/"))) for server, *words in runs
    ]


@pytest.mark.parametrize("python", ["no-such-python", "false"])
def test_a_python_that_will_not_do_is_one_line(tmp_path: Path, python: str) -> None:
    """Whether it is too old (`false` stands for it) or not there at all."""
    for name in ("Makefile", "pyproject.toml", "requirements-dev.txt"):
        shutil.copy(ROOT / name, tmp_path)
    done = make("demo", f"PYTHON={python}", folder=tmp_path)
    expected = (
        f"Python 3.11 or later is needed, and {python} is older or not there: run 'make demo PYTHON=python3.12', say."
    )
    assert (2, expected) == (done.returncode, done.stderr.splitlines()[0])


def make(*arguments: str, folder: Path) -> Done:
    """Run make."""
    return attempt(["make", "--no-print-directory", *arguments], cwd=folder)
