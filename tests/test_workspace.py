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
    code = f"import os; from callout.workspace import Workspace; from pathlib import Path; Workspace(Path({str(tmp_path)!r})); os.kill(os.getpid(), 9)"
    subprocess.run([sys.executable, "-c", code], check=False)
    with Workspace(tmp_path) as workspace:
        assert workspace.snapshot.is_dir()


def test_a_folder_that_cannot_be_made_is_one_line() -> None:
    """The line names the setting and the reason."""
    with pytest.raises(CommandError, match=r"^SNAPSHOT_DIR: /proc/nothing/here cannot be used: [^\n]*$"):
        Workspace(Path("/proc/nothing/here"))
