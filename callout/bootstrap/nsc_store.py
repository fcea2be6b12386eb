"""The public parts of an nsc store: JWTs of an operator, its accounts, their users. Keys are never looked at.

Layout: nsc `cmd/store/store.go`: `OPERATOR/OPERATOR.jwt`, `OPERATOR/accounts/NAME/NAME.jwt`,
`OPERATOR/accounts/NAME/users/USER.jwt`. `nsc env` says where the store is.

Rules kept here:
- Signatures are nsc's business, and nats-server's. But what becomes part of a command has the form of a public key.
- Whatever cannot be read is one line with the file's name.
"""

import base64
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from callout.bootstrap.nsc_claims import StoredAccount, StoredOperator, StoredUser
from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.files import read_bounded, reason_of
from callout.secret import quote
from workers.nkeys import Kind, looks_public

MAX_JWT_BYTES: Final = 1 << 20  # nsc sets no limit; nats-server's messages end here
_ENDING: Final = ".jwt"
_KINDS: Final = {StoredOperator: Kind.OPERATOR, StoredAccount: Kind.ACCOUNT, StoredUser: Kind.USER}
_T = TypeVar("_T", StoredOperator, StoredAccount, StoredUser)


class Store(msgspec.Struct, frozen=True):
    """An operator with its accounts by their names."""

    name: str
    operator: StoredOperator
    accounts: dict[str, StoredAccount]


def read_store(place: Path, operator: str | None) -> Store:
    """Read a store; `place` may be the operator's own folder in it, `operator` says which if there are several.

    Raises:
        CommandError: it is no store, or cannot be read.
    """
    try:
        root = _find_operator(place, operator)
        accounts = {}
        for folder in sorted(path for path in _list(root / "accounts") if path.is_dir()):
            account = _decode(folder / f"{folder.name}{_ENDING}", StoredAccount)
            files = (path for path in _list(folder / "users") if path.suffix == _ENDING)
            users = {path.stem: _decode(path, StoredUser) for path in sorted(files)}
            accounts[folder.name] = msgspec.structs.replace(account, users=users)
        return Store(root.name, _decode(root / f"{root.name}{_ENDING}", StoredOperator), accounts)
    except OSError as error:
        raise _wrong(f"--from-nsc: {error.filename or place} cannot be read: {reason_of(error)}") from None


def _find_operator(place: Path, operator: str | None) -> Path:
    if _is_operator(place.absolute()) and operator in (None, place.absolute().name):
        return place.absolute()
    found = [path for path in sorted(place.iterdir()) if _is_operator(path) and operator in (None, path.name)]
    if not found:
        wanted = "operator" if operator is None else f"operator {quote(operator)}"
        raise _wrong(f"--from-nsc: no {wanted} in {place}; give the folder that 'nsc env' calls the current store dir")
    if len(found) > 1:
        names = ", ".join(path.name for path in found)
        raise _wrong(f"--from-nsc: {place} has several operators; choose with --operator: {names}")
    return found[0]


def _is_operator(path: Path) -> bool:
    return path.name.isprintable() and (path / f"{path.name}{_ENDING}").is_file()


def _list(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []


def _decode(path: Path, kind: type[_T]) -> _T:
    try:
        _, payload, _ = read_bounded(path, MAX_JWT_BYTES).strip().split(b".")
        claims = base64.b64decode(payload + b"=" * (-len(payload) % 4), altchars=b"-_", validate=True)
        decoded = msgspec.json.decode(claims, type=kind)
    except OSError as error:
        raise _wrong(f"--from-nsc: {path} cannot be read: {reason_of(error)}") from None
    except (ValueError, RecursionError):  # msgspec's errors are among the first; the second is for depth
        decoded = None
    if decoded is None or not looks_public(decoded.sub, _KINDS[kind]):
        raise _wrong(f"--from-nsc: {path} holds no JWT as nsc writes it; 'nsc validate' says more")
    return decoded


def _wrong(line: str) -> CommandError:
    return CommandError(line, exit_code=EXIT_WRONG_USAGE)
