"""What a worker is told, made from the service's settings; and the files that, changed, need a new worker."""

from pathlib import Path

from callout.config.credentials import read_seed, read_user_credentials
from callout.config.nats_url import split
from callout.config.table import Settings, list_files
from callout.workspace import Workspace
from workers.nkeys import Kind
from workers.settings import WorkerSettings
from workers.user_jwt import Mode


def worker_files(settings: Settings) -> list[Path]:
    """Return the files that workers read at their start: keys, credentials, certificates."""
    return [path for _, file, path in list_files(settings) if file.for_workers]


def make_worker_settings(settings: Settings, workspace: Workspace) -> WorkerSettings:
    """Make what all workers are told; number and files of its own are filled in for each.

    Raises:
        CredentialError: a key or credentials file is unusable.
    """
    servers = split(settings.nats_url)
    token = settings.nats_token or servers.token
    signing_key = read_seed(settings.nats_signing_key_file, Kind.ACCOUNT)
    # In server mode requests are addressed to the configured issuer, whose seed signs. In operator mode to the account
    # of the service's own user: the seed may be a signing key of it, which does not tell whose it is.
    callout_account = signing_key.public
    user = None
    if settings.nats_user_creds_file is not None:
        user = read_user_credentials(settings.nats_user_creds_file)
        if settings.nats_mode is Mode.OPERATOR:
            callout_account = user.account
    return WorkerSettings(
        worker=0,
        metrics_id=0,
        status_file="",
        snapshot_dir=str(workspace.snapshot),
        metrics_dir=str(workspace.metrics),
        log_level=settings.log_level,
        servers=servers.urls,
        mode=settings.nats_mode,
        callout_account=callout_account,
        signing_seed=signing_key.encode_seed(),
        user_ttl=settings.nats_user_ttl,
        user_ttl_jitter=settings.nats_user_ttl_jitter,
        user_name=settings.nats_user_name,
        drain_timeout=settings.drain_timeout,
        user=servers.user or "",
        password=servers.password.reveal() if servers.password else "",
        token=token.reveal() if token else "",
        user_jwt=user.jwt.reveal() if user else "",
        user_seed=user.key.encode_seed() if user else "",
        account_signing_seed=_seed(settings.nats_account_signing_key_file, Kind.ACCOUNT),
        xkey_seed=_seed(settings.nats_xkey_file, Kind.CURVE),
        tls_ca_file=_text(settings.nats_tls_ca_file),
        tls_cert_file=_text(settings.nats_tls_cert_file),
        tls_key_file=_text(settings.nats_tls_key_file),
    )


def _seed(path: Path | None, kind: Kind) -> str:
    return "" if path is None else read_seed(path, kind).encode_seed()


def _text(path: Path | None) -> str:
    return "" if path is None else str(path.absolute())
