"""What the demo's nats-server is told: keys, accounts and nats.conf, in both modes; and what the service is told of it.

Server mode has its accounts in nats.conf. Operator mode has them in JWTs: the four accounts that the documentation
recommends, with a default sentinel, so that a client needs nothing but its token (nats-server 2.11.2 and later).

Rules kept here:
- The service gets what it would get in production and no more: seeds and credentials in files of mode 0600, a user with
  the least permissions that do, and in operator mode a signing key of AUTH_ACCOUNT in place of that account's own key.
- Everything stands in one private folder, and listens on free ports of the loopback address.
"""

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec

from callout.nats_jwt import (
    SENTINEL,
    Account,
    Authorization,
    JetStreamLimits,
    Permissions,
    User,
    issue_account,
    issue_operator,
    issue_user,
    render_creds,
)
from callout.secret import Secret
from workers.nkeys import KeyPair, Kind
from workers.user_jwt import Mode

SERVICE_USER: Final = "callout"
# All that the service needs: to hear requests, and to answer them.
SERVICE_PUBLISHES: Final = ("$SYS._INBOX.>",)
SERVICE_SUBSCRIBES: Final = ("$SYS.REQ.USER.AUTH",)
SYSTEM_USER: Final = "sys"
# All that `callout doctor --sys-creds` needs: to ask the server, and to hear its answers.
SYSTEM_PUBLISHES: Final = (
    "$SYS.REQ.SERVER.PING",
    *(f"$SYS.REQ.SERVER.PING.{page}" for page in ("CONNZ", "STATSZ", "SUBSZ")),
)
SYSTEM_SUBSCRIBES: Final = ("_INBOX.>",)
_SEED_SIZE: Final = 32  # bytes (RFC 8032)
_LOOPBACK: Final = "127.0.0.1"
_JETSTREAM: Final = {"max_memory_store": 64 << 20, "max_file_store": 256 << 20}  # bytes: enough to try it


class Plan(msgspec.Struct, frozen=True):
    """What is to run, and what it means to the service.

    Attributes:
        config: the text of nats.conf.
        settings: the service's environment but NATS_URL, of which the port is not known yet.
        login: what stands before the host in NATS_URL.
        accounts: the accounts' names, by what the server calls them.
        client_account: the name of the one that clients are placed in.
        evidence: options of `callout doctor`, with files that an administrator would have.
    """

    config: str
    settings: dict[str, str]
    login: Secret
    accounts: dict[str, str]
    client_account: str
    evidence: tuple[str, ...] = ()


def make_plan(mode: Mode, folder: Path, now: int, *, sealed: bool) -> Plan:
    """Draw all keys, write the service's files into the folder, and make the configuration.

    Args:
        mode: where the server knows its accounts from.
        folder: private, and empty.
        now: Unix seconds.
        sealed: whether requests are to be encrypted.
    """
    curve = draw_key(Kind.CURVE) if sealed else None
    plan = _plan_operator_mode(folder, curve, now) if mode is Mode.OPERATOR else _plan_server_mode(folder, curve)
    if curve is not None:
        plan.settings["NATS_XKEY_FILE"] = write_seed(folder / "xkey.nk", curve)
    return plan


def _plan_server_mode(folder: Path, curve: KeyPair | None) -> Plan:
    issuer = draw_key(Kind.ACCOUNT)
    password, system_password = secrets.token_urlsafe(), secrets.token_urlsafe()
    permissions = {"publish": list(SERVICE_PUBLISHES), "subscribe": list(SERVICE_SUBSCRIBES)}
    system_permissions = {"publish": list(SYSTEM_PUBLISHES), "subscribe": list(SYSTEM_SUBSCRIBES)}
    callout = {"issuer": issuer.public, "account": "AUTH", "auth_users": [SERVICE_USER, SYSTEM_USER]}
    members = {
        "accounts": {
            "AUTH": {"users": [{"user": SERVICE_USER, "password": password, "permissions": permissions}]},
            "APP": {"jetstream": "enabled"},
            "SYS": {"users": [{"user": SYSTEM_USER, "password": system_password, "permissions": system_permissions}]},
        },
        "system_account": "SYS",
        "authorization": {"auth_callout": callout | ({"xkey": curve.public} if curve else {})},
    }
    return Plan(
        render_config(members, folder),
        {
            "NATS_MODE": Mode.SERVER.value,
            "NATS_ACCOUNT": "APP",
            "NATS_SIGNING_KEY_FILE": write_seed(folder / "signing.nk", issuer),
        },
        Secret(f"{SERVICE_USER}:{password}@"),
        {name: name for name in ("AUTH", "APP", "SYS")},
        "APP",
        ("--sys-creds", write_private(folder / "sys", Secret(f"{SYSTEM_USER}:{system_password}\n"))),
    )


