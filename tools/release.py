"""Make what a release publishes: `python -m tools.release` (`make release`).

In dist/: wheel, sdist, the chart's package where helm is at hand, the bill of materials, and SHA256SUMS of them all.

Rules kept here:
- The same tree makes the same bytes, wherever and whenever it is built. Times are SOURCE_DATE_EPOCH
  (reproducible-builds.org/docs/source-date-epoch), which is the last commit's if it is not set.
- All or nothing: what is in dist/ at the end belongs together. What went wrong is one line.
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
    except ReleaseError as error:
        print(f"release: {error}", file=sys.stderr)  # noqa: T201  # a command talks to its user
        return 2
    print((to / SUMS).read_text(), end="")  # noqa: T201  # the same
    if helm is None:
        print(  # noqa: T201  # the same
            "release: no chart package, since there is no helm in PATH; name one with HELM=…", file=sys.stderr
        )
    return 0


def make(root: Path, to: Path, helm: str | None) -> None:
    """Make the files of a release of the tree `root` in the folder `to`, the chart's with `helm` if there is one.

    Raises:
        ReleaseError: the tree's versions differ, a package that is pinned is not installed, a step failed, or `to` has
            something else in it than an earlier release.
    """
    if to.exists() and any(to.iterdir()) and not (to / SUMS).exists():
        raise ReleaseError(f"{to} holds something else than a release: empty it, or name another folder")
    project = tomllib.loads((root / "pyproject.toml").read_text())["project"]
    check_versions(root, project["version"])
    moment = find_moment(root)
    to.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{to.name}.", dir=to.parent) as draft:
        made = Path(draft) / "made"
        made.mkdir()
        _run(sys.executable, "-m", "hatchling", "build", "-d", str(made), folder=root, moment=moment)
        if helm is not None:
            _run(helm, "package", str(root / CHART), "--destination", str(made), folder=root, moment=moment)
            # helm names its package as hatchling names no file: with the chart's name and a .tgz.
            for package in made.glob("*.tgz"):
                package.write_bytes(make_reproducible(package.read_bytes(), moment))
        (made / f"{project['name']}-{project['version']}.cdx.json").write_bytes(_make_bill(root, project))
        sums = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in sorted(made.iterdir())]
        (made / SUMS).write_text("".join(sums))
        shutil.rmtree(to, ignore_errors=True)
        made.rename(to)


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


def _run(*command: str, folder: Path, moment: int) -> None:
    done = subprocess.run(  # noqa: S603  # programs of ours, and the helm that the caller names
        command,
        cwd=folder,
        env=os.environ | {EPOCH: str(moment)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )
    if done.returncode:
        last = next(reversed(f"{done.stdout}{done.stderr}".strip().splitlines()), "no word")
        raise ReleaseError(f"{' '.join(command[:3])} failed: {last}")


if __name__ == "__main__":
    sys.exit(main())
