"""Make what a release publishes: `python -m tools.release` (`make release`).

In dist/: wheel, sdist, the chart's package where helm is at hand, the bill of materials, and SHA256SUMS of them all.

Rules kept here:
- What is committed is released and nothing else: a forgotten key beside the source stays here, whether git ignores it
  or not. The files come out of the last commit (`git archive`), never out of the folder.
- The same commit makes the same bytes, wherever and whenever it is built. Times are SOURCE_DATE_EPOCH
  (reproducible-builds.org/docs/source-date-epoch), which is the last commit's if it is not set.
- All or nothing: what is in dist/ at the end belongs together. What went wrong is one line.
- What was there before is replaced if every file is one that its SHA256SUMS names, and left alone otherwise.
- Nothing is published, tagged or signed here: docs/release.md says who does what.
"""

import argparse
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any, Final

import yaml

from tools.chart_archive import make_reproducible
from tools.sbom import Facts, Product, make_document, normalize, read_pins

ROOT: Final = Path(__file__).parents[1]
CHART: Final = Path("k8s/chart")
EPOCH: Final = "SOURCE_DATE_EPOCH"
SUMS: Final = "SHA256SUMS"
COMMAND_SECONDS: Final = 300
"""Each takes seconds."""
_ARGUMENT: Final = re.compile(r"^ARG VERSION=(.*)$", re.MULTILINE)
_NAMED_LICENCE: Final = re.compile(r"License :: (?:OSI Approved :: )?(.+)")


class ReleaseError(Exception):
    """No release can be made; the message is one line that says what to do."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Make a release and say what it holds; 2 and one line on standard error if it cannot be made."""
    parser = argparse.ArgumentParser(prog="python -m tools.release", description="Make what a release publishes.")
    parser.add_argument("--root", type=Path, default=ROOT, help="the source tree (default: this one)")
    parser.add_argument("--to", type=Path, help="folder for the files (default: dist in ROOT)")
    parser.add_argument("--helm", help="the helm that packs the chart (default: the one in PATH, if any)")
    options = parser.parse_args(arguments)
    root = options.root.absolute()
    to = (options.to or root / "dist").absolute()
    helm = options.helm or shutil.which("helm")
    try:
        make(root, to, helm)
        changed = list_changes(root)
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)  # noqa: T201  # a command talks to its user
        return 2
    print((to / SUMS).read_text(), end="")  # noqa: T201  # the same
    if changed:
        print(  # noqa: T201  # the same
            "release: made of the last commit; what 'git status' shows beside it is not in it", file=sys.stderr
        )
    if helm is None:
        print(  # noqa: T201  # the same
            "release: no chart package, since there is no helm in PATH; name one with HELM=…", file=sys.stderr
        )
    return 0


def make(root: Path, to: Path, helm: str | None) -> None:
    """Make a release of the last commit of `root` in the folder `to`, the chart's package by `helm` if there is one.

    Raises:
        ReleaseError: there is no commit, its versions differ, a package that is pinned is not installed, a step failed,
            or `to` has something else in it than an earlier release.
    """
    check_replaceable(to)
    moment = find_moment(root)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as draft:
        source, made = Path(draft) / "source", Path(draft) / "made"
        for folder in (source, made):
            folder.mkdir()
        take_commit(root, source)
        project = tomllib.loads((source / "pyproject.toml").read_text())["project"]
        check_versions(source, project["version"])
        _run("hatchling", sys.executable, "-m", "hatchling", "build", "-d", str(made), folder=source, moment=moment)
        if helm is not None:
            packing = (helm, "package", str(source / CHART), "--destination", str(made))
            _run("helm package", *packing, folder=root, moment=moment)
            # helm names its package as hatchling names no file: with the chart's name and a .tgz.
            for package in made.glob("*.tgz"):
                package.write_bytes(make_reproducible(package.read_bytes(), moment))
        (made / f"{project['name']}-{project['version']}.cdx.json").write_bytes(_make_bill(source, project))
        sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(made.iterdir())]
        (made / SUMS).write_text("".join(sums))
        check_replaceable(to)  # building takes seconds
        if to.exists():
            to.rename(Path(draft) / "earlier")
        made.rename(to)


def check_replaceable(to: Path) -> None:
    """Check that a folder is not there, is empty, or has an earlier release and nothing else; `ReleaseError` if not."""
    if not os.path.lexists(to):
        return
    if to.is_symlink() or not to.is_dir():
        raise ReleaseError(f"{to} is no folder: name another one")
    sums = to / SUMS
    lines = sums.read_text(errors="replace").splitlines() if sums.is_file() else []
    ours = {SUMS, *(line.partition("  ")[2] for line in lines)}
    others = sorted(path.name for path in to.iterdir() if path.name not in ours or path.is_dir())
    if others:
        raise ReleaseError(f"{to} holds something else than a release ({others[0]}): empty it, or name another folder")