def _plan_operator_mode(folder: Path, curve: KeyPair | None, now: int) -> Plan:
    operator, signing = draw_key(Kind.OPERATOR), draw_key(Kind.ACCOUNT)
    service, sentinel, system = (draw_key(Kind.USER) for _ in range(3))
    keys = {name: draw_key(Kind.ACCOUNT) for name in ("SYS", "AUTH_SERVICE", "AUTH_ACCOUNT", "NACK")}
    callout, clients = keys["AUTH_SERVICE"], keys["AUTH_ACCOUNT"]
    authorization = Authorization((service.public,), (clients.public,), curve.public if curve else "")
    accounts = {
        "SYS": Account(),
        "AUTH_SERVICE": Account(authorization=authorization),
        "AUTH_ACCOUNT": Account(signing_keys=(signing.public,), jetstream=JetStreamLimits()),
        "NACK": Account(jetstream=JetStreamLimits()),
    }
    rights = User(pub=Permissions(allow=SERVICE_PUBLISHES), sub=Permissions(allow=SERVICE_SUBSCRIBES))
    service_jwt = issue_user(callout, service.public, rights, name=SERVICE_USER, issued_at=now)
    creds = render_creds(service_jwt, Secret(service.encode_seed()))
    asking = User(pub=Permissions(allow=SYSTEM_PUBLISHES), sub=Permissions(allow=SYSTEM_SUBSCRIBES))
    system_jwt = issue_user(keys["SYS"], system.public, asking, name=SYSTEM_USER, issued_at=now)
    system_creds = render_creds(system_jwt, Secret(system.encode_seed()))
    sentinel_jwt = issue_user(callout, sentinel.public, SENTINEL, name="sentinel", issued_at=now)
    members = {
        "operator": issue_operator(operator, name="demo", system_account=keys["SYS"].public, issued_at=now),
        "system_account": keys["SYS"].public,
        "resolver": "MEMORY",
        "resolver_preload": {
            keys[name].public: issue_account(operator, keys[name].public, account, name=name, issued_at=now)
            for name, account in accounts.items()
        },
        "default_sentinel": sentinel_jwt,
    }
    return Plan(
        render_config(members, folder),
        {
            "NATS_MODE": Mode.OPERATOR.value,
            "NATS_ACCOUNT": clients.public,
            "NATS_SIGNING_KEY_FILE": write_seed(folder / "signing.nk", callout),
            "NATS_ACCOUNT_SIGNING_KEY_FILE": write_seed(folder / "account-signing.nk", signing),
            "NATS_USER_CREDS_FILE": write_private(folder / "callout.creds", creds),
        },
        Secret(""),
        {key.public: name for name, key in keys.items()},
        "AUTH_ACCOUNT",
        (
            *("--sys-creds", write_private(folder / "sys.creds", system_creds)),
            *("--sentinel", write_private(folder / "sentinel.jwt", Secret(sentinel_jwt))),
        ),
    )


def draw_key(kind: Kind) -> KeyPair:
    """Make a new key, as random as the system can."""
    return KeyPair(kind, secrets.token_bytes(_SEED_SIZE))


def render_config(members: Mapping[str, object], folder: Path) -> str:
    """Write nats.conf: its language takes JSON for any value."""
    common = {
        "server_name": "demo",
        "host": _LOOPBACK,
        "port": -1,  # any that is free
        "http": f"{_LOOPBACK}:-1",
        "jetstream": {"store_dir": str(folder / "jetstream"), **_JETSTREAM},
    }
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in {**common, **members}.items())


def write_seed(path: Path, key: KeyPair) -> str:
    """Write a key's seed into a file that only this user may read, and return its path."""
    return write_private(path, Secret(key.encode_seed()))


def write_private(path: Path, content: Secret) -> str:
    """Write a file that only this user may read, and return its path.

    It is a new file, put in its place whole: what stood there, a file that others may read or a link, is replaced.
    """
    descriptor, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600, and it was not there
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(content.reveal())
        Path(draft).rename(path)
    except BaseException:
        Path(draft).unlink(missing_ok=True)
        raise
    return str(path)
