"""Users that a NATS has had before it asked a callout, and ways to try who of them still gets in.

Of each kind one is to be among `auth_users` (`LISTED`), and one is not.
"""

import contextlib
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from tests.interop.clients import REFUSED, open_client
from tests.interop.environments import Environment, Mode, ServerBinary, Setting
from tests.interop.intruder import LEAFNODE, intrude
from tests.interop.reference_callout import ReferenceCallout, Request
from tests.interop.server_configs import ADMINISTRATOR, CALLOUT, SERVER_MODE_NAMES
from tests.nats_minting import NatsKey
from tests.waiting import PATIENCE_SECONDS, until

Members = dict[str, Any]
Edit = Callable[[str], str]

TOKEN: Final = "what a pod shows"
PASSWORD: Final = "of-before"
NKEY: Final = NatsKey.generate("user")
OTHER_NKEY: Final = NatsKey.generate("user")
LISTED: Final = (CALLOUT, ADMINISTRATOR, "billing", NKEY.public, "remote")
"""`auth_users`: the service, who asks the server, and some of those who were there before."""
WAYS: Final[dict[str, dict[str, str]]] = {
    "listed": {"user": "billing", "password": PASSWORD},
    "listed, by an nkey": {"nkeys_seed_str": NKEY.seed},
    "listed, with a wrong password": {"user": "billing", "password": "wrong"},
    "not listed": {"user": "stock", "password": PASSWORD},
    "not listed, by an nkey": {"nkeys_seed_str": OTHER_NKEY.seed},
    "not listed, of another account": {"user": "elsewhere", "password": PASSWORD},
    "without credentials": {},
    "a pod": {"token": TOKEN},
}
"""How each of them logs in: the options of nats-py."""
_ACCOUNTS: Final = {
    "clients": [
        {"user": "billing", "password": PASSWORD},
        {"user": "stock", "password": PASSWORD},
        {"nkey": NKEY.public},
        {"nkey": OTHER_NKEY.public},
    ],
    "other": [{"user": "elsewhere", "password": PASSWORD}, {"user": "remote", "password": PASSWORD}],
}


@contextlib.contextmanager
def run_line(binary: ServerBinary, folder: Path, mode: Mode = "server") -> Iterator[Environment]:
    """A server of that line inside the block, in a folder that is made for it."""
    folder.mkdir()
    with Environment(Setting(mode, xkey=False, binary=binary), folder) as running:
        yield running


def read(config: str) -> Members:
    """The members of a nats.conf of the bench."""
    pairs = (line.partition(": ") for line in config.splitlines())
    return {name: json.loads(value) for name, _, value in pairs}


def write(members: Mapping[str, Any]) -> str:
    """The reverse."""
    return "".join(f"{name}: {json.dumps(value)}\n" for name, value in members.items())


def before(config: str, **others: Any) -> str:
    """Nobody is asked yet; accounts and users are there already, the callout's among them."""
    members = read(config) | others
    for role, users in _ACCOUNTS.items():
        members["accounts"][SERVER_MODE_NAMES[role]]["users"] = users
    del members["authorization"]
    return write(members)


def after(config: str, *more: str, allowed: tuple[str, ...] = (), **others: Any) -> str:
    """The callout is asked about all but `LISTED` and `more`; `allowed` is its `allowed_accounts`."""
    callout = read(config)["authorization"]["auth_callout"] | {"auth_users": [*LISTED, *more]}
    if allowed:
        callout["allowed_accounts"] = allowed
    return before(config, **others) + write({"authorization": {"auth_callout": callout}})


def judge(callout: ReferenceCallout, request: Request) -> bytes:
    """Let pods in, and nobody else: as the service does."""
    if request["nats"]["connect_opts"].get("auth_token") == TOKEN:
        return callout.allow(request, sub=["news.>"])
    return callout.deny(request, "no pod")


async def enter(environment: Environment, options: Mapping[str, Any]) -> str | None:
    """Log in once; the role of the account that the client is in, None if it is refused."""
    try:
        client = await open_client(environment.url(), dict(options))
    except REFUSED:
        return None
    async with client:
        role: str = (await environment.connection(client))["account"]
    return role


async def is_welcome(environment: Environment, way: str) -> bool:
    """Log in once as one of `WAYS`; tell whether that is let in. Where it is then, either of two servers may answer."""
    try:
        client = await open_client(environment.url(), dict(WAYS[way]))
    except REFUSED:
        return False
    await client.close()
    return True


async def enter_as_leafnode(environment: Environment, user: str) -> bool:
    """Log in once as a leafnode, with a password; tell whether it is let in."""
    return await _enter_as_leafnode(environment, {"user": user, "pass": PASSWORD})


async def enter_as_leafnode_of(environment: Environment, jwt: str, key: NatsKey) -> bool:
    """The same with credentials."""
    return await _enter_as_leafnode(environment, {"jwt": jwt}, key)


async def _enter_as_leafnode(environment: Environment, shown: dict[str, str], key: NatsKey | None = None) -> bool:
    async with intrude(environment.server.ports.leafnode, {**LEAFNODE, **shown}, key=key) as intruder:
        return intruder.has_heard(b"PONG")


async def enter_all(environment: Environment, callout: ReferenceCallout) -> dict[str, tuple[str | None, int]]:
    """Let each of `WAYS` log in once; account, and how often the callout was asked about it."""
    outcomes = {}
    for who, options in WAYS.items():
        asked = len(callout.requests)
        outcomes[who] = (await enter(environment, options), len(callout.requests) - asked)
    return outcomes


async def refuse_reload(environment: Environment, edit: Edit, setting: str) -> None:
    """Have the server read another configuration; it says that it cannot change that setting."""
    refusal = f"config reload not supported for {setting}"
    seen = len(environment.server.logged(refusal))
    environment.server.begin_reload(edit)
    await until(
        lambda: len(environment.server.logged(refusal)) > seen,
        PATIENCE_SECONDS,
        f"the server does not reload {setting}",
    )
