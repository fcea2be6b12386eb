"""Looking at every file that the settings name, before anything starts.

A wrong file found here is one line with the variable's name; found later it would be a worker that dies, in the night,
when a key is rotated. What the files mean is checked where they are used; here it is enough that they are there, can
be read, and hold the right kind of key.
"""

import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from callout.config.credentials import CredentialError, is_world_readable, read_seed, read_user_credentials
from callout.config.loading import ConfigError
from callout.config.table import Settings
from callout.files import reason_of
from workers.nkeys import Kind

DEFAULT_KUBECONFIG = "~/.kube/config"


def check_files(settings: Settings) -> list[str]:
    """Check the files; the list holds warnings, a line each.

    Raises:
        ConfigError: a file is missing, cannot be read, or holds something else than it should.
    """
    warnings = [
        f"{name}: {path} may be read by every user of the machine; 'chmod o= {path}' puts it right, or 'defaultMode: "
        "0440' in a pod's volume"
        for name, path in _private_files(settings)
        if not _why_unreadable(path) and is_world_readable(path)
    ]
    problems = [*_check_keys(settings), *_check_tls(settings), *_check_sources(settings), *_check_snapshot(settings)]
    if problems:
        raise ConfigError(*problems, warnings=tuple(warnings))
    return warnings


def check_worker_files(settings: Settings) -> None:
    """Check only what workers are started with: keys, credentials, certificates.

    Raises:
        ConfigError: a file is missing, cannot be read, or holds something else than it should.
    """
    problems = [*_check_keys(settings), *_check_tls(settings)]
    if problems:
        raise ConfigError(*problems)


def _private_files(settings: Settings) -> Iterator[tuple[str, Path]]:
    names = (
        "NATS_USER_CREDS_FILE",
        "NATS_SIGNING_KEY_FILE",
        "NATS_ACCOUNT_SIGNING_KEY_FILE",
        "NATS_XKEY_FILE",
        "NATS_TLS_KEY_FILE",
    )
    for name in names:
        path = getattr(settings, name.lower())
        if path is not None:
            yield name, path


def _check_keys(settings: Settings) -> Iterator[str]:
    """Check that each seed is there and of the right kind."""
    for name, kind in (
        ("NATS_SIGNING_KEY_FILE", Kind.ACCOUNT),
        ("NATS_ACCOUNT_SIGNING_KEY_FILE", Kind.ACCOUNT),
        ("NATS_XKEY_FILE", Kind.CURVE),
    ):
        path = getattr(settings, name.lower())
        if path is not None:
            try:
                read_seed(path, kind)
            except CredentialError as error:
                yield f"{name}: {error}"
    if settings.nats_user_creds_file is not None:
        try:
            read_user_credentials(settings.nats_user_creds_file)
        except CredentialError as error:
            yield f"NATS_USER_CREDS_FILE: {error}"


def _check_tls(settings: Settings) -> Iterator[str]:
    """Check that the certificates can be loaded, and that the private key belongs to its certificate."""
    context = ssl.create_default_context()
    authority, certificate, key = settings.nats_tls_ca_file, settings.nats_tls_cert_file, settings.nats_tls_key_file
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as error:  # an SSLError is one, too; its text names a place in OpenSSL and helps nobody
            yield f"NATS_TLS_CA_FILE: {authority} {_say_tls(error, 'no certificate in PEM form')}"
    if certificate is not None and key is not None:
        try:
            # An empty passphrase keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            where = f"{certificate}, or {key} in NATS_TLS_KEY_FILE,"
            missing = "no certificate and its key, unencrypted, in PEM form"
            yield f"NATS_TLS_CERT_FILE: {where} {_say_tls(error, missing)}"


def _say_tls(error: OSError, missing: str) -> str:
    return f"holds {missing}" if isinstance(error, ssl.SSLError) else f"cannot be read: {reason_of(error)}"


def _check_sources(settings: Settings) -> Iterator[str]:
    """Check where keys, limits and ServiceAccounts are read from."""
    for name in ("JWKS_PATH", "NATS_CEILING_FILE"):
        path = getattr(settings, name.lower())
        if path is not None and (reason := _why_unreadable(path)):
            yield f"{name}: {path} cannot be read: {reason}"
    source = settings.serviceaccounts_path
    if source is not None and (reason := _why_unreadable(source, may_be_folder=True)):
        yield f"SERVICEACCOUNTS_PATH: {source} cannot be read: {reason}"
    if source is None and not settings.k8s_in_cluster:
        yield from _check_kubeconfig(settings.kubeconfig)


def _check_kubeconfig(setting: str | None) -> Iterator[str]:
    """Check that one of the files can be read: as for kubectl, the others of a list need not exist."""
    text = setting or DEFAULT_KUBECONFIG
    try:
        text = setting or str(Path(DEFAULT_KUBECONFIG).expanduser())
        reasons = [_why_unreadable(Path(part)) for part in text.split(os.pathsep) if part]
    except RuntimeError:  # in a container a user may be a mere number
        reasons = ["this user has no home folder"]
    if all(reasons):
        why = reasons[0] if reasons else "it is empty"
        yield (
            f"KUBECONFIG: {text} cannot be read: {why}; it is needed with K8S_IN_CLUSTER=false, unless "
            "SERVICEACCOUNTS_PATH is set"
        )


def _check_snapshot(settings: Settings) -> Iterator[str]:
    folder = settings.snapshot_dir
    if folder is None:
        return
    try:
        mode = _maybe_read_mode(folder)
        above = folder.parent.is_dir()
    except OSError as error:
        remedy = "give a folder in memory (tmpfs) that this user may write to"
        yield f"SNAPSHOT_DIR: {folder} cannot be used: {reason_of(error)}; {remedy}"
        return
    if mode is None and not above:
        yield f"SNAPSHOT_DIR: {folder} is not there, nor is the folder above it; make it first"
    elif mode is not None and not stat.S_ISDIR(mode):
        yield f"SNAPSHOT_DIR: {folder} is no folder; give the path of one in memory, such as /dev/shm/callout"
    elif not os.access(folder.parent if mode is None else folder, os.W_OK | os.X_OK):
        yield f"SNAPSHOT_DIR: {folder} cannot be written to; give a folder that this user may write to"


def _maybe_read_mode(path: Path) -> int | None:
    """Return a file's mode; None if it is not there, and `OSError` if that cannot be told."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        return None


def _why_unreadable(path: Path, *, may_be_folder: bool = False) -> str:
    """Say why a file cannot be read; "" if it can."""
    try:
        mode = path.stat().st_mode
    except OSError as error:
        return reason_of(error)
    if stat.S_ISDIR(mode) and may_be_folder:
        return "" if os.access(path, os.R_OK | os.X_OK) else "permission denied"
    if not stat.S_ISREG(mode):
        return "not a regular file"
    return "" if os.access(path, os.R_OK) else "permission denied"
