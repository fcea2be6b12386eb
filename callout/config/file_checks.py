"""Looking at the service's own files before anything starts: keys, credentials, certificates, the snapshot's folder.

A wrong file found here is one line with the variable's name; found later it would be a worker that dies, in the night,
when a key is rotated. Which settings name files, and of what kind, stands in `callout.config.table`. Files that others
fill, with keys and ServiceAccounts, are read by `callout.preflight.inputs`.
"""

import os
import ssl
import stat
from collections.abc import Iterator
from pathlib import Path

from callout.config.credentials import CredentialError, UnreadableError, read_seed, read_user_credentials
from callout.config.loading import ConfigError
from callout.config.table import Settings, list_files
from callout.config.values import CREDENTIALS_FILE
from callout.files import locate, reason_of

_READABLE = "give a file that is there and that this user may read"


def check_own_files(settings: Settings) -> list[str]:
    """Find what is wrong with the service's own files and its folder, a line each."""
    return [*_check_keys(settings), *_check_tls(settings), *_check_snapshot(settings)]


def check_worker_files(settings: Settings) -> None:
    """Check only what workers are started with: keys, credentials, certificates.

    Raises:
        ConfigError: a file is missing, cannot be read, or holds something else than it should.
    """
    problems = [*_check_keys(settings), *_check_tls(settings)]
    if problems:
        raise ConfigError(*problems)


def _check_keys(settings: Settings) -> Iterator[str]:
    """Check that each seed is there and of the right kind."""
    for setting, file, path in list_files(settings):
        try:
            if file.seed is not None:
                read_seed(path, file.seed)
            elif setting.form is CREDENTIALS_FILE:
                read_user_credentials(path)
        except UnreadableError as error:
            yield f"{setting.name}: {error}; give {setting.form.gives}, which this user may read"
        except CredentialError as error:
            yield f"{setting.name}: {error}"


def _check_tls(settings: Settings) -> Iterator[str]:
    """Check that the certificates can be loaded, and that the private key belongs to its certificate."""
    context = ssl.create_default_context()
    authority, certificate, key = settings.nats_tls_ca_file, settings.nats_tls_cert_file, settings.nats_tls_key_file
    if authority is not None:
        try:
            context.load_verify_locations(authority)
        except OSError as error:  # an SSLError is one, too; its text names a place in OpenSSL and helps nobody
            yield f"NATS_TLS_CA_FILE: {locate(authority)} {_say_tls(error, 'no certificate in PEM form')}"
    if certificate is not None and key is not None:
        try:
            # An empty passphrase keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(certificate, key, password="")
        except OSError as error:
            where = f"{locate(certificate)}, or {locate(key)} in NATS_TLS_KEY_FILE,"
            missing = "no certificate and its key, unencrypted, in PEM form"
            yield f"NATS_TLS_CERT_FILE: {where} {_say_tls(error, missing)}"


def _say_tls(error: OSError, missing: str) -> str:
    return f"holds {missing}" if isinstance(error, ssl.SSLError) else f"cannot be read: {reason_of(error)}; {_READABLE}"


def _check_snapshot(settings: Settings) -> Iterator[str]:
    folder = settings.snapshot_dir
    if folder is None:
        return
    try:
        is_link = folder.is_symlink()
        mode = _maybe_read_mode(folder)
        above = folder.parent.is_dir()
    except OSError as error:
        remedy = "give a folder in memory (tmpfs) that this user may write to"
        yield f"SNAPSHOT_DIR: {folder} cannot be used: {reason_of(error)}; {remedy}"
        return
    if is_link:
        yield f"SNAPSHOT_DIR: {folder} is a link, which others may have made; give the path of the folder itself"
    elif mode is None and not above:
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
