"""callout.workspace: one service has a folder in shared memory to itself."""

import subprocess
import sys
from pathlib import Path

import pytest

from callout.errors import CommandError
from callout.workspace import Workspace


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
    assert left.is_dir()
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
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    return Path(ended.stdout.strip())


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    """The line names the setting and the reason."""
    with pytest.raises(CommandError, match=r"^SNAPSHOT_DIR: /proc/nothing/here cannot be used: [^\n]*$"):
        Workspace(Path("/proc/nothing/here"))
