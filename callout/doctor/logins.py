"""How people log in to NATS here: with credentials, with user and password, with a token, or with nothing at all.

A file that is given for another user than the service's own holds credentials (`.creds`), or in server mode one line
`user:password`.

Rules kept here:
- Nothing of a login is shown: not by `repr`, not by an error.
- Credentials are checked before any client reads them, as `callout.config.credentials` does.
"""

import ssl
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec

from callout.config.credentials import MAX_CREDENTIAL_BYTES, CredentialError, read_user_credentials
from callout.config.nats_url import scheme_of, split
from callout.config.table import Settings
from callout.files import locate, read_bounded, reason_of
from callout.secret import HIDDEN
from workers.nkeys import KeyPair

_ENCRYPTED: Final = ("tls", "wss")


class Login(msgspec.Struct, frozen=True, kw_only=True):
    """What somebody logs in with; what is not used is empty.

    Attributes:
        jwt: of a user; with `key`, or alone if the user is a bearer.
    """

    user: str = ""
    password: str = ""
    token: str = ""
    jwt: str = ""
    key: KeyPair | None = None

    def __repr__(self) -> str:
        return f"Login({HIDDEN})"


NOBODY: Final = Login()


class Door(msgspec.Struct, frozen=True):
    """Where to log in: addresses without a login, and what TLS asks for; no `context` if nothing asks for TLS."""

    servers: tuple[str, ...]
    context: ssl.SSLContext | None


def make_door(settings: Settings) -> Door:
    """Find the servers that the settings name.

    Raises:
        OSError: a certificate or key cannot be read, or is none.
    """
    servers = split(settings.nats_url).urls
    authority, certificate = settings.nats_tls_ca_file, settings.nats_tls_cert_file
    context = None
    if authority or certificate or any(scheme_of(server) in _ENCRYPTED for server in servers):
        context = ssl.create_default_context(cafile=authority)
        if certificate:
            context.load_cert_chain(certificate, settings.nats_tls_key_file)
    return Door(servers, context)


def read_service_login(settings: Settings) -> Login:
    """Read what the service itself logs in with.

    Raises:
        CredentialError: the credentials cannot be used.
    """
    servers = split(settings.nats_url)
    if settings.nats_user_creds_file is not None:
        user = read_user_credentials(settings.nats_user_creds_file)
        return Login(jwt=user.jwt.reveal(), key=user.key)
    token = settings.nats_token or servers.token
    if token is not None:
        return Login(token=token.reveal())
    return Login(user=servers.user or "", password=servers.password.reveal() if servers.password else "")


def read_login(path: Path) -> Login:
    """Read a file with the login of somebody else.

    Raises:
        CredentialError: it cannot be read, or holds none.
    """
    try:
        content = read_bounded(path, MAX_CREDENTIAL_BYTES)
    except OSError as error:
        raise CredentialError(f"{locate(path)} cannot be read: {reason_of(error)}") from None
    lines = content.decode("utf-8", "replace").split()
    if len(lines) == 1 and ":" in lines[0]:
        user, _, password = lines[0].partition(":")
        return Login(user=user, password=password)
    user_credentials = read_user_credentials(path)
    return Login(jwt=user_credentials.jwt.reveal(), key=user_credentials.key)


def stand_before(sentinel: Login | None, token: str) -> Login:
    """Make the login of a workload: its token, and the sentinel if it shows one."""
    if sentinel is None:
        return Login(token=token)
    return Login(token=token, jwt=sentinel.jwt, key=sentinel.key)


def as_options(login: Login, servers: Sequence[str]) -> dict[str, object]:
    """Write a login as options of nats-py's `connect`, but for the JWT, which goes by callbacks."""
    options: dict[str, object] = {"servers": list(servers)}
    if login.token:
        options["token"] = login.token
    if login.user:
        options |= {"user": login.user, "password": login.password}
    return options
