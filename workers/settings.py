"""What the supervisor tells a worker: one line of JSON on its standard input.

Not on the command line, which every process may read. Keys and credentials come as their contents, which the supervisor
has checked: a worker never reads a key that somebody is just writing. (Certificates are the exception: the TLS library
takes files, and reads them once, at the start.) The line is written once; the end of the input,
which comes only when the supervisor dies, tells the worker to leave.
"""

import msgspec

from workers.nkeys import KeyPair, Kind, decode_seed
from workers.user_jwt import Mode, Signer
from workers.xkeys import SealingKey


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """A worker's settings; paths are absolute, durations in seconds, what is not used is empty.

    Attributes:
        worker: its number, for logs.
        metrics_id: which of the metrics files is its own; no two living workers share one.
        status_file: its page for the supervisor.
        servers: URLs without user or password.
        user, password, token, user_jwt, user_seed: how to log in.
        callout_account: the public key that requests are addressed to.
        signing_seed: signs the response, and in server mode the user JWT as well.
        account_signing_seed: signs the user JWT in operator mode.
        xkey_seed: opens requests and seals answers.
    """

    worker: int
    metrics_id: int
    status_file: str
    snapshot_dir: str
    metrics_dir: str
    log_level: str
    servers: tuple[str, ...]
    mode: Mode
    callout_account: str
    signing_seed: str
    user_ttl: float
    user_ttl_jitter: float
    user_name: bool
    drain_timeout: float
    user: str = ""
    password: str = ""
    token: str = ""
    user_jwt: str = ""
    user_seed: str = ""
    account_signing_seed: str = ""
    xkey_seed: str = ""
    tls_ca_file: str = ""
    tls_cert_file: str = ""
    tls_key_file: str = ""

    def __repr__(self) -> str:
        return f"WorkerSettings(worker={self.worker})"  # the rest holds secrets


def make_signer(settings: WorkerSettings) -> Signer:
    """Make the signer.

    Raises:
        ValueError: a seed is not that of an account.
    """
    response = _read(settings.signing_seed, Kind.ACCOUNT)
    user = _read(settings.account_signing_seed, Kind.ACCOUNT) if settings.account_signing_seed else response
    return Signer(settings.mode, response, user, settings.callout_account)


def make_sealing_key(settings: WorkerSettings) -> SealingKey | None:
    """Make the key that opens requests, if there is one.

    Raises:
        ValueError: the seed is not that of a curve key.
    """
    return SealingKey(_read(settings.xkey_seed, Kind.CURVE)) if settings.xkey_seed else None


def _read(seed: str, kind: Kind) -> KeyPair:
    key = decode_seed(seed)
    if key.kind is not kind:
        raise ValueError(f"a seed of the kind S{kind} is needed, and one of the kind S{key.kind} was given")
    return key
