"""A service for tests in this process: real files and a real supervisor, and no NATS server to connect to."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from callout.config.loading import load
from callout.config.table import Settings
from callout.keys.reader import FoundKeys
from callout.supervisor import Supervisor
from callout.workspace import Workspace
from tests.minting import Issuer, NatsKey
from workers.keyset import parse_keyset
from workers.logs import Log

MANIFEST = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: checkout, namespace: orders, uid: u-1}\n"


def write(path: Path, text: str | bytes) -> Path:
    """Put a file in place that its owner alone may read, in one step."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(text if isinstance(text, bytes) else text.encode())
    draft.chmod(0o600)
    return draft.rename(path)


def make_variables(folder: Path, **more: str) -> dict[str, str]:
    """Variables for `callout serve` with files in `folder`; at NATS_URL nobody listens."""
    (folder / "serviceaccounts").mkdir()
    write(folder / "serviceaccounts/orders.yaml", MANIFEST)
    with socket.create_server(("127.0.0.1", 0)) as nobody:
        port = nobody.getsockname()[1]
    return {
        "NATS_URL": f"nats://127.0.0.1:{port}",
        "NATS_ACCOUNT": "APP",
        "NATS_SIGNING_KEY_FILE": str(write(folder / "signing.nk", NatsKey.generate("account").seed)),
        "NATS_WORKERS": "1",
        "JWKS_PATH": str(write(folder / "jwks.json", make_key_set())),
        "JWT_ISSUER": "https://issuer.example",
        "SERVICEACCOUNTS_PATH": str(folder / "serviceaccounts"),
        "HTTP_HOST": "127.0.0.1",
        "PORT": "0",
    } | more


def make_settings(folder: Path, **more: str) -> Settings:
    """The settings that these variables give."""
    settings, _ = load(make_variables(folder, **more))
    return settings


def make_key_set() -> bytes:
    """A key set with one key."""
    return msgspec.json.encode({"keys": [Issuer.generate("ES256").jwk()]})


def find_keys() -> FoundKeys:
    """A key set as the reader finds it."""
    document = make_key_set()
    return FoundKeys(document, parse_keyset(document), ("https://issuer.example",), None)


class IdleService:
    """A supervisor that a test runs, or drives by hand.

    Attributes:
        settings: its settings.
        supervisor: the supervisor.
    """

    def __init__(self, settings: Settings, supervisor: Supervisor, log_file: Path) -> None:
        self.settings = settings
        self.supervisor = supervisor
        self._log_file = log_file

    def lines(self, event: str) -> list[dict[str, Any]]:
        """What was logged of that so far."""
        decoded = [msgspec.json.decode(line) for line in self._log_file.read_bytes().split(b"\n")[:-1]]
        return [line for line in decoded if line["event"] == event]


@contextmanager
def idle_service(folder: Path, start_patience_s: float = 60.0, **more: str) -> Iterator[IdleService]:
    """Make a service in `folder`; nothing of it runs."""
    settings = make_settings(folder, **more)
    descriptor = os.open(folder / "log", os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
    log = Log("supervisor", "debug", descriptor)
    with Workspace(None) as workspace:
        yield IdleService(settings, Supervisor(settings, workspace, log, start_patience_s), folder / "log")
    log.close()
    os.close(descriptor)
