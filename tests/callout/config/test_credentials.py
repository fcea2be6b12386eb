"""Seeds and credentials: the right kind is read, anything else is refused, and nothing of it is shown."""

import base64
import json
import os
import traceback
from pathlib import Path
from typing import Any

import nkeys
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callout.config.credentials import (
    MAX_CREDENTIAL_BYTES,
    CredentialError,
    read_seed,
    read_user_credentials,
)
from callout.secret import Secret
from tests.nats_minting import CurveKey, NatsKey, creds, user_jwt
from workers.nkeys import Kind

ACCOUNT = NatsKey.generate("account")
USER = NatsKey.generate("user")
CURVE = CurveKey.generate()
CREDS = creds(user_jwt(USER.public, ACCOUNT), USER.seed)
WRITERS = "'nsc generate creds' or 'callout bootstrap'"


def write(tmp_path: Path, content: str | bytes) -> Path:
    """Write a file that may hold a seed."""
    path = tmp_path / "key"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def refuse(tmp_path: Path, content: str | bytes, kind: Kind = Kind.ACCOUNT) -> str:
    """Return the message that a file is refused with, after a look for secrets in everything that could be printed."""
    path = write(tmp_path, content)
    with pytest.raises(CredentialError) as caught:
        read_seed(path, kind)
    return check_message(caught.value, path)


def check_message(error: CredentialError, path: Path) -> str:
    """Check that an error is one line with the path and without a secret, wherever a traceback would take it."""
    shown = "".join(traceback.format_exception(error))
    for secret in (ACCOUNT.seed, USER.seed, CURVE.seed):
        assert secret not in shown
        assert secret[4:20] not in shown
    assert "eyJ" not in shown
    message = str(error)
    assert message.startswith(str(path))
    assert len(message.splitlines()) == 1
    return message.removeprefix(f"{path} ")


@pytest.mark.parametrize(
    ("content", "kind", "public"),
    [
        (ACCOUNT.seed, Kind.ACCOUNT, ACCOUNT.public),
        (ACCOUNT.seed + "\n", Kind.ACCOUNT, ACCOUNT.public),
        (f"\r\n  {ACCOUNT.seed}\t\r\n\n", Kind.ACCOUNT, ACCOUNT.public),
        (f"-----BEGIN NKEY SEED-----\n{ACCOUNT.seed}\n------END NKEY SEED------\n", Kind.ACCOUNT, ACCOUNT.public),
        (f"-----BEGIN ACCOUNT NKEY SEED-----\r\n{ACCOUNT.seed}\r\n------END", Kind.ACCOUNT, None),
        (f"-----BEGIN ACCOUNT NKEY SEED-----\r\n{ACCOUNT.seed}\r\n------END A SEED-----", Kind.ACCOUNT, ACCOUNT.public),
        (CREDS, Kind.USER, USER.public),
        (USER.seed, Kind.USER, USER.public),
        (CURVE.seed, Kind.CURVE, CURVE.public),
    ],
)
def test_a_seed_is_read_bare_or_decorated(tmp_path: Path, content: str, kind: Kind, public: str | None) -> None:
    """Both of nsc's forms are read, with any white space around; an unfinished block is no seed."""
    path = write(tmp_path, content)
    if public is None:
        with pytest.raises(CredentialError):
            read_seed(path, kind)
    else:
        assert public == read_seed(path, kind).public


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (USER.seed, Kind.ACCOUNT, "holds the seed of a user (SU…); that of an account (SA…) is needed"),
        (CREDS, Kind.ACCOUNT, "holds the seed of a user (SU…); that of an account (SA…) is needed"),
        (ACCOUNT.seed, Kind.CURVE, "holds the seed of an account (SA…); that of an xkey (SX…) is needed"),
        (CURVE.seed, Kind.ACCOUNT, "holds the seed of an xkey (SX…); that of an account (SA…) is needed"),
        (ACCOUNT.public, Kind.ACCOUNT, "holds a public key (A…), and not the seed of an account (SA…)"),
        (f"{USER.public}\n", Kind.ACCOUNT, "holds a public key (U…), and not the seed of an account (SA…)"),
        (CURVE.public, Kind.CURVE, "holds a public key (X…), and not the seed of an xkey (SX…)"),
        ("", Kind.ACCOUNT, "is empty; it should hold the seed of an account (SA…)"),
        (" \n", Kind.ACCOUNT, "is empty; it should hold the seed of an account (SA…)"),
        (CREDS + CREDS, Kind.USER, "holds several seeds; it should hold one"),
        ("x" * (MAX_CREDENTIAL_BYTES + 1), Kind.ACCOUNT, "cannot be read: larger than 65536 bytes"),
    ],
)
def test_another_kind_of_content_is_named(tmp_path: Path, content: str, kind: Kind, message: str) -> None:
    """The commonest mistakes are told apart."""
    assert message == refuse(tmp_path, content, kind)


