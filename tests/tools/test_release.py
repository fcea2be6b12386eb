"""A release is the same bytes wherever and whenever it is made of the same tree, or it is not made."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.commands import run
from tests.pages import ROOT
from tests.test_packaging import DISTRIBUTION, VERSION
from tools.release import EPOCH, SUMS, ReleaseError, check_replaceable, check_versions, find_moment, main

MOMENT = "1700000000"
PROGRAMS = ("git", "tar")
"""What a release needs besides Python."""
RELEASE_SECONDS = 300
"""Each takes seconds."""
SOURCE = ("callout", "workers", "tools", "k8s", "docs", "pyproject.toml", "requirements.txt", "README.md", "LICENSE")
MORE = ("Dockerfile", ".gitignore", "CHANGELOG.md")


@pytest.fixture(autouse=True)
def _git_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let git know nothing but the tree that it is told of, in a hook of another repository too, and speak English."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    monkeypatch.setenv("LC_ALL", "C")


def copy_source(to: Path) -> Path:
    """A copy of the tree, as far as a release needs it."""
    to.mkdir()
    for name in (*SOURCE, *MORE):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, to / name, ignore=shutil.ignore_patterns("__pycache__", "node_modules"))
        else:
            shutil.copy(source, to / name)
    commit(to)
    return to


def commit(tree: Path, message: str = "first") -> None:
    """Commit all that is in a tree, in a repository of its own."""
    who = ("-c", "user.name=nobody", "-c", "user.email=nobody@example.com", "-c", "commit.gpgSign=false")
    dated = os.environ | {"GIT_COMMITTER_DATE": f"{MOMENT} +0000"}
    for words in (("init", "--quiet"), ("add", "--all"), (*who, "commit", "--quiet", "-m", message)):
        run(["git", "-C", str(tree), *words], env=dated)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree of a test's own."""
    return copy_source(tmp_path / "tree")


@pytest.fixture
def moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A time for all files."""
    monkeypatch.setenv(EPOCH, MOMENT)


def release(tree: Path, umask: int, **variables: str) -> Path:
    """Make a release of a tree in a process of its own, where no helm is; return its folder."""
    programs = tree.with_name(f"{tree.name}-programs")
    programs.mkdir()
    for name in PROGRAMS:
        found = shutil.which(name)
        assert found is not None, name
        (programs / name).symlink_to(found)
    done = subprocess.run(
        [sys.executable, "-m", "tools.release", "--root", str(tree)],
        cwd=ROOT,
        env={"PATH": str(programs), **variables},
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
    """A folder with anything in it that SHA256SUMS does not name is left alone, whatever else it holds."""
    precious = tree / "dist/precious"
    precious.parent.mkdir()
    precious.write_text("mine\n")
    expected = (
        f"release: {tree}/dist holds something else than a release (precious): empty it, or name another folder\n"
    )
    for sums in (None, "", f"{'0' * 64}  another\n"):
        if sums is not None:
            (tree / "dist" / SUMS).write_text(sums)
        assert 2 == main(["--root", str(tree)])
        assert expected == capsys.readouterr().err
        assert "mine\n" == precious.read_text()
    (tree / "dist" / SUMS).write_text(f"{'0' * 64}  precious\n")
    assert 0 == main(["--root", str(tree)])
    assert not precious.exists()
    made = sorted(line.partition("  ")[2] for line in (tree / "dist" / SUMS).read_text().splitlines())
    assert sorted([SUMS, *made]) == sorted(path.name for path in (tree / "dist").iterdir())


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda to: to.write_text("mine"), "is no folder: name another one"),
        (lambda to: to.symlink_to("k8s"), "is no folder: name another one"),
        (lambda to: (to / SUMS).mkdir(parents=True), rf"something else than a release \({SUMS}\)"),
        (Path.exists, ""),
        (lambda to: to.mkdir(), ""),
    ],
    ids=["file", "link", "folder in it", "nothing", "empty"],
)
def test_what_is_no_folder_of_a_release_is_not_replaced(
    tmp_path: Path, make: Callable[[Path], object], complaint: str
) -> None:
    """The line says so, before anything is built."""
    (tmp_path / "k8s").mkdir()
    make(tmp_path / "to")
    with pytest.raises(ReleaseError, match=complaint) if complaint else nullcontext():
        check_replaceable(tmp_path / "to")


@pytest.mark.usefixtures("moment")
def test_what_is_not_committed_is_not_released(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Not a key forgotten among the source, not one that git ignores here alone, not a change; a line says so."""
    (tree / ".git/info/exclude").write_text("ignored.seed\n")
    for name in ("k8s/forgotten.seed", "k8s/ignored.seed", "callout/forgotten.seed", "callout/ignored.seed"):
        (tree / name).write_text("a-seed\n")
    (tree / "callout/errors.py").write_text("a-change\n")
    assert 0 == main(["--root", str(tree)])
    said = "release: made of the last commit; what 'git status' shows beside it is not in it\n"
    assert capsys.readouterr().err.startswith(said)
    with tarfile.open(next((tree / "dist").glob("*.tar.gz"))) as archive:
        source = {member.name.partition("/")[2]: archive.extractfile(member) for member in archive if member.isfile()}
        assert [] == [name for name in source if name.endswith(".seed")]
        change = source["callout/errors.py"]
        assert change is not None
        assert b"a-change" not in change.read()
    with zipfile.ZipFile(next((tree / "dist").glob("*.whl"))) as wheel:
        assert [] == [name for name in wheel.namelist() if name.endswith(".seed")]


@pytest.mark.usefixtures("moment")
def test_a_release_needs_a_commit(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A folder of files alone does not say which of them are meant."""
    (tree / ".git").rename(tree.parent / "elsewhere")
    assert 2 == main(["--root", str(tree)])
    assert capsys.readouterr().err.startswith("release: git archive failed: fatal: not a git repository")


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
    commit(tree, "another version")
    assert 2 == main(["--root", str(tree)])
    assert "release: urllib3 is " in capsys.readouterr().err
    requirements.write_text(text.replace("\nurllib3==", "\nurllib9==0."))
    commit(tree, "another name")
    assert 2 == main(["--root", str(tree)])
    assert "release: urllib9 is not installed here: run 'make setup'\n" == capsys.readouterr().err
    assert not (tree / "dist").exists()


@pytest.mark.usefixtures("moment")
def test_a_step_that_fails_is_one_line(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """And leaves nothing behind."""
    assert 2 == main(["--root", str(tree), "--helm", "false"])
    assert "release: helm package failed: no word\n" == capsys.readouterr().err
    assert [] == [path.name for path in tree.iterdir() if "dist" in path.name]


def test_the_time_is_the_last_commits(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless SOURCE_DATE_EPOCH says another one; without either there is no release."""
    monkeypatch.delenv(EPOCH, raising=False)
    with pytest.raises(ReleaseError, match=f"{EPOCH} is not set, and git knows no last commit"):
        find_moment(tree.parent)
    assert int(MOMENT) == find_moment(tree)
    monkeypatch.setenv(EPOCH, "1")
    assert 1 == find_moment(tree)
    monkeypatch.setenv(EPOCH, "yesterday")
    with pytest.raises(ReleaseError, match="'yesterday': give whole seconds since 1970"):
        find_moment(tree)
