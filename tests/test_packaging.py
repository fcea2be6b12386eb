"""What is shipped: a wheel with the two packages and nothing else, which works wherever it is installed and run."""

import os
import sys
import sysconfig
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.commands import Done, attempt
from tests.pages import ROOT

PACKAGES = ("callout", "workers")
DISTRIBUTION = "nats-k8s-oidc-callout"
VERSION = version(DISTRIBUTION)
RECORDS = f"nats_k8s_oidc_callout-{VERSION}.dist-info"
BAD_SETTINGS = 2
INSTALL = ("install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from this folder."""
    folder = tmp_path_factory.mktemp("wheel")
    done = run(sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder), folder=ROOT)
    assert 0 == done.returncode, done.stderr
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of a fresh environment in which the wheel is installed, beside what it depends on."""
    folder = tmp_path_factory.mktemp("venv")
    venv.create(folder, symlinks=True)
    programs = folder / "bin"
    done = run(sys.executable, "-m", "pip", "--python", str(programs / "python"), *INSTALL, str(wheel), folder=folder)
    assert 0 == done.returncode, done.stderr
    # Dependencies are those of this environment. Its `.pth` files are not read there, so the checkout is not seen.
    (site_packages,) = folder.glob("lib/python*/site-packages")
    (site_packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return programs


@pytest.fixture
def decoys(tmp_path: Path) -> Path:
    """A folder with packages that are called as ours, and tell when they are imported."""
    for package in PACKAGES:
        (tmp_path / package).mkdir()
        for module in ("__init__.py", "__main__.py"):
            (tmp_path / package / module).write_text("raise SystemExit('the decoy was run')\n")
    return tmp_path


def run(*command: str, folder: Path) -> Done:
    """Run a command in a folder, with nothing on its input and nothing of ours in its environment."""
    environment = {"PATH": os.defpath, "LANG": "C.UTF-8"}
    return attempt(command, cwd=folder, env=environment)


def test_the_wheel_holds_the_packages_and_nothing_else(wheel: Path) -> None:
    """Every module of both, and what the wheel says of itself."""
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
    modules = {
        str(path.relative_to(ROOT)) for package in ("callout", "workers") for path in (ROOT / package).rglob("*.py")
    }
    records = {f"{RECORDS}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "entry_points.txt", "licenses/LICENSE")}
    assert modules | records == set(names)


def test_the_wheel_says_what_it_is(wheel: Path) -> None:
    """One command, the licence, and the Python that it needs."""
    with zipfile.ZipFile(wheel) as archive:
        entry_points = archive.read(f"{RECORDS}/entry_points.txt").decode()
        metadata = archive.read(f"{RECORDS}/METADATA").decode().splitlines()
        licence = archive.read(f"{RECORDS}/licenses/LICENSE")
    assert ["[console_scripts]", "callout = callout.cli:main"] == entry_points.split("\n")[:2]
    assert (ROOT / "LICENSE").read_bytes() == licence
    assert {"License-Expression: Apache-2.0", "Requires-Python: >=3.11", f"Name: {DISTRIBUTION}"} <= set(metadata)


def test_the_command_runs_where_decoys_stand(installed: Path, decoys: Path) -> None:
    """It is the installed one that answers."""
    done = run(str(installed / "callout"), "--version", folder=decoys)
    assert (0, f"callout {VERSION}\n", "") == (done.returncode, done.stdout, done.stderr)
    done = run(str(installed / "callout"), "config", "--help", folder=decoys)
    assert (0, "") == (done.returncode, done.stderr)
    assert "NATS_SIGNING_KEY_FILE (required)" in done.stdout


def test_a_worker_runs_where_decoys_stand(installed: Path, decoys: Path) -> None:
    """Started as the supervisor starts it, but without settings: it says what it is for."""
    done = run(str(installed / "python"), "-P", "-m", "workers", folder=decoys)
    said = "workers are started by `callout serve`, with their settings on standard input\n"
    assert (BAD_SETTINGS, "", said) == (done.returncode, done.stdout, done.stderr)


def test_what_runs_is_what_was_installed(installed: Path, decoys: Path) -> None:
    """Neither this checkout nor the decoys."""
    places = "import callout, workers; print(callout.__file__); print(workers.__file__)"
    done = run(str(installed / "python"), "-P", "-c", places, folder=decoys)
    (site_packages,) = installed.parent.glob("lib/python*/site-packages")
    expected = [str(site_packages / package / "__init__.py") for package in PACKAGES]
    assert expected == done.stdout.split()
