"""NATS_URL: one or several servers, and perhaps the user and password to log in with.

Rules kept here:
- The address may hold a password, so no message shows any part of it.
- A user and password are percent-decoded, as the Go client does and the Python client does not; that is why they are
  handed on apart from the addresses (`split`).
- An unencoded `/`, `?`, `#` or `,` in a password would split the address in the wrong place and show a piece of it as a
  host or a port. So an address has no path, and if any address names a user the first one does.
"""

import re
from urllib.parse import unquote

import msgspec

from callout.config.values import Form, parse_list
from callout.secret import HIDDEN, Secret, looks_secret
from callout.urls import MAX_PORT

DEFAULT_SCHEME = "nats"
_SOCKET_SCHEMES = frozenset({"nats", "tls"})
_WEB_SCHEMES = frozenset({"ws", "wss"})

_ADDRESS = re.compile(
    r"(?:(?P<scheme>[A-Za-z]+)://)?"
    r"(?:(?P<login>[^/?#\s]+)@)?"
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?/?"
)
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ENCODE = "write / ? # , % of a user or password as %2F %3F %23 %2C %25"


class Servers(msgspec.Struct, frozen=True):
    """Where to connect to, and as whom.

    Attributes:
        urls: addresses with a scheme and without user and password.
        user: who to log in as; None if the addresses do not say, or if they hold a token.
        password: goes with `user`.
        token: what stands alone before the `@`, which NATS takes for a token.
    """

    urls: tuple[str, ...]
    user: str | None = None
    password: Secret | None = None
    token: Secret | None = None


def split(url: Secret) -> Servers:
    """Take a value of NATS_URL apart.

    Raises:
        ValueError: what is wrong with it, in words that show nothing of it.
    """
    logins: list[str | None] = []
    urls = []
    for position, address in enumerate(parse_list(url.reveal()), 1):
        match = _ADDRESS.fullmatch(address)
        if match is None:
            raise ValueError(f"holds no valid address in place {position} of its list: {_ENCODE}")
        scheme = (match["scheme"] or DEFAULT_SCHEME).lower()
        if scheme not in _SOCKET_SCHEMES | _WEB_SCHEMES:
            raise ValueError(f"has a scheme that is none of nats, tls, ws and wss in place {position} of its list")
        if match["port"] is not None and not 0 < int(match["port"]) <= MAX_PORT:
            raise ValueError(f"has a port out of bounds in place {position} of its list")
        if looks_secret(match["host"]):
            raise ValueError(f"has a secret where a host should stand, in place {position} of its list")
        logins.append(match["login"])
        urls.append(f"{scheme}://{match['host']}" + (f":{match['port']}" if match["port"] else ""))
    if len({scheme_of(text) in _WEB_SCHEMES for text in urls}) > 1:
        raise ValueError("mixes ws or wss with nats or tls")
    if len({login for login in logins if login}) > 1:
        raise ValueError("names different users for different servers")
    if any(logins) and not logins[0]:
        raise ValueError(f"names a user, but not for its first server: {_ENCODE}")
    return _log_in(tuple(urls), logins[0])


def scheme_of(url: str) -> str:
    """Return the scheme of an address that has one."""
    return url.partition("://")[0]


def redact(url: Secret) -> str:
    """Write a valid value of NATS_URL for a log: `nats://***@nats:4222`."""
    servers = split(url)
    has_login = servers.user is not None or servers.token is not None
    mark = f"{HIDDEN}@" if has_login else ""
    return ",".join(text.replace("://", f"://{mark}", 1) for text in servers.urls)


def parse_nats_url(text: str) -> Secret:
    """Check a value of NATS_URL."""
    url = Secret(text)
    split(url)
    return url


def _log_in(urls: tuple[str, ...], login: str | None) -> Servers:
    if not login:
        return Servers(urls)
    if _BAD_ESCAPE.search(login):
        raise ValueError(f"has a % in a user or password that begins no escape: {_ENCODE}")
    user, colon, password = login.partition(":")
    if not colon:
        return Servers(urls, token=Secret(unquote(user)))
    return Servers(urls, user=unquote(user), password=Secret(unquote(password)))


NATS_ADDRESSES = Form(
    "one or several addresses such as nats://nats:4222 or tls://user:password@nats:4222, separated by commas",
    parse_nats_url,
)
