"""What a worker is told, made from the service's settings; and the files that, changed, need a new worker."""


from pathlib import Path

from callout.config import Settings
from callout.credentials import read_seed, read_user_credentials
from callout.nats_url import split
from callout.workspace import Workspace
from workers.nkeys import Kind
from workers.settings import WorkerSettings
from workers.user_jwt import Mode


def worker_files(settings: Settings) -> list[Path]:
    """Return the files that workers read at their start: keys, credentials, certificates."""
    files = (
        settings.nats_signing_key_file,
        settings.nats_account_signing_key_file,
        settings.nats_xkey_file,
        settings.nats_user_creds_file,
        settings.nats_tls_ca_file,
        settings.nats_tls_cert_file,
        settings.nats_tls_key_file,
    )
    return [file for file in files if file is not None]


def make_worker_settings(
    settings: Settings, workspace: Workspace, number: int, metrics_id: int, status_file: Path
) -> WorkerSettings:
    """Make the settings of one worker.

    Raises:
        callout.credentials.CredentialError: a key or credentials file is unusable by now.
    """
    servers = split(settings.nats_url)
    token = settings.nats_token or servers.token
    return WorkerSettings(
        worker=number,
        metrics_id=metrics_id,
        snapshot_dir=str(workspace.snapshot),
        metrics_dir=str(workspace.metrics),
        status_file=str(status_file),
        log_level=settings.log_level,
        servers=servers.urls,
        mode=settings.nats_mode,
        callout_account=find_callout_account(settings),
        signing_key_file=str(settings.nats_signing_key_file),
        user_ttl=settings.nats_user_ttl,
        user_ttl_jitter=settings.nats_user_ttl_jitter,
        user_name=settings.nats_user_name,
        drain_timeout=settings.drain_timeout,
        user=servers.user or "",
        password=servers.password.reveal() if servers.password else "",
        token=token.reveal() if token else "",
        creds_file=_text(settings.nats_user_creds_file),
        account_signing_key_file=_text(settings.nats_account_signing_key_file),
        xkey_file=_text(settings.nats_xkey_file),
        tls_ca_file=_text(settings.nats_tls_ca_file),
        tls_cert_file=_text(settings.nats_tls_cert_file),
        tls_key_file=_text(settings.nats_tls_key_file),
    )


def find_callout_account(settings: Settings) -> str:
    """Return the public key that requests are addressed to.

    In server mode that is the configured issuer, whose seed signs. In operator mode it is the account of the service's
    own user: the seed may be a signing key of that account, which does not tell whose it is; the credentials do.

    Raises:
        callout.credentials.CredentialError: the file that tells is unusable.
    """
    if settings.nats_mode is Mode.OPERATOR and settings.nats_user_creds_file is not None:
        return read_user_credentials(settings.nats_user_creds_file).account
    return read_seed(settings.nats_signing_key_file, Kind.ACCOUNT).public


def _text(path: Path | None) -> str:
    return "" if path is None else str(path.absolute())
