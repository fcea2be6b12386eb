"""Files: a change of content is seen however it was made, and no file can hold the reader up."""

import errno
import os
from pathlib import Path

import pytest

from callout.files import FileWatch, is_world_readable, is_world_writable, locate, read_bounded, reason_of, split_paths


class Reports:
    """Remembers what was reported."""

    def __init__(self) -> None:
        self.seen: list[tuple[Path, str]] = []

    def __call__(self, path: Path, reason: str) -> None:
        """Take a report."""
        self.seen.append((path, reason))


def mount_secret(folder: Path, version: str, content: str) -> Path:
    """Lay a file out, or swap it, as the kubelet does: name → ..data/name, ..data → a folder of this version."""
    (folder / version).mkdir(parents=True)
    (folder / version / "key").write_text(content)
    (folder / "..data_tmp").symlink_to(version)
    (folder / "..data_tmp").rename(folder / "..data")
    path = folder / "key"
    if not path.is_symlink():
        path.symlink_to("..data/key")
    return path


def test_a_changed_file_is_reported_once(tmp_path: Path) -> None:
    """A change is told at the next look, and not again."""
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("1")
    other.write_text("1")
    watch = FileWatch([one, other], Reports())
    assert set() == watch.changed()
    one.write_text("2")
    assert {one} == watch.changed()
    assert set() == watch.changed()


def test_a_change_that_keeps_size_and_time_is_seen(tmp_path: Path) -> None:
    """Contents are compared: size, time and inode may all stay as they were."""
    path = tmp_path / "key"
    path.write_text("a")
    os.utime(path, (1, 1))
    watch = FileWatch([path], Reports())
    with path.open("r+") as file:
        file.write("b")
    os.utime(path, (1, 1))
    assert {path} == watch.changed()


def test_a_rewrite_with_the_same_content_is_no_change(tmp_path: Path) -> None:
    """A new inode alone makes no worker start anew."""
    path = tmp_path / "key"
    path.write_text("a")
    watch = FileWatch([path], Reports())
    path.unlink()
    path.write_text("a")
    assert set() == watch.changed()


def test_the_swap_of_a_mounted_secret_is_seen(tmp_path: Path) -> None:
    """Kubernetes changes a mounted Secret by swapping a symbolic link above it."""
    path = mount_secret(tmp_path, "..v1", "old")
    watch = FileWatch([path], Reports())
    assert path == mount_secret(tmp_path, "..v2", "new")
    assert {path} == watch.changed()
    mount_secret(tmp_path, "..v3", "new")
    assert set() == watch.changed()


def test_a_file_that_cannot_be_read_is_reported_once_and_changes_nothing(tmp_path: Path) -> None:
    """What was read last stays in force; a log full of the same line helps nobody."""
    path = tmp_path / "key"
    path.write_text("a")
    reports = Reports()
    watch = FileWatch([path], reports)
    path.unlink()
    assert [set(), set()] == [watch.changed(), watch.changed()]
    assert [(path, "no such file or directory")] == reports.seen


def test_a_file_that_comes_back_unchanged_is_no_change(tmp_path: Path) -> None:
    """The digest outlives the file; the next time it is gone is reported again."""
    path = tmp_path / "key"
    path.write_text("a")
    reports = Reports()
    watch = FileWatch([path], reports)
    for _ in range(2):
        path.unlink()
        watch.changed()
        path.write_text("a")
        assert set() == watch.changed()
    assert len(reports.seen) == 2


def test_a_file_that_comes_back_changed_is_a_change(tmp_path: Path) -> None:
    """A change is not lost because the file was away in between."""
    path = tmp_path / "key"
    path.write_text("a")
    watch = FileWatch([path], Reports())
    path.unlink()
    watch.changed()
    path.write_text("b")
    assert {path} == watch.changed()