@pytest.mark.parametrize(
    "content",
    [
        ACCOUNT.public[:-1],
        ACCOUNT.seed[:-1],
        ACCOUNT.seed.lower(),
        ACCOUNT.seed[:-1] + "!",
        ACCOUNT.seed * 2,
        "hello",
        b"\xff\0",
    ],
)
def test_what_is_no_seed_is_refused_unseen(tmp_path: Path, content: str | bytes) -> None:
    """A piece of a key or of a seed, garbage: refused, and not repeated."""
    assert refuse(tmp_path, content).startswith("holds no valid seed of an account (SA…): ")


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 56), st.sampled_from("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"))
def test_a_seed_with_one_wrong_letter_is_refused(tmp_path: Path, position: int, letter: str) -> None:
    """The checksum finds every slip of the pen (two bits of the 58th letter count for nothing)."""
    seed = ACCOUNT.seed[:position] + letter + ACCOUNT.seed[position + 1 :]
    if seed == ACCOUNT.seed:
        assert ACCOUNT.public == read_seed(write(tmp_path, seed), Kind.ACCOUNT).public
    else:
        refuse(tmp_path, seed)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200) | st.text(alphabet="-BEGIN SEDUKYA\n", max_size=100).map(str.encode))
def test_any_content_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    """Nothing but a key or a CredentialError comes out, of either reader."""
    path = write(tmp_path, content)
    for read in (lambda: read_seed(path, Kind.ACCOUNT), lambda: read_user_credentials(path)):
        with pytest.raises(CredentialError):
            read()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (Path.absolute, "cannot be read: no such file or directory"),
        (Path.mkdir, "cannot be read: not a regular file"),
        (os.mkfifo, "cannot be read: not a regular file"),
    ],
)
def test_what_is_no_file_is_refused(tmp_path: Path, make: Any, message: str) -> None:
    """A missing file, a folder or a pipe is said to be that, at once."""
    path = tmp_path / "key"
    make(path)
    with pytest.raises(CredentialError) as caught:
        read_seed(path, Kind.ACCOUNT)
    assert message == check_message(caught.value, path)


def test_a_file_is_named_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which folder a relative path was looked for in is what has to be known."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(CredentialError, match=f"^{tmp_path}/key cannot be read: no such file or directory$"):
        read_seed(Path("key"), Kind.ACCOUNT)


def test_credentials_are_a_jwt_and_its_key(tmp_path: Path) -> None:
    """What `nsc generate creds` writes is read whole."""
    jwt = user_jwt(USER.public, ACCOUNT)
    credentials = read_user_credentials(write(tmp_path, creds(jwt, USER.seed)))
    assert Secret(jwt) == credentials.jwt
    assert USER.public == credentials.key.public
    assert ACCOUNT.public == credentials.account
    assert not credentials.is_bearer
    assert jwt not in repr(credentials)
    assert USER.seed not in repr(credentials)


def test_a_bearer_is_told(tmp_path: Path) -> None:
    """Whoever has its JWT can log in with it."""
    jwt = user_jwt(USER.public, ACCOUNT, bearer_token=True)
    assert read_user_credentials(write(tmp_path, creds(jwt, USER.seed))).is_bearer


