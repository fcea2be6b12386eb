"""How people log in, read from settings and files; nothing of it is ever shown."""

import ssl
from pathlib import Path

import pytest

from callout.config.credentials import CredentialError
from callout.config.loading import load
from callout.config.table import Settings
from callout.doctor.logins import NOBODY, Login, as_options, make_door, read_login, read_service_login, stand_before
from callout.secret import HIDDEN
from tests.authority import Authority
from tests.minting import NatsKey, creds, user_jwt
from workers.nkeys import decode_seed

ACCOUNT, USER = NatsKey.generate("account"), NatsKey.generate("user")
JWT = user_jwt(USER.public, ACCOUNT)
CREDS = creds(JWT, USER.seed)
NEEDED = {"NATS_ACCOUNT": "APP", "NATS_SIGNING_KEY_FILE": "x", "JWKS_PATH": "x", "SERVICEACCOUNTS_PATH": "x"}


def make(**variables: str) -> Settings:
    """Settings with these variables."""
    return load({**NEEDED, "JWT_ISSUER": "https://x", **variables})[0]


@pytest.fixture
def creds_file(tmp_path: Path) -> Path:
    """Credentials of a user."""
    path = tmp_path / "user.creds"
    path.write_text(CREDS)
    return path


def test_the_service_logs_in_with_what_it_is_given(creds_file: Path) -> None:
    """Credentials, a token, or user and password in the address; or nothing."""
    by_creds = read_service_login(make(NATS_USER_CREDS_FILE=str(creds_file)))
    assert by_creds.key is not None
    assert (JWT, USER.public) == (by_creds.jwt, by_creds.key.public)
    assert Login(token="t-1") == read_service_login(make(NATS_TOKEN="t-1"))
    assert Login(token="t-2") == read_service_login(make(NATS_URL="nats://t-2@127.0.0.1:4222"))
    assert Login(user="u", password="p") == read_service_login(make(NATS_URL="nats://u:p@127.0.0.1:4222"))
    assert NOBODY == read_service_login(make(NATS_URL="nats://127.0.0.1:4222"))


def test_a_file_holds_credentials_or_a_line(tmp_path: Path, creds_file: Path) -> None:
    """The password may hold a colon; a line end belongs to neither."""
    line = tmp_path / "line"
    line.write_text("admin:a:b\n")
    assert Login(user="admin", password="a:b") == read_login(line)
    assert (JWT, "") == (read_login(creds_file).jwt, read_login(creds_file).user)


@pytest.mark.parametrize(
    "content", ["", "\n", "no colon", "user: password", USER.seed, JWT, "-----BEGIN NATS USER JWT-----\n"]
)
def test_what_holds_no_login_is_one_line(tmp_path: Path, content: str) -> None:
    """Which names the file, and shows nothing of what stands in it."""
    path = tmp_path / "login"
    path.write_text(content)
    with pytest.raises(CredentialError) as caught:
        read_login(path)
    (line,) = str(caught.value).splitlines()
    assert str(path) in line
    assert not [secret for secret in (USER.seed, JWT, "password") if secret in line]


@pytest.mark.parametrize("name", ["missing", "."])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    """With the system's own reason."""
    with pytest.raises(CredentialError, match="cannot be read: "):
        read_login(tmp_path / name)


def test_a_workload_shows_its_token_and_perhaps_a_sentinel() -> None:
    """A bearer's JWT is enough; whose credentials hold a seed signs with it."""
    key = decode_seed(USER.seed)
    assert Login(token="t") == stand_before(None, "t")
    assert Login(token="t", jwt=JWT) == stand_before(Login(jwt=JWT), "t")
    assert Login(token="t", jwt=JWT, key=key) == stand_before(Login(jwt=JWT, key=key), "t")


def test_logins_as_options() -> None:
    """The JWT goes another way; nobody sends nothing."""
    assert {"servers": ["nats://a"]} == as_options(NOBODY, ("nats://a",))
    assert {"servers": [], "token": "t"} == as_options(Login(token="t", jwt=JWT), ())
    assert {"servers": [], "user": "u", "password": ""} == as_options(Login(user="u"), ())


def test_no_login_is_shown() -> None:
    """Neither by itself nor within something else."""
    login = Login(user="u", password="p-1", token="t-1", jwt=JWT)
    assert f"Login({HIDDEN})" == repr(login)
    assert f"[Login({HIDDEN})]" == str([login])


def test_the_door_has_no_login(tmp_path: Path) -> None:
    """All servers that the settings name; TLS if one of them, or a certificate, asks for it."""
    plain = make_door(make(NATS_URL="nats://u:p@127.0.0.1:4222,nats://127.0.0.1:4223"))
    assert (("nats://127.0.0.1:4222", "nats://127.0.0.1:4223"), None) == (plain.servers, plain.context)
    authority = Authority(tmp_path).ca_file
    for variables in ({"NATS_URL": "tls://127.0.0.1:4222"}, {"NATS_TLS_CA_FILE": str(authority)}):
        context = make_door(make(**variables)).context
        assert context is not None
        assert (True, ssl.CERT_REQUIRED) == (context.check_hostname, context.verify_mode)


def test_a_door_without_its_certificate_is_an_error(tmp_path: Path) -> None:
    """Nothing is sent in the clear instead."""
    (tmp_path / "ca.pem").write_text("no certificate")
    for name in ("ca.pem", "missing"):
        with pytest.raises(OSError, match=r"."):
            make_door(make(NATS_TLS_CA_FILE=str(tmp_path / name)))
