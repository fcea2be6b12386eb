"""What is measured: a set-up that is started here, or one that is deployed and said by arguments.

Both come to the same: where to connect, as whom, with which tokens; and, of what runs here, which processes to look at.

An error names the argument and never repeats what was given for it: where a path is wanted, somebody gives the secret.
"""

import argparse
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from callout.config.credentials import CredentialError
from callout.doctor.nats_claims import find_jwts
from callout.files import locate
from perf.generator.requests import RequestMaker
from perf.generator.tokens import read_text, read_tokens
from perf.generator.wire import (
    MQTT_PORTS,
    NATS_PORTS,
    WEBSOCKET_PORTS,
    Address,
    Login,
    check_ca_file,
    parse_address,
    read_login,
)
from workers.nkeys import Kind, decode_public, looks_public

PROTOCOLS: Final = ("nats", "ws", "mqtt")
MAX_PROCESSES: Final = 256  # workers, or replicas
MAX_WINDOW: Final = 100_000  # requests in flight
_PORTS: Final = {"nats": NATS_PORTS, "ws": WEBSOCKET_PORTS, "mqtt": MQTT_PORTS}

Groups = Mapping[str, Sequence[int]]


class Target(msgspec.Struct, frozen=True):
    """What is measured.

    Attributes:
        addresses: by protocol: nats, ws, mqtt.
        login: of a user who may send requests straight to the subject; None if there is none.
        callout_account: the public key that the requests are for.
        xkey: the service's public curve key; empty if requests are in the clear.
        sentinel: the JWT that clients show beside their token; empty if the server wants none.
        tokens: of clients that are to be let in.
        find_processes: process ids by `SERVER`, `SUPERVISOR`, `WORKERS`; empty for what does not run here.
    """

    addresses: dict[str, Address]
    login: Login | None
    callout_account: str
    xkey: str
    sentinel: str
    tokens: list[str]
    find_processes: Callable[[], Groups]

    def maker(self) -> RequestMaker:
        """Make what makes requests for it."""
        return RequestMaker(self.callout_account, self.xkey)


def add_arguments(
    parser: argparse.ArgumentParser,
    *,
    direct: bool,
    connecting: bool,
    tokens: bool = True,
    others: Collection[str] = ("ws", "mqtt"),
) -> None:
    """Add the arguments that say what is deployed.

    Args:
        parser: takes them.
        direct: whether requests are sent straight to the subject.
        connecting: whether clients connect.
        tokens: whether they are given; a script that leaves them out makes its own.
        others: protocols by which clients connect besides NATS.
    """
    group = parser.add_argument_group("a deployed set-up, in place of one that is started here")
    group.add_argument("--nats-url", metavar="URL", help="nats://host:4222 or tls://host:4222")
    if tokens:
        group.add_argument(
            "--tokens",
            type=Path,
            metavar="FILE",
            help="ServiceAccount tokens, one a line; where clients are more, the service sees them again",
        )
    group.add_argument("--ca-file", type=Path, metavar="FILE", help="certificates to trust instead of the system's")
    if direct:
        group.add_argument(
            "--creds",
            type=Path,
            metavar="FILE",
            help="who may ask: credentials, or one line user:password (docs/measure-a-cluster.md says how)",
        )
        group.add_argument("--callout-account", metavar="A…", help="public key of the callout's issuer or account")
        group.add_argument("--xkey", metavar="X…", default="", help="public curve key of the service, if it has one")
    if connecting:
        for protocol in others:
            plain, encrypted = _PORTS[protocol]
            form = f"{plain}://host:port or {encrypted}://host:port"
            group.add_argument(f"--{protocol}-url", metavar="URL", help=form)
        group.add_argument("--sentinel", type=Path, metavar="FILE", help="credentials or JWT, shown beside a token")


def find_deployed(options: argparse.Namespace, *, direct: bool) -> Target | None:
    """Return what the arguments say is deployed; None if they say nothing, so that a set-up is started here.

    Raises:
        ValueError: what is wrong with them, in a line.
    """
    if options.nats_url is None:
        others = ("tokens", "creds", "callout_account", "xkey", "ws_url", "mqtt_url", "sentinel", "ca_file")
        given = [name for name in others if getattr(options, name, None)]
        if given:
            raise ValueError(f"--{given[0].replace('_', '-')} needs --nats-url")
        return None
    addresses = _find_listeners(options)
    login, account, xkey = _find_asker(options) if direct else (None, "", "")
    if "tokens" in options and options.tokens is None:
        raise ValueError("--tokens has to name a file of ServiceAccount tokens, one a line")
    sentinel = getattr(options, "sentinel", None)
    return Target(
        addresses=addresses,
        login=login,
        callout_account=account,
        xkey=xkey,
        sentinel=_read_sentinel(sentinel) if sentinel else "",
        tokens=_read_tokens(options.tokens) if "tokens" in options else [],
        find_processes=dict,
    )


def _find_asker(options: argparse.Namespace) -> tuple[Login, str, str]:
    """Return who asks, for which account, and to which curve key it seals."""
    if options.callout_account is None:
        raise ValueError("--callout-account is needed: the public key (A…) that the server's auth_callout names")
    if not looks_public(options.callout_account, Kind.ACCOUNT):
        raise ValueError("--callout-account has to be the public key (A…) that the server's auth_callout names")
    if options.xkey and not _is_curve_key(options.xkey):
        raise ValueError("--xkey has to be the public curve key (X…) that the server's callout is configured with")
    if options.creds is None:
        raise ValueError("--creds is needed: a file that says who may ask (docs/measure-a-cluster.md says how)")
    return _read_login(options.creds), options.callout_account, options.xkey


def _find_listeners(options: argparse.Namespace) -> dict[str, Address]:
    if options.ca_file is not None:
        try:
            check_ca_file(options.ca_file)
        except ValueError as error:
            raise ValueError(f"--ca-file names a file that {error}") from None
    found = {}
    for protocol, ports in _PORTS.items():
        url = getattr(options, f"{protocol}_url", None)
        if url is None:
            continue
        if "@" in url:
            instead = "--creds names a file with them" if "creds" in options else "clients log in with their tokens"
            raise ValueError(f"--{protocol}-url holds a user or password, which everybody here can read: {instead}")
        try:
            found[protocol] = parse_address(url, ports, options.ca_file)
        except ValueError as error:
            raise ValueError(f"--{protocol}-url {error}") from None
    if options.ca_file is not None and not any(one.tls for one in found.values()):
        raise ValueError("--ca-file is for addresses with TLS, which begin with tls:// or wss://")
    return found


def _read_login(path: Path) -> Login:
    try:
        return read_login(path)
    except CredentialError as error:
        # Without the path, which is a secret where one was given in its place.
        said = str(error).removeprefix(f"{locate(path)} ").removeprefix(f"{path} ")
        raise ValueError(f"--creds names a file that {said}") from None


def _is_curve_key(text: str) -> bool:
    try:
        return decode_public(text)[0] is Kind.CURVE
    except ValueError:
        return False


def _read_sentinel(path: Path) -> str:
    try:
        jwts = find_jwts(read_text(path))
    except ValueError as error:
        raise ValueError(f"--sentinel names a file that {error}") from None
    if len(jwts) != 1:
        raise ValueError("--sentinel names a file that does not hold one JWT, by itself or in credentials")
    return jwts[0]


def _read_tokens(path: Path) -> list[str]:
    try:
        return read_tokens(path)
    except ValueError as error:
        raise ValueError(f"--tokens names a file that {error}") from None