def test_credentials_of_nsc_with_their_advice_are_read(tmp_path: Path) -> None:
    """Real files carry a warning between the blocks, and may have Windows' line ends."""
    jwt, seed = creds(user_jwt(USER.public, ACCOUNT), USER.seed).split("\n\n")
    advice = "************************* IMPORTANT *************************\nNKEY Seed printed below can be used.\n\n"
    text = f"{jwt}\n\n{advice}{seed}\n\n*************************************************************\n"
    for content in (text, text.replace("\n", "\r\n")):
        assert USER.public == read_user_credentials(write(tmp_path, content)).key.public


def test_the_account_of_a_user_is_not_its_signing_key(tmp_path: Path) -> None:
    """A JWT signed by a signing key names the account apart."""
    signing_key = NatsKey.generate("account")
    jwt = user_jwt(USER.public, signing_key, account=ACCOUNT.public)
    assert ACCOUNT.public == read_user_credentials(write(tmp_path, creds(jwt, USER.seed))).account


def forge(claims: object) -> str:
    """Make a JWT with any claims; its signature is not looked at here."""
    payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{payload}.c2ln"


DEEP = f"a.{base64.urlsafe_b64encode(b'[' * 20_000).decode().rstrip('=')}.c"
"""Claims that are nested without an end."""


@pytest.mark.parametrize(("members", "expires_at"), [({}, 0), ({"exp": 0}, 0), ({"exp": 1_900_000_000}, 1_900_000_000)])
def test_the_end_of_a_user_is_told(tmp_path: Path, members: dict[str, int], expires_at: int) -> None:
    """Unix seconds; without one, or with 0, it does not end."""
    jwt = forge({"sub": USER.public, "iss": ACCOUNT.public, "nats": {}, **members})
    assert expires_at == read_user_credentials(write(tmp_path, creds(jwt, USER.seed))).expires_at


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (USER.seed, f"has no block '-----BEGIN NATS USER JWT-----'; {WRITERS} writes such a file"),
        (
            CREDS.split("\n\n", maxsplit=1)[0],
            f"has no block '-----BEGIN USER NKEY SEED-----'; {WRITERS} writes such a file",
        ),
        (
            creds(user_jwt(USER.public, ACCOUNT), ACCOUNT.seed),
            "holds the seed of an account (SA…); that of a user (SU…) is needed",
        ),
        (
            creds(user_jwt(NatsKey.generate("user").public, ACCOUNT), USER.seed),
            "holds a JWT and a seed of two different users; generate the file again",
        ),
        (creds("abc", USER.seed), "holds no valid JWT of a user; generate the file again"),
        (creds("a.!.c", USER.seed), "holds no valid JWT of a user; generate the file again"),
        (creds(forge([]), USER.seed), "holds no valid JWT of a user; generate the file again"),
        (creds(DEEP, USER.seed), "holds no valid JWT of a user; generate the file again"),
        (creds(forge({"sub": 1}), USER.seed), "holds no valid JWT of a user; generate the file again"),
        (
            creds(forge({"sub": USER.public, "iss": "x", "nats": {}}), USER.seed),
            "holds a JWT that no account has issued; generate the file again",
        ),
    ],
)
def test_credentials_that_do_not_fit_are_refused(tmp_path: Path, content: str, message: str) -> None:
    """A client must never see such a file: nats-py would look for the missing line without an end."""
    path = write(tmp_path, content)
    with pytest.raises(CredentialError) as caught:
        read_user_credentials(path)
    assert message == check_message(caught.value, path)


def test_the_key_of_credentials_signs_as_the_nkeys_library_does(tmp_path: Path) -> None:
    """The key that comes out is the one that the seed stands for."""
    key = read_user_credentials(write(tmp_path, CREDS)).key
    assert nkeys.from_seed(bytearray(USER.seed.encode())).sign(b"nonce") == key.sign(b"nonce")
