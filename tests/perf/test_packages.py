"""The scripts run where the service is installed, as in the pod of docs/measure-a-cluster.md that has its image."""

import json
import os
import re
import shutil
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from tests.commands import BASH, run
from tests.pages import ROOT, blocks

DEPLOYED = ("storm", "load", "overload", "soak", "scale")
"""The scripts that take --nats-url."""
OURS = {"perf", "callout", "workers"}
IMPORTED = """
import importlib, json, sys
before = set(sys.modules)
importlib.import_module(sys.argv[1])
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - before})))
"""
EXEC = """#!/bin/sh
until test "$1" = --; do shift; done
shift
cd "$WITHIN" && exec "$@"
"""
"""`kubectl exec`, for a pod that is a folder here."""
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==", re.MULTILINE)


def read_pins() -> set[str]:
    """The distributions that the image has, by their names as they are compared (PEP 503)."""
    return {normalize(name) for name in _PIN.findall((ROOT / "requirements.txt").read_text())}


def normalize(name: str) -> str:
    """Write a distribution's name as it is compared."""
    return re.sub(r"[-_.]+", "-", name).lower()


@pytest.mark.parametrize("script", DEPLOYED)
def test_a_script_imports_nothing_that_the_image_lacks(script: str) -> None:
    """Neither a package of the tests, nor one that is for development alone."""
    imported = set(json.loads(run([sys.executable, "-c", IMPORTED, f"perf.{script}"], cwd=ROOT)))
    assert imported >= OURS
    assert "tests" not in imported
    distributions = packages_distributions()
    needed = {normalize(name) for package in imported - OURS for name in distributions.get(package, [])}
    assert needed
    assert needed <= read_pins()


def test_the_page_brings_the_scripts_to_where_the_pod_runs_them(tmp_path: Path) -> None:
    """With the tokens, which nobody else can read there; from the folder that is PYTHONPATH."""
    within, programs, checkout = (tmp_path / name for name in ("within", "programs", "checkout"))
    for folder in (within, programs, checkout):
        folder.mkdir()
    for name, text in (("kubectl", EXEC), ("python", f'#!/bin/sh\nexec {sys.executable} "$@"\n')):
        (programs / name).write_text(text)
        (programs / name).chmod(0o700)
    shutil.copytree(ROOT / "perf", checkout / "perf", ignore=shutil.ignore_patterns("__pycache__", "results"))
    for name in ("__pycache__", "results"):  # what a checkout has that was used, and the pod has no need of
        (checkout / "perf" / name).mkdir()
        (checkout / "perf" / name / "left").touch()
    for name in ("tokens", "ca.crt"):
        (checkout / name).write_text(f"{name}\n")
    [page] = (
        one.commands for one in blocks((ROOT / "docs/measure-a-cluster.md").read_text()) if "tar -c" in one.commands
    )
    commands = page[page.index("within=") : page.index("kubectl delete")]
    commands, storms = re.subn(r"(-m perf\.storm) .*", r"\1 --help", commands, flags=re.DOTALL)
    assert 1 == storms
    variables = {
        "PATH": f"{programs}{os.pathsep}{os.defpath}",
        "WITHIN": str(within),
        "PYTHONPATH": str(within),
        "PYTHONSAFEPATH": "1",
    }
    assert run([*BASH, commands], env=variables, cwd=checkout).startswith("usage: python -m perf.storm")
    assert {"perf", "tokens", "ca.crt"} == {path.name for path in within.iterdir()}
    assert not list((within / "perf").glob("*/left"))
    assert 0o600 == (within / "tokens").stat().st_mode & 0o777
