"""The nats.conf of the test bench, once for accounts in the server's config and once for accounts in JWTs.

Both hold the same cast: the callout's own account with the service's user, the clients' account, one more account that
clients are not meant for, and the system account. The service's user has the least rights it can live with.

Nobody in the callout's account may publish to `$SYS.REQ.USER.AUTH`: nats-server denies it to everyone there (auth.go),
by way of a subject mapping too. So that tests can send requests which no true server sends, one more account exports a
stream that the callout's account imports under that very subject; a second user there hears the answers.
"""

import json
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import msgspec

from tests.interop.nats_process import Ports
from tests.nats_minting import (
    CurveKey,
    NatsKey,
    account_jwt,
    decode_nats_jwt,
    encode_nats_jwt,
    operator_jwt,
    sentinel_jwt,
    user_jwt,
)

AUTH_SUBJECT = "$SYS.REQ.USER.AUTH"
AUTH_ERROR_SUBJECT = "$SYS.ACCOUNT.CLIENT.AUTH.ERR"
INJECT_SUBJECT = "inject"
INJECT_REPLIES = "$SYS._INBOX.inject"
"""What replies to injected requests begin with: as true ones do, since the service may publish nowhere else."""

SERVER_MODE_NAMES = {"callout": "AUTH", "clients": "APP", "other": "OTHER", "inject": "INJECT", "system": "SYS"}
"""Role → the account's name in server mode."""
OPERATOR_MODE_NAMES = {
    "callout": "AUTH_SERVICE",
    "clients": "AUTH_ACCOUNT",
    "nack": "NACK",
    "other": "OTHER",
    "inject": "INJECT",
    "system": "SYS",
}
"""Role → the account's name in operator mode, where the key counts and the name is for the reader."""

LEAST_PERMISSIONS = {"pub": {"allow": ["$SYS._INBOX.>"]}, "sub": {"allow": [AUTH_SUBJECT]}}
"""All that the callout service needs: hear requests, and answer them."""

CALLOUT, LISTENER, INJECTOR, ADMINISTRATOR = "callout", "listener", "injector", "admin"
PASSWORD = "not-a-secret"
PRELOAD = re.compile("^resolver_preload: ", re.MULTILINE)
"""What stands before the accounts' JWTs."""
EVERYBODY = "*"
"""Among an account's revocations: all of its users (nats-io/jwt, `All`)."""


class User(msgspec.Struct, frozen=True):
    """A user that exists beforehand and never goes through the callout."""

    account: str
    permissions: dict[str, Any]


USERS = {
    CALLOUT: User("callout", LEAST_PERMISSIONS),
    LISTENER: User("callout", {}),
    INJECTOR: User("inject", {}),
    ADMINISTRATOR: User("system", {}),
}


class Keys(msgspec.Struct, frozen=True):
    """All keys of one environment: accounts by role, users by name. Server mode uses `issuer` and `curve` only."""

    operator: NatsKey
    accounts: dict[str, NatsKey]
    clients_signing: NatsKey
    users: dict[str, NatsKey]
    sentinel: NatsKey
    curve: CurveKey

    @property
    def issuer(self) -> NatsKey:
        """What signs the response: server mode's configured issuer, operator mode's AUTH_SERVICE."""
        return self.accounts["callout"]

    @classmethod
    def generate(cls) -> "Keys":
        """Draw them all."""
        return cls(
            operator=NatsKey.generate("operator"),
            accounts={role: NatsKey.generate("account") for role in OPERATOR_MODE_NAMES},
            clients_signing=NatsKey.generate("account"),
            users={name: NatsKey.generate("user") for name in USERS},
            sentinel=NatsKey.generate("user"),
            curve=CurveKey.generate(),
        )

    def sentinel_jwt(self) -> str:
        """The JWT that operator mode's clients show."""
        return sentinel_jwt(self.sentinel.public, self.issuer)

    def user_jwt(self, name: str) -> str:
        """The JWT of one of `USERS` in operator mode."""
        user = USERS[name]
        return user_jwt(self.users[name].public, self.accounts[user.account], name=name, **user.permissions)


