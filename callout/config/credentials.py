"""Reading seeds and user credentials from files, and checking that they are what they should be.

Two forms hold a seed: the bare seed, as `nsc` writes it in `.nk` files, and the decorated one, between lines
`-----BEGIN … SEED-----` and `------END … SEED------`. Credentials (`.creds`) hold a user's JWT and its seed, both
decorated. Source: nats-io/jwt v2, `creds_utils.go`.

Rules kept here:
- A seed leaves this module only inside a `KeyPair`, a JWT only as a `Secret`; no error shows a byte of either.
- Credentials are checked here before any client reads them: nats-py looks for the line `BEGIN NATS USER JWT` until it
  finds it, without an end if it is not there.
"""

import base64
import re
from pathlib import Path

import msgspec

from callout.files import locate, read_bounded, reason_of
from callout.secret import Secret
from workers.nkeys import KeyPair, Kind, decode_public, decode_seed, looks_public

MAX_CREDENTIAL_BYTES = 64 * 1024
"""The largest file of this sort that is read. A seed has 58 bytes, and a JWT must fit a CONNECT line of 4,096."""

_BLOCK = re.compile(rb"^-{3,}[ \t]*BEGIN ([A-Z ]+?)[ \t]*-{3,}[ \t]*\r?\n\s*(\S+)\s*\n-{3,}[ \t]*END ", re.MULTILINE)
_JWT_LABEL = b"NATS USER JWT"
_USER_SEED_LABEL = b"USER NKEY SEED"

SEED_NAMES = {
    Kind.ACCOUNT: "an account (SA…)",
    Kind.CLUSTER: "a cluster (SC…)",
    Kind.CURVE: "an xkey (SX…)",
    Kind.OPERATOR: "an operator (SO…)",
    Kind.SERVER: "a server (SN…)",
    Kind.USER: "a user (SU…)",
}


class CredentialError(Exception):
    """A file does not hold what it should; the message is one line, with the path and without any secret."""


class UnreadableError(CredentialError):
    """The file is not there, or may not be read."""


class UserCredentials(msgspec.Struct, frozen=True):
    """What a NATS user logs in with.

    Attributes:
        jwt: says who it is and what it may do.
        key: signs the server's nonce.
        account: the public key of the account that it belongs to.
        expires_at: Unix seconds; 0 for never.
        is_bearer: whether the JWT alone lets in, without the key.
    """

    jwt: Secret
    key: KeyPair
    account: str
    expires_at: int
    is_bearer: bool = False


class _UserClaim(msgspec.Struct):
    """A user, of which is looked at (nats-io/jwt v2, `user_claims.go`): its account, if a signing key has signed it."""

    issuer_account: str = ""
    bearer_token: bool = False


class _Claims(msgspec.Struct):
    """The claims of a user's JWT that are looked at: whose it is, who issued it, and when it ends."""

    sub: str
    iss: str
    nats: _UserClaim
    exp: int = 0


def read_seed(path: Path, kind: Kind) -> KeyPair:
    """Read the seed of one kind of key.

    Raises:
        CredentialError: there is none, or one of another kind.
    """
    content = _read(path, f"the seed of {SEED_NAMES[kind]}")
    seeds = [body for label, body in _find_blocks(content) if label.endswith(b"SEED")]
    if len(seeds) > 1:
        raise CredentialError(f"{path} holds several seeds; it should hold one")
    return _decode(path, seeds[0] if seeds else content.strip(), kind)


def read_user_credentials(path: Path) -> UserCredentials:
    """Read a `.creds` file.

    Raises:
        CredentialError: it lacks the JWT or the seed, or they do not belong together.
    """
    blocks = dict(_find_blocks(_read(path, "a user's credentials")))
    for label in (_JWT_LABEL, _USER_SEED_LABEL):
        if label not in blocks:
            raise CredentialError(
                f"{path} has no block '-----BEGIN {label.decode()}-----'; 'nsc generate creds' or 'callout bootstrap' "
                "writes such a file"
            )
    key = _decode(path, blocks[_USER_SEED_LABEL], Kind.USER)
    claims = _read_claims(path, blocks[_JWT_LABEL])
    if claims.sub != key.public:
        raise CredentialError(f"{path} holds a JWT and a seed of two different users; generate the file again")
    account = claims.nats.issuer_account or claims.iss
    if not looks_public(account, Kind.ACCOUNT):
        raise CredentialError(f"{path} holds a JWT that no account has issued; generate the file again")
    jwt = Secret(blocks[_JWT_LABEL].decode("ascii"))
    return UserCredentials(jwt=jwt, key=key, account=account, expires_at=claims.exp, is_bearer=claims.nats.bearer_token)


def _read(path: Path, needed: str) -> bytes:
    try:
        content = read_bounded(path, MAX_CREDENTIAL_BYTES)
    except OSError as error:
        raise UnreadableError(f"{locate(path)} cannot be read: {reason_of(error)}") from None
    if not content.strip():
        raise CredentialError(f"{path} is empty; it should hold {needed}")
    return content


def _find_blocks(content: bytes) -> list[tuple[bytes, bytes]]:
    """Return the label and the body of each decorated block."""
    return [(match[1], match[2]) for match in _BLOCK.finditer(content)]


def _decode(path: Path, seed: bytes, kind: Kind) -> KeyPair:
    if (public := _maybe_find_kind(seed)) is not None:
        raise CredentialError(f"{path} holds a public key ({public}…), and not the seed of {SEED_NAMES[kind]}")
    try:
        key = decode_seed(seed)
    except ValueError as error:
        raise CredentialError(f"{path} holds no valid seed of {SEED_NAMES[kind]}: {error}") from None
    if key.kind is not kind:
        raise CredentialError(f"{path} holds the seed of {SEED_NAMES[key.kind]}; that of {SEED_NAMES[kind]} is needed")
    return key


def _maybe_find_kind(text: bytes) -> Kind | None:
    """Return what kind of public key this is; None if it is none."""
    try:
        return decode_public(text)[0]
    except ValueError:
        return None


def _read_claims(path: Path, jwt: bytes) -> _Claims:
    """Read whose JWT it is. Its signature is for the server to check."""
    try:
        _, payload, _ = jwt.split(b".")
        claims = base64.b64decode(payload + b"=" * (-len(payload) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(claims, type=_Claims)
    except (ValueError, RecursionError):  # msgspec's errors are among the first; the second is for depth
        raise CredentialError(f"{path} holds no valid JWT of a user; generate the file again") from None
