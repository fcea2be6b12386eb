"""callout.workspace: one service has a folder in shared memory to itself."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from callout.errors import CommandError
from callout.mounts import IN_MEMORY, maybe_find_type
from callout.workspace import PREFIX, Workspace
from tests.commands import attempt

AS_SOMEBODY = """
import os, sys
from pathlib import Path
from callout.errors import CommandError
from callout.workspace import Workspace

user, folder = int(sys.argv[1]), Path(sys.argv[2])
os.setgroups([])
os.setgid(user)
os.setuid(user)
try:
    Workspace(folder).__exit__(None, None, None)
    print("taken")
except CommandError as error:
    print(error)
"""


def test_a_folder_of_our_own_is_private_and_removed() -> None:
    """Nobody else may look inside, and nothing is left."""
    with Workspace(None) as workspace:
        assert workspace.root.stat().st_mode & 0o777 == 0o700
        (workspace.snapshot / "data").touch()
    assert not workspace.root.exists()


def test_a_given_folder_is_emptied_of_what_is_ours_and_kept(tmp_path: Path) -> None:
    """What an earlier service left is gone, what somebody else has put there is not."""
    (tmp_path / "snapshot").mkdir()
    (tmp_path / "snapshot" / "data.mdb").write_text("old")
    (tmp_path / "theirs").write_text("kept")
    with Workspace(tmp_path) as workspace:
        assert list(workspace.snapshot.iterdir()) == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["lock", "theirs"]


def test_a_folder_on_a_disk_is_warned_of() -> None:
    """The line names the setting and says what to give instead; of a folder in memory there is nothing to say."""
    with tempfile.TemporaryDirectory(dir=Path(__file__).parent) as folder, Workspace(Path(folder)) as on_disk:
        kind = maybe_find_type(Path("/proc/self/mounts").read_text(), Path(folder))
        expected = [] if kind in IN_MEMORY else [f"SNAPSHOT_DIR: {folder} is on a disk ({kind}), so logins "]
        assert expected == [warning[: len(start)] for warning, start in zip(on_disk.warnings, expected, strict=True)]
    with Workspace(None) as in_memory:
        assert [] == in_memory.warnings


def test_two_services_do_not_share_a_folder(tmp_path: Path) -> None:
    """The second one says which setting to change."""
    with Workspace(tmp_path), pytest.raises(CommandError, match=r"SNAPSHOT_DIR: .* is used by another running service"):
        Workspace(tmp_path)


def test_a_killed_service_does_not_keep_its_folder(tmp_path: Path) -> None:
    """The lock goes with its holder, however that ends."""
    open_and_die(f"Path({str(tmp_path)!r})")
    with Workspace(tmp_path) as workspace:
        assert workspace.snapshot.is_dir()


def test_what_a_killed_service_has_left_in_memory_is_removed() -> None:
    """The next one to start takes it away, and leaves those alone that live."""
    left = open_and_die("None")
    assert left.name.startswith(PREFIX)  # by now another service that starts may have taken it away already
    with Workspace(None) as living, Workspace(None):
        assert not left.exists()
        assert living.snapshot.is_dir()


def test_services_that_start_at_once_leave_each_other_alone() -> None:
    """None takes another's folder for one that was left behind."""
    code = "from callout.workspace import Workspace\nfor _ in range(200): Workspace(None).__exit__(None, None, None)"
    starting = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(3)]
    assert [0, 0, 0] == [process.wait() for process in starting]


def open_and_die(given: str) -> Path:
    """Open a workspace in a process that is killed then; return its folder."""
    code = (
        "import os; from pathlib import Path; from callout.workspace import Workspace; "
        f"print(Workspace({given}).root, flush=True); os.kill(os.getpid(), 9)"
    )
    ended = attempt([sys.executable, "-c", code])
    return Path(ended.stdout.strip())


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    """The line names the setting and the reason."""
    with pytest.raises(CommandError, match=r"^SNAPSHOT_DIR: /proc/nothing/here cannot be used: [^\n]*$"):
        Workspace(Path("/proc/nothing/here"))


@pytest.mark.parametrize("there", [True, False])
def test_a_link_is_refused(tmp_path: Path, there: bool) -> None:
    """Whoever made it says what would be emptied; one that leads nowhere is followed no more than another."""
    precious = tmp_path / "theirs" / "snapshot" / "precious"
    if there:
        precious.parent.mkdir(parents=True)
        precious.touch()
    planted = tmp_path / "callout"
    planted.symlink_to(tmp_path / "theirs")
    with pytest.raises(CommandError, match=r"^SNAPSHOT_DIR: [^\n]* it is a link, [^\n]*; give a folder [^\n]*$"):
        Workspace(planted)
    assert there == precious.exists()
    assert there == (tmp_path / "theirs").exists()
    assert not list(tmp_path.rglob("lock"))


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    """It is left alone."""
    (tmp_path / "callout").write_text("theirs")
    with pytest.raises(CommandError, match=r"^SNAPSHOT_DIR: [^\n]* cannot be used: not a directory; give a folder"):
        Workspace(tmp_path / "callout")
    assert "theirs" == (tmp_path / "callout").read_text()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make folders of other users")
@pytest.mark.parametrize(
    ("owner", "mode", "user", "reason"),
    [
        (1001, 0o777, 1002, "it belongs to another user"),
        (1002, 0o777, 1002, "others may write to it"),
        (1002, 0o700, 1002, ""),
        (0, 0o777, 1002, ""),
    ],
)
def test_a_folder_that_others_rule_is_refused(owner: int, mode: int, user: int, reason: str) -> None:
    """Who may rename what is in it could put a snapshot of his own there; Kubernetes' mounts are root's."""
    with tempfile.TemporaryDirectory(dir="/dev/shm") as parent:
        Path(parent).chmod(0o755)
        folder = Path(parent) / "callout"
        folder.mkdir()
        os.chown(folder, owner, owner)
        folder.chmod(mode)
        done = attempt([sys.executable, "-c", AS_SOMEBODY, str(user), str(folder)])
    assert (0, "") == (done.returncode, done.stderr)
    assert reason in done.stdout
    assert ("SNAPSHOT_DIR" if reason else "taken\n") == done.stdout.partition(":")[0]
