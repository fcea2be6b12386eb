"""What the supervisor tells a worker: one line of JSON on its standard input.

Not on the command line, which every process may read, and not in files, which would have to be removed. The line is
written once; the end of the input that follows it only when the supervisor dies tells the worker to leave.
"""

from pathlib import Path

import msgspec

from workers.nkeys import KeyPair, Kind, decode_seed
from workers.user_jwt import Mode, Signer
from workers.xkeys import SealingKey

MAX_SEED_FILE_SIZE = 4096  # bytes; a seed is 58 characters, nsc writes it with comments around it


class WorkerSettings(msgspec.Struct, frozen=True):
    """A worker's settings; paths are absolute, durations in seconds.

    Attributes:
        worker: its number, for logs.
        metrics_id: which of the metrics files is its own; no two living workers share one.
        servers: URLs without user or password.
        user, password, token, creds_file: how to log in; empty where not used.
        callout_account: the public key that requests are addressed to.
        tls_ca_file, tls_cert_file, tls_key_file: empty where not used.
    """

    worker: int
    metrics_id: int
    snapshot_dir: str
    metrics_dir: str
    status_file: str
    log_level: str
    servers: tuple[str, ...]
    mode: Mode
    callout_account: str
    signing_key_file: str
    user_ttl: float
    user_ttl_jitter: float
    user_name: bool
    drain_timeout: float
    user: str = ""
    password: str = ""
    token: str = ""
    creds_file: str = ""
    account_signing_key_file: str = ""
    xkey_file: str = ""
    tls_ca_file: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""

    def __repr__(self) -> str:
        return f"WorkerSettings(worker={self.worker})"


def read_seed(path: str, kind: Kind) -> KeyPair:
    """Read a seed file.

    Raises:
        ValueError: it holds no seed of that kind; the message names the file and never its content.
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        text = file.read(MAX_SEED_FILE_SIZE)
    for line in text.split():
        try:
            key = decode_seed(line)
        except ValueError:
            continue
        if key.kind is kind:
            return key
    raise ValueError(f"{path} holds no seed of the kind S{kind}…")


def make_signer(settings: WorkerSettings) -> Signer:
    """Read the signing keys.

    Raises:
        ValueError: a file holds no account seed.
        OSError: a file cannot be read.
    """
    envelope = read_seed(settings.signing_key_file, Kind.ACCOUNT)
    user = read_seed(settings.account_signing_key_file, Kind.ACCOUNT) if settings.account_signing_key_file else envelope
    return Signer(settings.mode, envelope, user, settings.callout_account)


def make_sealing_key(settings: WorkerSettings) -> SealingKey | None:
    """Read the curve key, if there is one.

    Raises:
        ValueError: the file holds no curve seed.
        OSError: it cannot be read.
    """
    return SealingKey(read_seed(settings.xkey_file, Kind.CURVE)) if settings.xkey_file else None
