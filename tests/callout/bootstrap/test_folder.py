"""The folder is made whole or not at all, and nobody's edits are lost."""

from pathlib import Path

import msgspec
import pytest

from callout.bootstrap.contents import File, Files
from callout.bootstrap.folder import change, compare, create, find_exposed, is_made, locked, restore
from callout.bootstrap.loading import load
from callout.bootstrap.record import Deployment
from callout.bootstrap.rotation import retire, rotate
from callout.errors import CommandError
from callout.secret import Secret
from tests.callout.bootstrap.on_disk import make, names, picture, render
from tests.callout.bootstrap.sample import NOW
from workers.nkeys import KeyPair, Kind

FRESH = KeyPair(Kind.ACCOUNT, b"f" * 32)


def files(**texts: str) -> Files:
    """Files with those texts; those that begin with s are private."""
    return {name.replace("__", "/"): File(Secret(text), name.startswith("s")) for name, text in texts.items()}


def rotated(deployment: Deployment) -> Deployment:
    """With a new signing key of AUTH_ACCOUNT."""
    record = rotate(deployment.record, "AUTH_ACCOUNT", FRESH.public, NOW)
    signing = deployment.material.signing | {FRESH.public: FRESH}
    return Deployment(record, msgspec.structs.replace(deployment.material, signing=signing))


@pytest.mark.parametrize("exists", [False, True])
def test_a_new_folder_is_its_owners_alone(tmp_path: Path, exists: bool) -> None:
    """Whether it is there already and empty, or not; nothing temporary stays."""
    folder = tmp_path / "nats"
    if exists:
        folder.mkdir(mode=0o755)
    create(folder, files(seed="x", a="y", dir__x="z"))
    assert 0o700 == folder.stat().st_mode & 0o777
    assert {"seed": 0o600, "a": 0o644, "dir/x": 0o644} == {name: one[1] for name, one in picture(folder).items()}
    assert {"nats"} == names(tmp_path)
    assert {"seed", "a", "dir"} == names(folder)


def test_a_folder_that_is_there_and_empty_stays_the_same(tmp_path: Path) -> None:
    """It may be a mount, or somebody's current folder."""
    folder = tmp_path / "nats"
    folder.mkdir()
    inode = folder.stat().st_ino
    create(folder, files(a="x"))
    assert inode == folder.stat().st_ino


@pytest.mark.parametrize("exists", [False, True])
def test_nothing_stays_of_a_failure(tmp_path: Path, exists: bool) -> None:
    """A file where a folder should be fails in the midst of it."""
    folder = tmp_path / "nats"
    if exists:
        folder.mkdir()
    with pytest.raises(CommandError, match="cannot be written: "):
        create(folder, files(a="x", a__b="y"))
    assert ({"nats"} if exists else set()) == names(tmp_path)
    assert not exists or set() == names(folder)


def test_only_an_empty_or_missing_folder_is_free(tmp_path: Path) -> None:
    """Or one that this command has made."""
    assert not is_made(tmp_path / "missing")
    assert not is_made(tmp_path)
    make(tmp_path / "nats")
    assert is_made(tmp_path / "nats")
    with pytest.raises(CommandError, match="not empty and was not made by this command"):
        is_made(tmp_path)
    with pytest.raises(CommandError, match="is no folder"):
        is_made(tmp_path / "nats/nats.conf")


def test_differences_are_found(tmp_path: Path) -> None:
    """Missing files, and those with another content."""
    create(tmp_path / "nats", files(a="1", b="2"))
    assert (["c"], ["b"]) == compare(tmp_path / "nats", files(a="1", b="3", c="4"))


def test_missing_files_are_restored(tmp_path: Path) -> None:
    """Also where their folder is gone."""
    folder = tmp_path / "nats"
    create(folder, files(a="1"))
    restore(folder, files(dir__x="2"))
    restore(folder, {})
    assert {"a": b"1", "dir/x": b"2"} == {name: one[0] for name, one in picture(folder).items()}


def test_a_rotation_arrives_whole(tmp_path: Path) -> None:
    """What is on disk is what the record says; what did not change was not touched."""
    folder = tmp_path / "nats"
    before = make(folder)
    first = picture(folder)
    after = rotated(before)
    assert [] == change(folder, render(before, folder), render(after, folder))
    assert after.record == load(folder).record
    assert ([], []) == compare(folder, render(after, folder))
    second = picture(folder)
    assert {"seeds/AUTH_ACCOUNT-signing-2.nk"} == set(second) - set(first)
    assert {
        "bootstrap.json",
        "nats.conf",
        "callout.env",
        "jwt/AUTH_ACCOUNT.jwt",
        "kubernetes/secrets.yaml",
        "helm/nats.yaml",
    } == {name for name in first if first[name] != second[name]}


