"""What is looked at in the JWTs of an nsc store; shapes as in nats-io/jwt v2.

Rules kept here:
- Pure, and only what is compared is decoded: nsc writes more, and will write more yet.
"""

import msgspec

from callout.nats_jwt import Authorization


class Side(msgspec.Struct, frozen=True):
    """Permissions of one side."""

    allow: tuple[str, ...] = ()
    deny: tuple[str, ...] = ()


class UserClaims(msgspec.Struct, frozen=True):
    """What a user's JWT says; a limit that is left out is 0, which is none at all."""

    pub: Side = Side()
    sub: Side = Side()
    bearer_token: bool = False
    subs: int = 0
    data: int = 0
    payload: int = 0


class Share(msgspec.Struct, frozen=True):
    """An export, or an import, which names the account that it is from."""

    subject: str = ""
    type: str = ""
    account: str = ""
    response_type: str = ""


class Limits(msgspec.Struct, frozen=True):
    """What an account may use of JetStream, in bytes and numbers."""

    mem_storage: int = 0
    disk_storage: int = 0
    streams: int = 0
    consumer: int = 0
    tiered_limits: dict[str, object] = {}


class AccountClaims(msgspec.Struct, frozen=True):
    """What an account's JWT says. A signing key with a role is an object, and of no use to the service."""

    signing_keys: tuple[str | dict[str, object], ...] = ()
    authorization: Authorization | None = None
    exports: tuple[Share, ...] = ()
    imports: tuple[Share, ...] = ()
    limits: Limits = Limits()


class OperatorClaims(msgspec.Struct, frozen=True):
    """What an operator's JWT says."""

    signing_keys: tuple[str, ...] = ()
    system_account: str = ""


class StoredUser(msgspec.Struct, frozen=True):
    """A user of the store."""

    sub: str
    nats: UserClaims
    exp: int = 0


class StoredAccount(msgspec.Struct, frozen=True):
    """An account of the store; `users` by their names."""

    sub: str
    nats: AccountClaims
    users: dict[str, StoredUser] = {}


class StoredOperator(msgspec.Struct, frozen=True):
    """An operator's JWT, without name: that is its folder's."""

    sub: str
    nats: OperatorClaims
