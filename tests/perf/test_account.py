"""The account that may ask, in operator mode: what the command writes, says and refuses."""

import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from callout.bootstrap.loading import load
from callout.doctor.nats_claims import read_account, read_json
from perf.account import (
    ANSWERS,
    ANSWERS_NO_MORE,
    ASKS,
    ASKS_NO_MORE,
    CREDENTIALS,
    FOLDER,
    VALUES,
    maybe_read_former,
    render_ending,
)
from perf.admission import CONNECTIONS, LIFETIME_S, end
from tests.interop.bootstrapped import bootstrap
from tests.nobody import make_closed, run_as_nobody
from tests.perf.deployed import add_account, run_account


def test_what_is_made_ends_within_a_day(folder: Path) -> None:
    """But for the callout's own account, which has to last, and may import no longer than that."""
    began = int(time.time())
    add_account(folder)
    place = folder / FOLDER
    perf, service = (read_claims((place / name).read_text()) for name in (ASKS, ANSWERS))
    user = read_claims((place / CREDENTIALS).read_text().splitlines()[1])
    activations = [read_claims(one["nats"]["imports"][0]["token"]) for one in (perf, service)]
    latest = int(time.time()) + LIFETIME_S + 1
    assert "exp" not in service
    for claims in (perf, user, *activations):
        assert began + LIFETIME_S <= claims["exp"] <= latest
    assert CONNECTIONS == perf["nats"]["limits"]["conn"]
    assert [True, True] == [one["nats"]["exports"][0]["token_req"] for one in (perf, service)]


def read_claims(jwt: str) -> Any:
    """The claims of a JWT."""
    return read_json(jwt)


def test_the_account_is_given_back_as_it_stands_then(full: Path, tmp_path: Path) -> None:
    """Of a key that was withdrawn meanwhile nothing comes back, and what is given back is newer."""
    add_account(full)
    place, away = full / FOLDER, tmp_path / "away"
    given = read_account((place / ANSWERS).read_text())
    place.rename(away)  # what a key is not replaced beside
    for option in ("--rotate", "--retire"):
        bootstrap(full, option, "AUTH_SERVICE")
    away.rename(place)
    assert 0 == run_account(full, "--undo").returncode
    restored = read_account((place / ANSWERS_NO_MORE).read_text())
    stands = read_account((full / "jwt/AUTH_SERVICE.jwt").read_text())
    assert stands.signing_keys == restored.signing_keys != given.signing_keys
    assert restored.issued_at > max(given.issued_at, stands.issued_at)


@pytest.mark.parametrize("name", [ASKS_NO_MORE, ANSWERS_NO_MORE])
def test_what_is_made_again_is_newer_than_what_has_ended_it(full: Path, name: str) -> None:
    """A full resolver keeps the newest of an account's JWTs, and was given that one last."""
    add_account(full)
    place = full / FOLDER
    former = maybe_read_former(place)
    assert former is not None
    ended_at = former.issued_at + 1000  # later than any clock of this test
    ending = render_ending(end(load(full), former.perf, ended_at, after=0))[name]
    (place / name).write_text(ending.reveal())
    add_account(full)
    assert ended_at == read_account(ending.reveal()).issued_at
    assert [ended_at + 1] * 2 == [read_account((place / made).read_text()).issued_at for made in (ASKS, ANSWERS)]


def test_what_is_written_again_is_private_and_elsewhere_nothing_is(folder: Path, tmp_path: Path) -> None:
    """Whatever modes and links somebody has left there; the folder is its owner's alone again."""
    add_account(folder)
    place, elsewhere = folder / FOLDER, tmp_path / "elsewhere"
    elsewhere.write_text("before")
    place.chmod(0o755)
    (place / VALUES).chmod(0o644)
    (place / CREDENTIALS).unlink()
    (place / CREDENTIALS).symlink_to(elsewhere)
    add_account(folder)
    assert 0o700 == place.stat().st_mode & 0o777
    assert {0o100600} == {path.lstat().st_mode for path in place.iterdir()}
    assert "before" == elsewhere.read_text()


