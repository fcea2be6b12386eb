"""The JWTs that declare a NATS operator, its accounts and their users, and the credentials files that hold them.

Shapes: nats-io/jwt v2 (`operator_claims.go`, `account_claims.go`, `user_claims.go`, `exports.go`, `imports.go`,
`activation_claims.go`, `claims.go`, `creds_utils.go`). What logins through the callout get is `workers.user_jwt`' work:
it is on the hot path and splices. Here a few JWTs are made once.

Rules kept here:
- Pure: keys and the moment are arguments, and the same arguments make the same JWT, to the byte.
- Limits are always written out. An absent limit means 0 in these JWTs, and 0 subscriptions means none.
- What a signing key has signed for an account, a user or an activation, names the account which that key belongs to;
  nothing else does.
"""

import base64
import hashlib
from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from callout.secret import Secret
from workers.nkeys import KeyPair
from workers.user_jwt import sign_nats_jwt

NO_LIMIT: Final = -1
NEVER: Final = 0
"""As the moment that something expires at."""
_VERSION: Final = 2
EVERY_ACCOUNT: Final = "*"
"""In place of an account's public key, where activations are revoked."""
_TRAFFIC: Final = dict.fromkeys(("subs", "data", "payload"), NO_LIMIT)
_STRUCTURE: Final = dict.fromkeys(("imports", "exports", "leaf"), NO_LIMIT) | {"wildcards": True}


class JetStreamLimits(msgspec.Struct, frozen=True):
    """How much JetStream an account may use, in bytes and in numbers; an account without it has no JetStream."""

    mem_storage: int = NO_LIMIT
    disk_storage: int = NO_LIMIT
    streams: int = NO_LIMIT
    consumer: int = NO_LIMIT


class Authorization(msgspec.Struct, frozen=True, omit_defaults=True):
    """What makes an account the callout's own.

    Attributes:
        auth_users: public keys of the users that the service logs in as; they alone bypass the callout.
        allowed_accounts: public keys of the accounts that clients may be placed in.
        xkey: the public curve key that requests are sealed for; empty for requests in the clear.
    """

    auth_users: tuple[str, ...]
    allowed_accounts: tuple[str, ...] = ()
    xkey: str = ""


class Export(msgspec.Struct, frozen=True, omit_defaults=True):
    """Subjects that other accounts may import: to receive what is published (stream), or to send requests (service).

    Attributes:
        subject: with wildcards, if need be.
        type: which of the two.
        name: for people.
        response_type: of a service that answers one request with several messages; otherwise only the first arrives.
        token_req: whether an import needs an activation (`issue_activation`); any account may import what does not.
        revocations: Unix seconds by accounts' public keys: activations of theirs issued until then count no longer.
    """

    subject: str
    type: Literal["stream", "service"]
    name: str = ""
    response_type: Literal["", "Stream"] = ""
    token_req: bool = False
    revocations: dict[str, int] = {}


class Import(msgspec.Struct, frozen=True, omit_defaults=True):
    """Subjects of another account.

    Attributes:
        subject: as it is called there.
        account: the other account's public key.
        type: as that of the export.
        name: for people.
        local_subject: what it is called here, if not the same.
        token: the activation, if the export wants one.
    """

    subject: str
    account: str
    type: Literal["stream", "service"]
    name: str = ""
    local_subject: str = ""
    token: str = ""