def test_a_file_that_appears_is_a_change(tmp_path: Path) -> None:
    """What was not there at the start counts as soon as it can be read."""
    path = tmp_path / "late"
    reports = Reports()
    watch = FileWatch([path], reports)
    assert [(path, "no such file or directory")] == reports.seen
    path.write_text("")
    assert {path} == watch.changed()


def test_a_pipe_does_not_hold_the_watch_up(tmp_path: Path) -> None:
    """Opening a pipe waits for its writer; it is refused instead."""
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reports = Reports()
    FileWatch([path], reports)
    assert [(path, "not a regular file")] == reports.seen


@pytest.mark.parametrize("path", [Path("/dev/zero"), Path("/")])
def test_only_regular_files_are_read(path: Path) -> None:
    """A device has no end, and a folder no content."""
    with pytest.raises(OSError, match="regular file"):
        read_bounded(path, 10)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    """As many bytes as allowed are read, and one more is refused."""
    path = tmp_path / "file"
    path.write_bytes(b"x" * 10)
    assert read_bounded(path, 10) == b"x" * 10
    with pytest.raises(OSError, match="larger than 9 bytes") as caught:
        read_bounded(path, 9)
    assert caught.value.errno == errno.EFBIG


def test_no_descriptor_is_left_open(tmp_path: Path) -> None:
    """Whatever comes of a read, its file is closed."""
    (tmp_path / "file").write_bytes(b"x" * 10)
    os.mkfifo(tmp_path / "pipe")
    watch = FileWatch([tmp_path / "file", tmp_path / "pipe", tmp_path, tmp_path / "none"], Reports())
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(3):
        watch.changed()
    assert before == len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (OSError(errno.EACCES, "Permission denied"), "permission denied"),
        (OSError("odd"), "unknown reason"),
    ],
)
def test_a_reason_is_a_few_words(error: OSError, reason: str) -> None:
    """It ends a sentence that names the file already."""
    assert reason == reason_of(error)


@pytest.mark.parametrize(("mode", "readable"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_that_everybody_may_read_is_noticed(tmp_path: Path, mode: int, readable: bool) -> None:
    """The last digit of the mode decides."""
    path = tmp_path / "file"
    path.touch()
    path.chmod(mode)
    assert readable is is_world_readable(path)


@pytest.mark.parametrize(("mode", "writable"), [(0o600, False), (0o664, False), (0o602, True), (0o777, True)])
def test_a_file_that_everybody_may_write_is_noticed(tmp_path: Path, mode: int, writable: bool) -> None:
    """The same for a folder: files could be put into it."""
    for path in (tmp_path / "file", tmp_path / "folder"):
        path.mkdir() if path.name == "folder" else path.touch()
        path.chmod(mode)
        assert writable is is_world_writable(path)


@pytest.mark.skipif(not os.statvfs("/proc/sys").f_flag & os.ST_RDONLY, reason="nothing here is mounted to be read only")
def test_what_is_mounted_to_be_read_only_can_be_written_by_nobody() -> None:
    """Whatever its mode says: Kubernetes mounts ConfigMaps with mode 01777."""
    assert not any(is_world_writable(path) for path in Path("/proc/sys").iterdir())


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ("/a", ["/a"]),
        ("/a:/b", ["/a", "/b"]),
        (":/a::", ["/a"]),
        ("~/a:/b~", ["/home/somebody/a", "/b~"]),
        ("", []),
    ],
)
def test_a_list_of_paths_is_taken_apart(text: str, paths: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """As kubectl takes KUBECONFIG apart."""
    monkeypatch.setenv("HOME", "/home/somebody")
    assert paths == [str(path) for path in split_paths(text)]


def test_a_path_is_named_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where that is still there; a link is left as it is, since that is what somebody wrote."""
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "link").symlink_to("/nowhere")
    monkeypatch.chdir(folder)
    assert [folder / "key", folder / "link", Path("/a")] == [locate(Path(path)) for path in ("key", "link", "/a")]
    (folder / "link").unlink()
    folder.rmdir()
    assert Path("key") == locate(Path("key"))
