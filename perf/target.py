"""What is measured: a set-up that is started here, or one that is deployed and said by arguments.

Both come to the same: where to connect, as whom, with which tokens; and, of what runs here, which processes to look at.
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from callout.config.credentials import CredentialError
from callout.config.values import parse_list
from callout.doctor.nats_claims import find_jwts
from perf.requests import RequestMaker
from perf.wire import MQTT_PORTS, WEBSOCKET_PORTS, Address, Login, parse_address, parse_nats_url, read_login
from workers.nkeys import Kind, decode_public, looks_public

SERVER: Final = "server"
SUPERVISOR: Final = "supervisor"
WORKERS: Final = "workers"
PROTOCOLS: Final = ("nats", "ws", "mqtt")
MAX_TOKENS: Final = 1_000_000
_PORTS: Final = {"ws": WEBSOCKET_PORTS, "mqtt": MQTT_PORTS}

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


def add_arguments(parser: argparse.ArgumentParser, *, direct: bool, connecting: bool, tokens: bool = True) -> None:
    """Add the arguments that say what is deployed.

    Args:
        parser: takes them.
        direct: whether requests are sent straight to the subject.
        connecting: whether clients connect.
        tokens: whether they are given; a script that leaves them out makes its own.
    """
    group = parser.add_argument_group("a deployed set-up, in place of one that is started here")
    group.add_argument("--nats-url", metavar="URL", help="nats://host:4222 or tls://host:4222")
    if tokens:
        group.add_argument("--tokens", type=Path, metavar="FILE", help="ServiceAccount tokens, one a line")
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
        group.add_argument("--ws-url", metavar="URL", help="ws://host:port or wss://host:port")
        group.add_argument("--mqtt-url", metavar="URL", help="mqtt://host:port or tls://host:port")
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
    try:
        address, login = parse_nats_url(options.nats_url, options.ca_file)
    except (ValueError, OSError) as error:
        raise ValueError(f"--nats-url or what goes with it cannot be used: {error}") from None
    creds = getattr(options, "creds", None)
    if creds is not None:
        login = _read_login(creds, login)
    account = getattr(options, "callout_account", None) or ""
    if direct and not looks_public(account, Kind.ACCOUNT):
        raise ValueError("--callout-account has to be the public key (A…) that the server's auth_callout names")
    xkey = getattr(options, "xkey", "")
    if xkey and not _is_curve_key(xkey):
        raise ValueError("--xkey has to be the public curve key (X…) that the server's callout is configured with")
    if "tokens" in options and options.tokens is None:
        raise ValueError("--tokens has to name a file of ServiceAccount tokens, one a line")
    addresses = {"nats": address} | _find_listeners(options)
    if options.ca_file is not None and not any(one.tls for one in addresses.values()):
        raise ValueError("--ca-file is for addresses with TLS, which begin with tls:// or wss://")
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


def parse_numbers(text: str) -> list[int]:
    """Read whole numbers from 1 on, separated by commas.

    Raises:
        argparse.ArgumentTypeError: they are none.
    """
    try:
        numbers = [int(word) for word in parse_list(text)]
    except ValueError:
        numbers = []
    if not numbers or min(numbers) < 1:
        raise argparse.ArgumentTypeError("whole numbers from 1 on are wanted, separated by commas")
    return numbers


def bounded(lowest: float, highest: float, kind: Callable[[str], float] = int) -> Callable[[str], float]:
    """Return what reads a number within bounds."""

    def parse(text: str) -> float:
        try:
            value = kind(text)
        except ValueError:
            value = lowest - 1
        if not lowest <= value <= highest:
            raise argparse.ArgumentTypeError(f"a number from {lowest:g} to {highest:g} is wanted")
        return value

    return parse


def _find_listeners(options: argparse.Namespace) -> dict[str, Address]:
    found = {}
    for protocol, ports in _PORTS.items():
        url = getattr(options, f"{protocol}_url", None)
        if url is not None:
            try:
                found[protocol] = parse_address(url, ports, options.ca_file)
            except (ValueError, OSError) as error:
                raise ValueError(f"--{protocol}-url cannot be used: {error}") from None
    return found


def _read_login(path: Path, said: Login) -> Login:
    if said.members:
        raise ValueError("--creds says who asks: leave user and password out of --nats-url")
    try:
        return read_login(path)
    except CredentialError as error:
        raise ValueError(f"--creds cannot be used: {error}") from None


def _is_curve_key(text: str) -> bool:
    try:
        return decode_public(text)[0] is Kind.CURVE
    except ValueError:
        return False


def _read_sentinel(path: Path) -> str:
    jwts = find_jwts(_read(path, "--sentinel"))
    if len(jwts) != 1:
        raise ValueError("--sentinel names a file that does not hold one JWT, by itself or in credentials")
    return jwts[0]


def _read_tokens(path: Path) -> list[str]:
    tokens = [line.strip() for line in _read(path, "--tokens").splitlines() if line.strip()]
    if not tokens or any(token.count(".") != 2 for token in tokens):
        raise ValueError("--tokens names a file that does not hold tokens, one a line")
    return tokens[:MAX_TOKENS]


def _read(path: Path, option: str) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{option} cannot be read: {error}") from None