class Account(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An account.

    Attributes:
        signing_keys: public keys that may sign its users beside its own.
        authorization: of the callout's own account.
        exports, imports: what it shares with other accounts.
        jetstream: how much of it; None for none.
        connections: how many there may be at a time.
    """

    signing_keys: tuple[str, ...] = ()
    authorization: Authorization | None = None
    exports: tuple[Export, ...] = ()
    imports: tuple[Import, ...] = ()
    jetstream: JetStreamLimits | None = None
    connections: int = NO_LIMIT


class Permissions(msgspec.Struct, frozen=True, omit_defaults=True):
    """Subjects of one side. An empty `allow` means that everything is allowed which `deny` does not name."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


EVERYTHING: Final = Permissions()
NOTHING: Final = Permissions(deny=(">",))


class User(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A user; a bearer needs no more than its JWT to log in, everybody else signs with the key."""

    pub: Permissions = EVERYTHING
    sub: Permissions = EVERYTHING
    bearer_token: bool = False


SENTINEL: Final = User(pub=NOTHING, sub=NOTHING, bearer_token=True)
"""What clients show in operator mode to be let in front of the callout. Whoever has its JWT can do nothing with it."""


def issue_operator(
    operator: KeyPair, *, name: str, system_account: str, issued_at: int, signing_keys: tuple[str, ...] = ()
) -> str:
    """Sign an operator's JWT with its own key.

    Args:
        operator: the operator's key.
        name: for people.
        system_account: public key of the account that is the server's own.
        issued_at: Unix seconds.
        signing_keys: public keys of the kind `OPERATOR` that may sign its accounts beside its own.
    """
    members: dict[str, object] = {"system_account": system_account}
    if signing_keys:
        members["signing_keys"] = signing_keys
    return _issue(operator, operator.public, "operator", members, name, issued_at)


def issue_account(
    operator: KeyPair, public: str, account: Account, *, name: str, issued_at: int, expires_at: int = NEVER
) -> str:
    """Sign an account's JWT with the operator's key, or a signing key of it.

    `public` is the account's key; `issued_at` and `expires_at` are Unix seconds.
    """
    members = msgspec.to_builtins(account)
    connections = {"conn": members.pop("connections", NO_LIMIT)}
    members["limits"] = _TRAFFIC | _STRUCTURE | connections | members.pop("jetstream", {})
    return _issue(operator, public, "account", members, name, issued_at, expires_at)


def issue_user(
    signer: KeyPair,
    public: str,
    user: User,
    *,
    name: str,
    issued_at: int,
    expires_at: int = NEVER,
    account: str | None = None,
) -> str:
    """Sign a user's JWT.

    Args:
        signer: the account's own key, or a signing key of it.
        public: the user's public key.
        user: what it may do.
        name: for people.
        issued_at: Unix seconds.
        expires_at: Unix seconds; the server ends its connections then.
        account: the account's public key, if `signer` is a signing key.
    """
    members = _TRAFFIC | msgspec.to_builtins(user) | _name_account(signer, account)
    return _issue(signer, public, "user", members, name, issued_at, expires_at)


def issue_activation(
    signer: KeyPair,
    importer: str,
    export: Export,
    *,
    issued_at: int,
    expires_at: int = NEVER,
    account: str | None = None,
) -> str:
    """Sign what lets one account import an export that wants it (`Export.token_req`).

    Args:
        signer: the exporting account's own key, or a signing key of it.
        importer: the importing account's public key.
        export: what it may import.
        issued_at: Unix seconds.
        expires_at: Unix seconds; the server ends the import then.
        account: the exporting account's public key, if `signer` is a signing key.
    """
    members = {"subject": export.subject, "kind": export.type} | _name_account(signer, account)
    return _issue(signer, importer, "activation", members, export.subject, issued_at, expires_at)


def render_creds(jwt: str, seed: Secret) -> Secret:
    """Write a credentials file: a user's JWT and its seed, each between lines that tell what it is."""
    blocks = (("NATS USER JWT", jwt), ("USER NKEY SEED", seed.reveal()))
    return Secret("\n".join(f"-----BEGIN {label}-----\n{body}\n------END {label}------\n" for label, body in blocks))


def _name_account(signer: KeyPair, account: str | None) -> dict[str, object]:
    return {} if account is None or account == signer.public else {"issuer_account": account}


def _issue(
    signer: KeyPair,
    subject: str,
    kind: str,
    members: Mapping[str, object],
    name: str,
    issued_at: int,
    expires_at: int = NEVER,
) -> str:
    claims = {
        **({} if expires_at == NEVER else {"exp": expires_at}),
        "iat": issued_at,
        "iss": signer.public,
        "name": name,
        "sub": subject,
        "nats": {**members, "type": kind, "version": _VERSION},
    }
    payload = msgspec.json.encode({"jti": _identify(claims)} | claims)
    return sign_nats_jwt(signer, payload).decode()


def _identify(claims: dict[str, object]) -> str:
    """Make the `jti` as nats-io/jwt does (`claims.go`, `hash`): a digest of the registered claims, without `nats`.

    A full resolver drops an account's JWT that has the `jti` of the one which it holds (nats-server, `dirstore.go`):
    two JWTs of one account need two times of issue.
    """
    names = ("exp", "iat", "iss", "name", "sub")
    registered = msgspec.json.encode({name: claims[name] for name in names if claims.get(name)})
    for character in "<>&\N{LINE SEPARATOR}\N{PARAGRAPH SEPARATOR}":  # which Go's encoder escapes
        registered = registered.replace(character.encode(), b"\\u%04x" % ord(character))
    return base64.b32encode(hashlib.new("sha512_256", registered).digest()).rstrip(b"=").decode()
