"""A deployment is read back as it was written, or not at all."""

import shutil
from pathlib import Path

import pytest

from callout.bootstrap.choices import Choices
from callout.bootstrap.loading import load
from callout.errors import EXIT_WRONG_USAGE, CommandError
from tests.callout.bootstrap.on_disk import make, render
from tests.minting import NatsKey, creds, operator_jwt, user_jwt


@pytest.mark.parametrize("choices", [Choices(), Choices(xkey=True, operator="prod", js_disk=1 << 30)])
def test_all_comes_back(tmp_path: Path, choices: Choices) -> None:
    """The files that it makes are the same; the own keys of operator and accounts are not needed."""
    folder = tmp_path / "nats"
    made = make(folder, choices)
    shutil.rmtree(folder / "offline")
    found = load(folder)
    assert made.record == found.record
    assert render(made, folder) == render(found, folder)


def refusal(folder: Path) -> str:
    """The one line that is said of a folder."""
    with pytest.raises(CommandError) as caught:
        load(folder)
    assert EXIT_WRONG_USAGE == caught.value.exit_code
    (line,) = caught.value.lines
    assert "\n" not in line
    return line


@pytest.mark.parametrize(
    "name",
    ["seeds/AUTH_ACCOUNT-signing-1.nk", "seeds/nats-signing-1.nk", "seeds/xkey.nk", "creds/sys.creds", "jwt/nats.jwt"],
)
def test_what_cannot_be_made_again_must_be_there(tmp_path: Path, name: str) -> None:
    """The line names the file."""
    folder = tmp_path / "nats"
    make(folder, Choices(xkey=True))
    (folder / name).unlink()
    line = refusal(folder)
    assert name in line
    assert "no such file" in line
    assert line.endswith("put it back from a backup")


@pytest.mark.parametrize(
    ("name", "other"),
    [
        ("seeds/AUTH_ACCOUNT-signing-1.nk", "seeds/NACK-signing-1.nk"),
        ("creds/nack.creds", "creds/sys.creds"),
        ("seeds/nats-signing-1.nk", "seeds/NACK-signing-1.nk"),
    ],
)
def test_a_file_of_another_deployment_is_found_out(tmp_path: Path, name: str, other: str) -> None:
    """And no byte of it is shown."""
    folder = tmp_path / "nats"
    make(folder)
    (folder / name).write_bytes((folder / other).read_bytes())
    line = refusal(folder)
    assert name in line
    assert "another" in line or "operator" in line


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"version":2}'])
def test_a_record_that_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    """Cut off, or of a later version."""
    folder = tmp_path / "nats"
    make(folder)
    (folder / "bootstrap.json").write_bytes(content)
    assert "is no record that this version" in refusal(folder)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"AUTH_ACCOUNT"', '"../../evil"'),
        ('"127.0.0.1:4222"', '"127.0.0.1:4222; id"'),
        ('"number": 1', '"number": "1/../../../evil"'),
        ('"nack": "inside"', '"nack": "beside"'),
    ],
)
def test_a_record_from_somebody_else_leads_nowhere(tmp_path: Path, old: str, new: str) -> None:
    """A folder may come from anybody: nothing in it names a place outside of it, or part of a command."""
    folder = tmp_path / "nats"
    make(folder)
    place = folder / "bootstrap.json"
    text = place.read_text()
    assert old in text
    place.write_text(text.replace(old, new))
    assert "is no record that this version" in refusal(folder)


def test_the_operators_jwt_is_its_own(tmp_path: Path) -> None:
    """Not another operator's, not an account's, not a changed one."""
    folder = tmp_path / "nats"
    make(folder)
    place = folder / "jwt/nats.jwt"
    head, _, signature = place.read_text().strip().split(".")
    _, account, _ = (folder / "jwt/SYS.jwt").read_text().strip().split(".")
    other = NatsKey.generate("operator")
    for text in (
        operator_jwt(other, NatsKey.generate("account")),
        (folder / "jwt/SYS.jwt").read_text(),
        f"{head}.{account}.{signature}",
        "x",
        "",
        "é.é.é",
    ):
        place.write_text(text)
        assert "jwt/nats.jwt holds another operator's JWT than the deployment's, or none" in refusal(folder)


def test_credentials_are_of_the_right_account(tmp_path: Path) -> None:
    """The same user in another account is another deployment's."""
    folder = tmp_path / "nats"
    made = make(folder)
    credentials = made.material.credentials["nack"]
    jwt = user_jwt(credentials.key.public, NatsKey.generate("account"))
    (folder / "creds/nack.creds").write_text(creds(jwt, credentials.key.encode_seed()))
    assert "creds/nack.creds holds another user than the deployment's" in refusal(folder)