def test_retiring_deletes_the_old_seed(tmp_path: Path) -> None:
    """And nothing else."""
    folder = tmp_path / "nats"
    before = make(folder)
    both = rotated(before)
    change(folder, render(before, folder), render(both, folder))
    done = Deployment(retire(both.record, "AUTH_ACCOUNT", NOW)[0], both.material)
    first = set(picture(folder))
    change(folder, render(both, folder), render(done, folder))
    assert {"seeds/AUTH_ACCOUNT-signing-1.nk"} == first - set(picture(folder))
    assert done.record == load(folder).record


def test_an_edited_file_is_left_alone(tmp_path: Path) -> None:
    """What it should be now stands beside it; the record alone is always written."""
    folder = tmp_path / "nats"
    before = make(folder)
    for name in ("nats.conf", "README.txt", "bootstrap.json"):
        with (folder / name).open("a") as file:
            file.write("\n")
    edited = (folder / "nats.conf").read_bytes()
    after = rotated(before)
    assert ["nats.conf"] == change(folder, render(before, folder), render(after, folder))
    assert edited == (folder / "nats.conf").read_bytes()
    assert render(after, folder)["nats.conf"].text.reveal() == (folder / "nats.conf.new").read_text()
    assert after.record == load(folder).record
    assert not (folder / "README.txt.new").exists()


@pytest.mark.parametrize("name", ["seeds/AUTH_ACCOUNT-signing-2.nk", "nats.conf.new"])
def test_a_file_in_the_way_stops_a_change(tmp_path: Path, name: str) -> None:
    """Before anything is written."""
    folder = tmp_path / "nats"
    before = make(folder)
    (folder / "nats.conf").write_text("mine")
    (folder / name).write_text("precious")
    first = picture(folder)
    with pytest.raises(CommandError, match="is there already"):
        change(folder, render(before, folder), render(rotated(before), folder))
    assert first == picture(folder)


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    """A folder where a file should be cannot be replaced by one."""
    folder = tmp_path / "nats"
    before = make(folder)
    (folder / "callout.env").unlink()
    (folder / "callout.env").mkdir()
    first = picture(folder)
    with pytest.raises(CommandError, match=r"callout\.env cannot be read"):
        change(folder, render(before, folder), render(rotated(before), folder))
    assert first == picture(folder)


def test_a_folder_that_was_there_is_empty_again_after_a_failure(tmp_path: Path) -> None:
    """Also when the first files have arrived already; its mode is what it was."""
    folder = tmp_path / "nats"
    folder.mkdir(mode=0o755)
    with pytest.raises(CommandError, match="cannot be written: "):
        create(
            folder, files(a="x", b="y", c__d__e="z")
        )  # no file of ours stands that deep, so it cannot be moved there
    assert set() == names(folder)
    assert 0o755 == folder.stat().st_mode & 0o777


def test_what_another_run_has_made_meanwhile_stays(tmp_path: Path) -> None:
    """Nothing is overwritten, and nothing taken away."""
    folder = tmp_path / "nats"
    create(folder, files(a="mine"))
    with pytest.raises(CommandError, match="no longer empty"):
        create(folder, files(a="yours", b="x"))
    assert {"a": b"mine"} == {name: one[0] for name, one in picture(folder).items()}


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """The second one says so, and can begin as soon as the first has ended."""
    with locked(tmp_path):
        with pytest.raises(CommandError, match="in use by another run"), locked(tmp_path):
            raise AssertionError("both are in")
        with pytest.raises(CommandError, match="in use by another run"):
            create(tmp_path, files(a="x"))
    with locked(tmp_path):
        assert set() == names(tmp_path)


def test_a_link_in_the_way_stops_a_change(tmp_path: Path) -> None:
    """Even one that leads nowhere: it is somebody's."""
    folder = tmp_path / "nats"
    before = make(folder)
    (folder / "seeds/AUTH_ACCOUNT-signing-2.nk").symlink_to(tmp_path / "nowhere")
    with pytest.raises(CommandError, match="is there already"):
        change(folder, render(before, folder), render(rotated(before), folder))
    assert not (tmp_path / "nowhere").exists()


def test_a_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    """Who has put one in place of a file gets the file there, and nothing written elsewhere."""
    folder, elsewhere = tmp_path / "nats", tmp_path / "elsewhere"
    before = make(folder)
    elsewhere.write_bytes((folder / "callout.env").read_bytes())
    (folder / "callout.env").unlink()
    (folder / "callout.env").symlink_to(elsewhere)
    kept = elsewhere.read_bytes()
    after = rotated(before)
    change(folder, render(before, folder), render(after, folder))
    assert kept == elsewhere.read_bytes()
    assert render(after, folder)["callout.env"].text.reveal() == (folder / "callout.env").read_text()


def test_private_files_that_others_may_read_are_found(tmp_path: Path) -> None:
    """And public ones are not."""
    folder = tmp_path / "nats"
    made = files(seed="x", secret="y", a="z")
    create(folder, made)
    assert [] == find_exposed(folder, made)
    (folder / "seed").chmod(0o640)
    (folder / "a").chmod(0o644)
    assert ["seed"] == find_exposed(folder, made)