def render_listeners(ports: Ports, folder: Path, log: Path) -> str:
    """The part that both modes share. MQTT needs JetStream and a server name; the log at debug is there to be read."""
    listener = {"host": "127.0.0.1"}
    return _render(
        {
            "server_name": "bench",
            **listener,
            "port": ports.client,
            "websocket": {**listener, "port": ports.websocket, "no_tls": True},
            "mqtt": {**listener, "port": ports.mqtt},
            "leafnodes": {**listener, "port": ports.leafnode},
            "jetstream": {"store_dir": str(folder / "jetstream")},
            "debug": True,
            "log_file": str(log),
        }
    )


def render_server_mode(keys: Keys, *, xkey: bool) -> str:
    """Accounts in the config itself; the callout's issuer is `keys.issuer`."""
    names = SERVER_MODE_NAMES
    callout = {
        "issuer": keys.issuer.public,
        "account": names["callout"],
        "auth_users": list(USERS),
        **({"xkey": keys.curve.public} if xkey else {}),
    }
    injected = {"stream": {"account": names["inject"], "subject": INJECT_SUBJECT}, "to": AUTH_SUBJECT}
    members: dict[str, dict[str, Any]] = {
        "callout": {"imports": [injected]},
        "clients": {"jetstream": "enabled"},
        "other": {"jetstream": "enabled"},
        "inject": {"exports": [{"stream": INJECT_SUBJECT}]},
        "system": {},
    }
    accounts = {names[role]: {**members[role], "users": _configured_users(role)} for role in members}
    system = {"system_account": names["system"]}
    return _render({"authorization": {"auth_callout": callout}, "accounts": accounts, **system})


def render_operator_mode(keys: Keys, *, xkey: bool, default_sentinel: bool) -> str:
    """The four accounts of the product's user, and OTHER, which the callout may not place anyone in."""
    authorization = {
        "auth_users": [keys.users[name].public for name, user in USERS.items() if user.account == "callout"],
        "allowed_accounts": [keys.accounts["clients"].public],
        **({"xkey": keys.curve.public} if xkey else {}),
    }
    exported = {"name": "requests", "subject": INJECT_SUBJECT, "type": "stream"}
    imported = {**exported, "account": keys.accounts["inject"].public, "local_subject": AUTH_SUBJECT}
    members: dict[str, dict[str, Any]] = {
        "callout": {"authorization": authorization, "imports": [imported]},
        "clients": {"signing_keys": [keys.clients_signing.public], "jetstream": True},
        "nack": {"jetstream": True},
        "other": {"jetstream": True},
        "inject": {"exports": [exported]},
        "system": {},
    }
    accounts = {
        key.public: account_jwt(key, keys.operator, OPERATOR_MODE_NAMES[role], **members[role])
        for role, key in keys.accounts.items()
    }
    return _render(
        {
            "operator": operator_jwt(keys.operator, keys.accounts["system"]),
            "system_account": keys.accounts["system"].public,
            "resolver": "MEMORY",
            "resolver_preload": accounts,
            **({"default_sentinel": keys.sentinel_jwt()} if default_sentinel else {}),
        }
    )


def edit_preload(config: str, change: Callable[[dict[str, str]], Mapping[str, str]]) -> str:
    """Change the accounts' JWTs, by their keys, in a configuration."""
    [start] = (match.end() for match in PRELOAD.finditer(config))
    preload, end = json.JSONDecoder().raw_decode(config, start)
    return f"{config[:start]}{json.dumps(change(preload))}{config[end:]}"


def amend_account(config: str, keys: Keys, role: str, **members: Any) -> str:
    """Put members into the JWT of an account; a server that runs takes it for newer than the one that it has."""
    account = keys.accounts[role].public

    def amend(preload: dict[str, str]) -> dict[str, str]:
        claims = decode_nats_jwt(preload[account])
        claims |= {"iat": int(time.time()), "nats": claims["nats"] | members}
        return preload | {account: encode_nats_jwt(claims, keys.operator)}

    return edit_preload(config, amend)


def _configured_users(role: str) -> list[dict[str, Any]]:
    long_names = {"pub": "publish", "sub": "subscribe"}
    return [
        {
            "user": name,
            "password": PASSWORD,
            "permissions": {long_names[side]: rule for side, rule in user.permissions.items()},
        }
        for name, user in USERS.items()
        if user.account == role
    ]


def _render(members: dict[str, Any]) -> str:
    """As lines `name: <JSON>`: the configuration language of nats-server takes JSON for a value."""
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in members.items())
