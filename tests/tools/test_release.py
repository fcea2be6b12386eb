"""A release is the same bytes wherever and whenever it is made of the same tree, or it is not made."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.pages import ROOT
from tests.test_packaging import DISTRIBUTION, VERSION
from tools.release import EPOCH, SUMS, ReleaseError, check_versions, find_moment, main

MOMENT = "1700000000"
RELEASE_SECONDS = 300
"""Each takes seconds."""
SOURCE = ("callout", "workers", "tools", "k8s", "docs", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")
MORE = ("Dockerfile", ".gitignore", "CHANGELOG.md")


def copy_source(to: Path) -> Path:
    """A copy of the tree, as far as a release needs it."""
    to.mkdir()
    for name in (*SOURCE, *MORE):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(source, to / name)
    return to


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of a test's own."""
    return copy_source(tmp_path / "tree")


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time for all files."""
    monkeypatch.setenv(EPOCH, MOMENT)


def release(tree: Path, umask: int, **variables: str) -> Path:
    """Make a release of a tree in a process of its own, without helm; return its folder."""
    done = subprocess.run(
        [sys.executable, "-m", "tools.release", "--root", str(tree)],
        cwd=ROOT,
        env={"PATH": os.defpath, **variables},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=RELEASE_SECONDS,
        umask=umask,
    )
    assert 0 == done.returncode, done.stderr
    said = "release: no chart package, since there is no helm in PATH; name one with HELM=…\n"
    assert ((tree / "dist" / SUMS).read_text(), said) == (done.stdout, done.stderr)
    return tree / "dist"


def test_two_releases_of_one_tree_are_the_same_bytes(tmp_path: Path) -> None:
    """In two places, with files of other times and modes, for users with other habits, in other time zones."""
    here, there = copy_source(tmp_path / "here"), copy_source(tmp_path / "elsewhere")
    for path in there.rglob("*"):
        os.utime(path, (1, 1))
        path.chmod(path.stat().st_mode & 0o700)
    one = release(here, 0o022, **{EPOCH: MOMENT, "TZ": "UTC"})
    other = release(there, 0o077, **{EPOCH: MOMENT, "TZ": "Asia/Tokyo", "LANG": "C.UTF-8", "PYTHONHASHSEED": "7"})
    names = sorted(path.name for path in one.iterdir())
    distribution = DISTRIBUTION.replace("-", "_")
    assert [
        SUMS,
        f"{DISTRIBUTION}-{VERSION}.cdx.json",
        f"{distribution}-{VERSION}-py3-none-any.whl",
        f"{distribution}-{VERSION}.tar.gz",
    ] == names
    assert [] == [name for name in names if (one / name).read_bytes() != (other / name).read_bytes()]
    sums = [f"{hashlib.sha256((one / name).read_bytes()).hexdigest()}  {name}" for name in names if name != SUMS]
    assert sums == (one / SUMS).read_text().splitlines()
    bill = json.loads((one / f"{DISTRIBUTION}-{VERSION}.cdx.json").read_text())
    assert (DISTRIBUTION, VERSION) == (bill["metadata"]["component"]["name"], bill["metadata"]["component"]["version"])
    with tarfile.open(one / f"{distribution}-{VERSION}.tar.gz") as archive:
        assert {int(MOMENT)} == {member.mtime for member in archive.getmembers()}


@pytest.mark.usefixtures("moment")
def test_an_earlier_release_is_replaced_and_nothing_else_is(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder with other things in it is left alone."""
    precious = tree / "dist/precious"
    precious.parent.mkdir()
    precious.write_text("mine\n")
    assert 2 == main(["--root", str(tree)])
    expected = f"release: {tree}/dist holds something else than a release: empty it, or name another folder\n"
    assert expected == capsys.readouterr().err
    assert "mine\n" == precious.read_text()
    (precious.parent / SUMS).write_text("")
    assert 0 == main(["--root", str(tree)])
    assert not precious.exists()
    assert sorted(precious.parent.iterdir()) == sorted((tree / "dist").iterdir())


@pytest.mark.parametrize(
    ("file", "old", "new", "complaint"),
    [
        ("k8s/chart/Chart.yaml", "appVersion: ", "appVersion: 9", "appVersion in k8s/chart/Chart.yaml is 9"),
        ("k8s/chart/Chart.yaml", "\nversion: ", "\nversion: 9", "version in k8s/chart/Chart.yaml is 9"),
        ("Dockerfile", "ARG VERSION=", "ARG VERSION=9", "ARG VERSION in Dockerfile is 9"),
        ("Dockerfile", "ARG VERSION=", "ARG OTHER=", "ARG VERSION in Dockerfile is missing"),
    ],
)
def test_one_version_for_all(tree: Path, file: str, old: str, new: str, complaint: str) -> None:
    """Chart, image and distribution bear the same; the complaint says where another one stands."""
    check_versions(tree, VERSION)
    path = tree / file
    path.write_text(path.read_text().replace(old, new))
    with pytest.raises(ReleaseError, match=complaint):
        check_versions(tree, VERSION)


@pytest.mark.usefixtures("moment")
def test_what_is_locked_has_to_be_installed(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Otherwise the bill would tell of other packages than those that the image has."""
    requirements = tree / "requirements.txt"
    text = requirements.read_text()
    requirements.write_text(text.replace("\nurllib3==", "\nurllib3==0."))
    assert 2 == main(["--root", str(tree)])
    assert "release: urllib3 is " in capsys.readouterr().err
    requirements.write_text(text.replace("\nurllib3==", "\nurllib9==0."))
    assert 2 == main(["--root", str(tree)])
    assert "release: urllib9 is not installed here: run 'make setup'\n" == capsys.readouterr().err
    assert not (tree / "dist").exists()


@pytest.mark.usefixtures("moment")
def test_a_step_that_fails_is_one_line(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And leaves nothing behind."""
    assert 2 == main(["--root", str(tree), "--helm", "false"])
    assert f"release: false package {tree}/k8s/chart failed: no word\n" == capsys.readouterr().err
    assert [] == [path.name for path in tree.iterdir() if "dist" in path.name]


def test_the_time_is_the_last_commits(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless SOURCE_DATE_EPOCH says another one; without either there is no release."""
    monkeypatch.delenv(EPOCH, raising=False)
    with pytest.raises(ReleaseError, match=f"{EPOCH} is not set, and git knows no last commit"):
        find_moment(tree)
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com")
    for words in (("init", "--quiet"), (*who, "commit", "--quiet", "--allow-empty", "-m", "first")):
        dated = os.environ | {"GIT_COMMITTER_DATE": f"{MOMENT} +0000"}
        subprocess.run(["git", "-C", str(tree), *words], check=True, env=dated)
    assert int(MOMENT) == find_moment(tree)
    monkeypatch.setenv(EPOCH, "1")
    assert 1 == find_moment(tree)
    monkeypatch.setenv(EPOCH, "yesterday")
    with pytest.raises(ReleaseError, match="'yesterday': give whole seconds since 1970"):
        find_moment(tree)
