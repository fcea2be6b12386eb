"""Valid settings, to which a test adds the files that it is about."""

from pathlib import Path

from callout.config.loading import load
from callout.config.table import Settings
from tests.nats_minting import NatsKey


def write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """Write a file that nobody else may read."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


def make_settings(folder: Path) -> Settings:
    """Settings of a pod with the one file that there has to be."""
    key = write(folder / "signing.key", NatsKey.generate("account").seed)
    return load({"NATS_ACCOUNT": "APP", "NATS_SIGNING_KEY_FILE": str(key), "KUBERNETES_SERVICE_HOST": "10.0.0.1"})[0]
