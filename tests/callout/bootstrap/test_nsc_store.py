"""An nsc store is read, or refused in one line."""

import os
import shutil
import sys
import tempfile
from pathlib import Path

import pytest

from callout.bootstrap.nsc_store import read_store
from callout.errors import EXIT_WRONG_USAGE, CommandError
from tests.callout.bootstrap.nsc_like import write_store
from tests.callout.bootstrap.sample import deploy
from tests.nobody import run_as_nobody
from workers.jose import encode_segment


def test_operator_accounts_and_users_are_read(tmp_path: Path) -> None:
    """By their names; keys are never looked at."""
    deployment = deploy()
    write_store(tmp_path / "stores", deployment)
    store = read_store(tmp_path / "stores", None)
    record = deployment.record
    assert ("nats", record.operator.public) == (store.name, store.operator.sub)
    assert {one.name: one.public for one in record.accounts} == {name: one.sub for name, one in store.accounts.items()}
    service = store.accounts["AUTH_SERVICE"]
    assert {"callout", "sentinel"} == set(service.users)
    assert service.users["sentinel"].nats.bearer_token
    assert service.nats.authorization is not None
    assert (record.users["callout"],) == service.nats.authorization.auth_users


def test_the_operators_own_folder_will_do(tmp_path: Path) -> None:
    """It is what 'nsc env' shows."""
    root = write_store(tmp_path, deploy())
    assert read_store(tmp_path, None) == read_store(root, None) == read_store(tmp_path, "nats")


def test_an_operator_without_accounts_is_read(tmp_path: Path) -> None:
    """There is nothing below it yet."""
    root = write_store(tmp_path, deploy())
    shutil.rmtree(root / "accounts")
    assert {} == read_store(tmp_path, None).accounts


def refusal(place: Path, operator: str | None = None) -> str:
    """The one line that is said of a store."""
    with pytest.raises(CommandError) as caught:
        read_store(place, operator)
    assert EXIT_WRONG_USAGE == caught.value.exit_code
    (line,) = caught.value.lines
    assert "\n" not in line
    return line


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    """No folder, a file, an empty folder, another operator."""
    (tmp_path / "file").touch()
    assert "no such file" in refusal(tmp_path / "missing")
    assert "not a directory" in refusal(tmp_path / "file")
    assert "no operator in" in refusal(tmp_path)
    write_store(tmp_path, deploy())
    assert "no operator 'other' in" in refusal(tmp_path, "other")


def test_several_operators_have_to_be_told_apart(tmp_path: Path) -> None:
    """The line names them."""
    for name in ("first", "second"):
        write_store(tmp_path, deploy(operator=name))
    assert refusal(tmp_path).endswith("choose with --operator: first, second")
    assert "second" == read_store(tmp_path, "second").name


@pytest.mark.parametrize("content", [b"", b"x", b"a.b.c", b"a.e30.c", b"\xff.\xff.\xff", b"a.eyJzdWIiOjF9.c"])
@pytest.mark.parametrize("name", ["nats.jwt", "accounts/SYS/SYS.jwt", "accounts/AUTH_SERVICE/users/callout.jwt"])
def test_a_damaged_jwt_is_named(tmp_path: Path, name: str, content: bytes) -> None:
    """And not shown."""
    root = write_store(tmp_path, deploy())
    (root / name).write_bytes(content)
    assert f"{name} holds no JWT as nsc writes it" in refusal(tmp_path)


def test_an_account_without_a_jwt_is_named(tmp_path: Path) -> None:
    """Its folder alone is not enough."""
    root = write_store(tmp_path, deploy())
    (root / "accounts/SYS/SYS.jwt").unlink()
    assert "SYS.jwt cannot be read: no such file or directory" in refusal(tmp_path)


def claims(nats: str, sub: str = "U" * 56) -> bytes:
    """A JWT whose signature nobody has looked at."""
    return b"a." + encode_segment(f'{{"sub":"{sub}","nats":{nats}}}'.encode()) + b".c"


def test_nothing_in_a_store_becomes_part_of_a_command(tmp_path: Path) -> None:
    """Keys are taken from JWTs and stand in the commands that are to be pasted; so they have to be keys."""
    root = write_store(tmp_path, deploy())
    user = root / "accounts/AUTH_SERVICE/users/callout.jwt"
    user.write_bytes(claims("{}", "$(touch evil)"))
    assert "callout.jwt holds no JWT as nsc writes it" in refusal(tmp_path)
    user.write_bytes(claims("{}"))
    assert "U" * 56 == read_store(tmp_path, None).accounts["AUTH_SERVICE"].users["callout"].sub


def test_a_jwt_that_is_nested_without_an_end_is_damaged(tmp_path: Path) -> None:
    """However deep it goes, there is one line and no traceback."""
    root = write_store(tmp_path, deploy())
    depth = 100_000
    (root / "accounts/SYS/SYS.jwt").write_bytes(claims(f'{{"x":{"[" * depth}{"]" * depth}}}', "A" * 56))
    assert "SYS.jwt holds no JWT as nsc writes it" in refusal(tmp_path)


def test_an_operator_has_a_name_that_can_be_printed(tmp_path: Path) -> None:
    """Another one is passed over: its name would go on in the line below."""
    root = write_store(tmp_path, deploy())
    evil = "nats\nrm -rf ~"
    (root / "nats.jwt").rename(root / f"{evil}.jwt")
    root.rename(tmp_path / evil)
    assert "no operator in" in refusal(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    """Nobody may ever write to it."""
    root = write_store(tmp_path, deploy())
    os.mkfifo(root / "accounts/SYS/users/pipe.jwt")
    assert "pipe.jwt cannot be read: not a regular file" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["", "nats", "nats/accounts", "nats/accounts/SYS/SYS.jwt"])
def test_what_may_not_be_read_is_named(name: str) -> None:
    """With the system's own reason; where all may be read, so may the store."""
    with tempfile.TemporaryDirectory() as folder:  # pytest's own are closed to others from above
        stores = Path(folder) / "stores"
        write_store(stores, deploy())
        for path in (Path(folder), stores, *stores.rglob("*")):
            path.chmod(0o755)
        assert "nats" == read_as_nobody(stores)
        (stores / name).chmod(0)
        told = read_as_nobody(stores)
        (stores / name).chmod(0o700)
    assert told.startswith(f"--from-nsc: {stores / name}")  # or the first that was wanted of what is in it
    assert told.endswith(" cannot be read: permission denied")


def say_name(arguments: list[str]) -> None:
    """Read a store, and say the operator's name, or what is wrong."""
    try:
        sys.stdout.write(read_store(Path(arguments[0]), None).name)
    except CommandError as error:
        sys.stdout.write(str(error))


def read_as_nobody(stores: Path) -> str:
    """What comes of reading a store as a user whom permissions bind: the operator's name, or a complaint."""
    done = run_as_nobody(__name__, say_name.__name__, str(stores))
    assert (0, "") == (done.returncode, done.stderr)
    return done.stdout