def test_a_folder_that_is_a_link_is_not_written_to(folder: Path, tmp_path: Path) -> None:
    """It leads to somebody else's, whose modes stay as they are."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o755)
    (folder / FOLDER).symlink_to(elsewhere)
    done = run_account(folder)
    (line,) = done.stderr.splitlines()
    assert (1, "") == (done.returncode, done.stdout)
    assert line.startswith(f"error: {folder / FOLDER} cannot be written")
    assert ([], 0o755) == (list(elsewhere.iterdir()), elsewhere.stat().st_mode & 0o777)


def test_paths_are_said_without_detours(folder: Path) -> None:
    """However the folder is named: what is said is pasted elsewhere, and read by people."""
    detour = folder / ".." / folder.name
    printed = run_account(detour).stdout
    assert f"{folder / FOLDER} has the account" in printed
    assert "/../" not in printed


def test_a_folder_that_links_lead_to_in_a_circle_is_one_line(tmp_path: Path) -> None:
    """Nothing is behind it."""
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    done = run_account(circle)
    assert "" == done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"error: {circle} ")


def test_values_for_helm_hold_what_differs(folder: Path) -> None:
    """Both accounts, by their keys; the others' JWTs stay those of the deployment's own values."""
    add_account(folder)
    merged: dict[str, Any] = yaml.safe_load((folder / FOLDER / VALUES).read_text())
    preload = merged["config"]["merge"]["resolver_preload"]
    assert ["AUTH_SERVICE", "PERF"] == [read_account(jwt).name for jwt in preload.values()]
    assert list(preload) == [read_account(jwt).key for jwt in preload.values()]


def test_helm_goes_back_to_a_revision_that_was_noted(folder: Path) -> None:
    """The last but one may be another by then; and it is said that nobody has tried it."""
    made, undone = run_account(folder).stdout, run_account(folder, "--undo").stdout
    assert made.index("which was not tried") < made.index("helm history nats") < made.index("helm upgrade nats")
    assert "which was not tried: helm rollback nats REVISION" in undone
    assert "--signal reload=PID" in made
    assert "--signal reload=PID" in undone


@pytest.mark.parametrize("options", [(), ("--undo",)], ids=["made", "undone"])
@pytest.mark.parametrize("name", [".", "nowhere"])
def test_what_is_no_deployment_is_refused(tmp_path: Path, name: str, options: tuple[str, ...]) -> None:
    """One line says so, and nothing is written."""
    folder = tmp_path / name
    done = run_account(folder, *options)
    assert (2, "") == (done.returncode, done.stdout)
    assert f"error: {folder.absolute()} is no folder that `callout bootstrap` has made\n" == done.stderr
    assert [] == list(tmp_path.iterdir())


def test_what_was_not_made_is_not_undone(full: Path) -> None:
    """And what is there but in part is to be made anew first."""
    done = run_account(full, "--undo")
    assert (2, f"error: {full / FOLDER} is not there: nobody may ask\n") == (done.returncode, done.stderr)
    add_account(full)
    (full / FOLDER / ASKS).unlink()
    assert "make it anew without --undo" in run_account(full, "--undo").stderr
    (full / FOLDER / ASKS).write_text("junk")
    assert (
        f"error: {full / FOLDER} cannot be read: this is no JWT of a NATS account; move it away\n"
        == run_account(full).stderr
    )


def test_a_folder_that_this_user_may_not_see_is_one_line(tmp_path: Path) -> None:
    """As one that `callout bootstrap` has not made."""
    folder = make_closed(tmp_path)
    done = run_as_nobody("perf.account", "main", str(folder))
    assert (2, "") == (done.returncode, done.stdout)
    assert f"error: {folder} cannot be read: permission denied\n" == done.stderr