def take_commit(root: Path, to: Path) -> None:
    """Put the files of the last commit in an empty folder; `ReleaseError` if there is no commit."""
    archive = to.with_name("source.tar")
    _run("git archive", "git", "archive", "--output", str(archive), "HEAD", folder=root)
    _run("tar", "tar", "--extract", "--file", str(archive), folder=to)


def list_changes(root: Path) -> list[str]:
    """List what in the tree is not as in the last commit, a line each; `ReleaseError` if git cannot tell."""
    return _run("git status", "git", "status", "--porcelain", ".", folder=root).splitlines()


def check_versions(root: Path, version: str) -> None:
    """Check that the chart and the Dockerfile have the version of pyproject.toml; `ReleaseError` if not."""
    chart = yaml.safe_load((root / CHART / "Chart.yaml").read_text())
    argument = _ARGUMENT.search((root / "Dockerfile").read_text())
    found = {
        f"version in {CHART}/Chart.yaml": chart["version"],
        f"appVersion in {CHART}/Chart.yaml": chart["appVersion"],
        "ARG VERSION in Dockerfile": argument[1] if argument else "missing",
    }
    for where, there in found.items():
        if there != version:
            raise ReleaseError(f"{where} is {there}, and pyproject.toml says {version}: make them the same")


def find_moment(root: Path) -> int:
    """The time that all files get, in seconds since 1970; `ReleaseError` if nothing says it."""
    given = os.environ.get(EPOCH)
    if given is None:
        command = ["git", "-C", str(root), "log", "-1", "--format=%ct"]
        try:
            asked = subprocess.run(  # noqa: S603  # git, as the developer has it
                command, capture_output=True, text=True, check=True, timeout=COMMAND_SECONDS
            )
        except (OSError, subprocess.SubprocessError):
            raise ReleaseError(f"{EPOCH} is not set, and git knows no last commit of {root}: set it") from None
        given = asked.stdout.strip()
    if not given.isascii() or not given.isdigit():
        raise ReleaseError(f"{EPOCH} is {given!r}: give whole seconds since 1970")
    return int(given)


def read_facts(found: Distribution) -> Facts:
    """What an installed package says of itself; an SPDX expression (PEP 639) before classifiers and free text."""
    # Keys may be there several times, or not at all.
    said: Any = found.metadata
    requires = tuple(found.requires or ())
    if said.get("License-Expression"):
        return Facts(said["License-Expression"], is_expression=True, requires=requires)
    classifiers = (_NAMED_LICENCE.fullmatch(line) for line in said.get_all("Classifier", ()))
    named = " OR ".join(sorted(match[1] for match in classifiers if match))
    first_line = next(iter((said.get("License") or "").splitlines()), "")
    return Facts(named or first_line, is_expression=False, requires=requires)


def _make_bill(root: Path, project: dict[str, Any]) -> bytes:
    requirements = (root / "requirements.txt").read_text()
    facts = {}
    for pin in read_pins(requirements):
        try:
            found = distribution(pin.name)
        except PackageNotFoundError:
            raise ReleaseError(f"{pin.name} is not installed here: run 'make setup'") from None
        if found.version != pin.version:
            raise ReleaseError(
                f"{pin.name} is {found.version} here and {pin.version} in requirements.txt: run 'make setup'"
            )
        facts[normalize(pin.name)] = read_facts(found)
    product = Product(
        name=project["name"],
        version=project["version"],
        description=project["description"],
        licence=project["license"],
        requires=tuple(project["dependencies"]),
    )
    return make_document(product, requirements, facts)


def _run(what: str, *command: str, folder: Path, moment: int | None = None) -> str:
    try:
        done = subprocess.run(  # noqa: S603  # programs of ours, git and tar, and the helm that the caller names
            command,
            cwd=folder,
            env=os.environ | ({} if moment is None else {EPOCH: str(moment)}),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=COMMAND_SECONDS,
        )
    except OSError as error:
        raise ReleaseError(f"{command[0]} cannot be run: {error.strerror}") from None
    if done.returncode:
        last = next(reversed(f"{done.stdout}{done.stderr}".strip().splitlines()), "no word")
        raise ReleaseError(f"{what} failed: {last}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
