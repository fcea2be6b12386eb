"""What the doctor is asked to do, read from the command line: every file is read here, before anything is asked.

Rules kept here:
- What cannot be used is one line that names the option, with exit code 2; nothing has been done by then.
- Files are bounded, and so is their number: what is left out without a word would be missed later.
"""

import argparse
from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

import msgspec

from callout.config.credentials import CredentialError
from callout.doctor.logins import Login, read_login
from callout.doctor.nats_claims import AccountJwt, find_jwts, read_account, read_user
from callout.doctor.web import is_page
from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.files import locate, read_bounded, reason_of
from callout.given_token import GivenToken, read_given_token
from callout.policy.subjects import is_valid
from callout.secret import HIDDEN, quote
from callout.serviceaccounts import is_valid_identity

MAX_FILE_BYTES: Final = 16 << 20  # a nats.conf with thousands of accounts
_GIVE: Final = {
    "--accounts": "give a file with JWTs of accounts, or a folder with .jwt files",
    "--sentinel": "give the sentinel's .creds or JWT",
}
MAX_FILES: Final = 10_000  # in a folder of JWTs
_WILDCARDS: Final = frozenset("*>")


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to do, and with what.

    Attributes:
        accounts: JWTs of accounts, by public key.
        system: a user of the system account.
        sentinel: what workloads show in operator mode.
        live: whether to be a client.
        given: what to log in with; its token is empty for none.
        serviceaccount: whose token to have made instead.
        metrics_urls: the service's pages of metrics, one for each replica.
        stream, subject, stream_user: a message is published to the subject, and the stream is asked as that user.
    """

    accounts: Mapping[str, AccountJwt] = {}
    system: Login | None = None
    sentinel: Login | None = None
    live: bool = False
    given: GivenToken = GivenToken()
    serviceaccount: tuple[str, str] | None = None
    metrics_urls: tuple[str, ...] = ()
    stream: str = ""
    subject: str = ""
    stream_user: Login | None = None

    def __repr__(self) -> str:
        return f"Request({HIDDEN})"


def read_request(args: argparse.Namespace) -> Request:
    """Read the arguments and the files that they name.

    Raises:
        CommandError: one of them cannot be used.
    """
    return Request(
        accounts=dict(_read_accounts(args.accounts)) if args.accounts else {},
        system=_read_login("--sys-creds", args.sys_creds),
        sentinel=_read_sentinel(args.sentinel) if args.sentinel else None,
        live=args.live,
        given=_read_token(args.token) if args.token else GivenToken(),
        serviceaccount=_split_identity(args.serviceaccount) if args.serviceaccount else None,
        metrics_urls=tuple(_check_page(url) for url in args.metrics_url),
        stream=_read_stream(args),
        subject=args.subject or "",
        stream_user=_read_login("--nack-creds", args.nack_creds),
    )


def _read_stream(args: argparse.Namespace) -> str:
    """Return the stream's name, or nothing, once all that goes with it is there."""
    given = (args.nack, args.subject, args.nack_creds)
    if not any(given):
        return ""
    if not all(given):
        raise _refuse("--nack: needs --subject SUBJECT and --nack-creds FILE beside it")
    if not args.live:
        raise _refuse("--nack: publishes a message, and so needs --live")
    if not is_valid(args.subject) or _WILDCARDS & set(args.subject):
        raise _refuse(f"--subject: {quote(args.subject)} is none to publish to; give one such as orders.doctor")
    if not is_valid(args.nack) or "." in args.nack or _WILDCARDS & set(args.nack):
        raise _refuse(f"--nack: {quote(args.nack)} is no name of a stream; give one such as EVENTS")
    if not (args.token or args.serviceaccount):
        raise _refuse("--nack: somebody has to publish; give --token FILE or --serviceaccount NAMESPACE/NAME")
    return str(args.nack)


def _read_login(option: str, path: str | None) -> Login | None:
    if path is None:
        return None
    try:
        return read_login(Path(path))
    except CredentialError as error:
        raise _refuse(f"{option}: {error}; give a .creds file, or in server mode a line user:password") from None


def _read_sentinel(path: str) -> Login:
    """Read a `.creds` file or a JWT by itself: a bearer needs no more."""
    jwts = find_jwts(_read("--sentinel", Path(path)))
    try:
        if not jwts:
            raise ValueError("it holds no JWT")
        read_user(jwts[0])
        return read_login(Path(path))
    except CredentialError:
        return Login(jwt=jwts[0])
    except ValueError as error:
        raise _refuse(f"--sentinel: {path}: {error}; {_GIVE['--sentinel']}") from None


def _read_accounts(path: str) -> Iterator[tuple[str, AccountJwt]]:
    """Read all JWTs of accounts in a file or below a folder; of two of one account the later one counts."""
    try:
        files = _list_files(Path(path))
    except OSError as error:
        raise _refuse(
            f"--accounts: {locate(Path(path))} cannot be read: {reason_of(error)}; {_GIVE['--accounts']}"
        ) from None
    found: dict[str, AccountJwt] = {}
    for file in files:
        for jwt in find_jwts(_read("--accounts", file)):
            try:
                account = read_account(jwt)
            except ValueError:  # an operator's, a user's: there are such beside them
                continue
            if account.key not in found or found[account.key].issued_at <= account.issued_at:
                found[account.key] = account
    if not found:
        raise _refuse(f"--accounts: {path} holds no JWT of an account; 'nsc describe account NAME --raw' prints one")
    yield from found.items()


def _list_files(place: Path) -> list[Path]:
    if not place.is_dir():
        return [place]
    files = list(islice(place.rglob("*.jwt"), MAX_FILES + 1))
    if len(files) > MAX_FILES:
        raise _refuse(f"--accounts: {place} has more than {MAX_FILES} JWTs below it; give one with fewer, or a file")
    return sorted(files)


def _read_token(place: str) -> GivenToken:
    try:
        given = read_given_token(place)
    except OSError as error:
        raise _refuse(f"--token: {quote(place)} cannot be read: {reason_of(error)}; give a file with a token") from None
    if not given.token:
        raise _refuse(f"--token: {quote(place)} is empty; give a file with a token")
    return given


def _split_identity(text: str) -> tuple[str, str]:
    namespace, _, name = text.partition("/")
    if not is_valid_identity(namespace, name):
        raise _refuse(f"--serviceaccount: {quote(text)} is none; give namespace/name, such as orders/checkout")
    return namespace, name


def _check_page(url: str) -> str:
    if not is_page(url):
        raise _refuse(f"--metrics-url: {quote(url)} is no address of a page; give http://<pod>:8080/metrics")
    return url


def _read(option: str, path: Path) -> str:
    try:
        return read_bounded(path, MAX_FILE_BYTES).decode("utf-8", "replace")
    except OSError as error:
        raise _refuse(f"{option}: {locate(path)} cannot be read: {reason_of(error)}; {_GIVE[option]}") from None


def _refuse(line: str) -> CommandError:
    return CommandError(line, exit_code=EXIT_WRONG_USAGE)
