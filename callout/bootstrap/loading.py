"""Reading a deployment back from its folder: the record, and the material that it names.

Rules kept here:
- The record is input like any other: whoever has made it may be somebody else, and what stands in it becomes paths,
  configuration and commands. Each value has to be one that this command could have written (`check_record`).
- Every key has to be the one that the record names, and the operator's JWT its own: a folder put together from two
  backups is found out here.
- The keys of operator and accounts themselves are not read. They may be anywhere.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from callout.bootstrap import places
from callout.bootstrap.record import Credentials, Deployment, Material, Record, check_record, plan_users
from callout.config.credentials import CredentialError, read_seed, read_user_credentials
from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.files import read_bounded, reason_of
from workers.jose import decode_segment, split
from workers.nkeys import KeyPair, Kind, decode_public, verify

MAX_BYTES: Final = 1 << 20
"""Of any file here; the largest, with all the JWTs, has some 10 KiB."""


class _Operator(msgspec.Struct):
    """Whose JWT it is, and who has issued it: an operator is its own issuer."""

    sub: str
    iss: str


def load(folder: Path) -> Deployment:
    """Read a deployment back; `CommandError` if a part is missing or is not what the record says."""
    place = folder / places.RECORD
    try:
        record = msgspec.json.decode(_read(place), type=Record)
        check_record(record)
    except (ValueError, RecursionError):  # msgspec's errors are among the first
        unreadable = f"{place} is no record that this version of the command can read; restore it, or use a new folder"
        raise _wrong(unreadable) from None
    try:
        signing = {
            key.public: _expect(folder / places.seed_of(member.name, key.number), kind, key.public, read_seed)
            for kind, members in ((Kind.OPERATOR, (record.operator,)), (Kind.ACCOUNT, record.accounts))
            for member in members
            for key in member.signing
        }
        curve = _expect(folder / places.XKEY, Kind.CURVE, record.xkey, read_seed) if record.xkey else None
        credentials = {name: _read_credentials(folder, name, record) for name in record.users}
        operator = _read_operator(folder / places.jwt_of(record.operator.name), record.operator.public)
    except CredentialError as error:
        raise _wrong(f"{error}; put it back from a backup") from None
    return Deployment(record, Material(operator, signing, credentials, curve))


def _read_credentials(folder: Path, name: str, record: Record) -> Credentials:
    path = folder / places.creds_of(name)
    read = read_user_credentials(path)
    account, _ = plan_users(record.choices)[name]
    if (read.key.public, read.account) != (record.users[name], record.account(account).public):
        raise CredentialError(f"{path} holds another user than the deployment's")
    return Credentials(read.jwt, read.key)


def _read_operator(path: Path, public: str) -> str:
    """Read the operator's JWT, which that key has signed for itself."""
    text = _read(path).strip()
    compact = split(text)
    try:
        claims = msgspec.json.decode(decode_segment(compact.payload), type=_Operator) if compact else None
        signed = compact is not None and verify(
            decode_public(public)[1], compact.signing_input, decode_segment(compact.signature)
        )
    except (ValueError, RecursionError):  # msgspec's errors are among the first
        claims, signed = None, False
    if claims is None or not signed or {claims.sub, claims.iss} != {public}:
        raise CredentialError(f"{path} holds another operator's JWT than the deployment's, or none")
    return text.decode("ascii")


def _expect(path: Path, kind: Kind, public: str, read: Callable[[Path, Kind], KeyPair]) -> KeyPair:
    key = read(path, kind)
    if key.public != public:
        raise CredentialError(f"{path} holds another key than the deployment's")
    return key


def _read(path: Path) -> bytes:
    try:
        return read_bounded(path, MAX_BYTES)
    except OSError as error:
        raise _wrong(f"{path} cannot be read: {reason_of(error)}; put it back from a backup") from None


def _wrong(line: str) -> CommandError:
    return CommandError(line, exit_code=EXIT_WRONG_USAGE)
