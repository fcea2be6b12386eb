"""The service's own files are looked at before anything starts: keys, credentials, certificates, the snapshot."""

import datetime as dt
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from callout.config.file_checks import check_own_files, check_worker_files
from callout.config.loading import ConfigError, load
from callout.config.table import Settings
from tests.nats_minting import CurveKey, NatsKey, creds, user_jwt

ACCOUNT = NatsKey.generate("account")
USER = NatsKey.generate("user")
CREDS = creds(user_jwt(USER.public, ACCOUNT), USER.seed)


def write(path: Path, content: str | bytes, mode: int = 0o600) -> Path:
    """Write a file that nobody else may read."""
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    path.chmod(mode)
    return path


@pytest.fixture
def valid(tmp_path: Path) -> Settings:
    """Settings with nothing but the file that there has to be, and it is right."""
    key = write(tmp_path / "signing.key", ACCOUNT.seed)
    environ = {"NATS_ACCOUNT": "APP", "NATS_SIGNING_KEY_FILE": str(key), "KUBERNETES_SERVICE_HOST": "10.0.0.1"}
    return load(environ)[0]


def refuse(settings: Settings) -> list[str]:
    """Return the lines that the files are refused with; none shows a seed."""
    lines = check_own_files(settings)
    assert all(len(line.splitlines()) == 1 for line in lines)
    assert not any(seed in line for seed in (ACCOUNT.seed, USER.seed) for line in lines)
    return lines


def make_certificate(folder: Path, name: str, passphrase: bytes | None = None) -> tuple[Path, Path]:
    """Make a self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    day = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(day)
        .not_valid_after(day + dt.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    encryption: Any = serialization.NoEncryption()
    if passphrase:
        encryption = serialization.BestAvailableEncryption(passphrase)
    private = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
    public = certificate.public_bytes(serialization.Encoding.PEM)
    return write(folder / f"{name}.crt", public), write(folder / f"{name}.key", private)


def test_right_files_pass(valid: Settings, tmp_path: Path) -> None:
    """Everything at once, and nothing to say about it."""
    certificate, key = make_certificate(tmp_path, "client")
    settings = msgspec.structs.replace(
        valid,
        nats_user_creds_file=write(tmp_path / "user.creds", CREDS),
        nats_account_signing_key_file=write(tmp_path / "account.key", NatsKey.generate("account").seed + "\n"),
        nats_xkey_file=write(tmp_path / "xkey", CurveKey.generate().seed),
        nats_tls_ca_file=certificate,
        nats_tls_cert_file=certificate,
        nats_tls_key_file=key,
        snapshot_dir=tmp_path / "snapshot",
    )
    assert [] == check_own_files(settings)


@pytest.mark.parametrize(
    ("field", "content", "line"),
    [
        ("nats_signing_key_file", USER.seed, "holds the seed of a user (SU…); that of an account (SA…) is needed"),
        ("nats_account_signing_key_file", CREDS, "holds the seed of a user (SU…); that of an account (SA…) is needed"),
        ("nats_xkey_file", ACCOUNT.seed, "holds the seed of an account (SA…); that of an xkey (SX…) is needed"),
        (
            "nats_user_creds_file",
            USER.seed,
            "has no block '-----BEGIN NATS USER JWT-----'; 'nsc generate creds' or 'callout bootstrap' writes",
        ),
        ("nats_tls_ca_file", "hello", "holds no certificate in PEM form"),
        ("nats_tls_ca_file", "", "holds no certificate in PEM form"),
    ],
)
def test_a_file_with_something_else_is_refused(
    valid: Settings, tmp_path: Path, field: str, content: str, line: str
) -> None:
    """The line begins with the variable and the path."""
    path = write(tmp_path / "wrong", content)
    lines = refuse(msgspec.structs.replace(valid, **{field: path}))
    assert len(lines) == 1
    assert lines[0].startswith(f"{field.upper()}: {path} {line}")


@pytest.mark.parametrize(
    "field",
    [
        "nats_signing_key_file",
        "nats_account_signing_key_file",
        "nats_xkey_file",
        "nats_user_creds_file",
        "nats_tls_ca_file",
    ],
)
def test_a_file_that_is_not_there_is_refused(valid: Settings, tmp_path: Path, field: str) -> None:
    """Each of them, by its variable's name, and with what to give instead."""
    path = tmp_path / "nowhere"
    (line,) = refuse(msgspec.structs.replace(valid, **{field: path}))
    assert line.startswith(f"{field.upper()}: {path} cannot be read: no such file or directory; give ")
    assert line.endswith("this user may read")


@pytest.mark.parametrize("field", ["nats_user_creds_file", "nats_signing_key_file", "nats_xkey_file"])
@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo])
def test_a_folder_or_a_pipe_is_no_file(
    valid: Settings, tmp_path: Path, field: str, make: Callable[[Path], None]
) -> None:
    """A pipe would hold its reader up for ever."""
    path = tmp_path / "odd"
    make(path)
    (line,) = refuse(msgspec.structs.replace(valid, **{field: path}))
    assert line.startswith(f"{field.upper()}: {path} cannot be read: not a regular file; give the path of a file ")


def test_a_certificate_needs_its_own_key(valid: Settings, tmp_path: Path) -> None:
    """Two halves of different pairs do not authenticate anybody."""
    certificate, _ = make_certificate(tmp_path, "one")
    _, key = make_certificate(tmp_path, "other")
    lines = refuse(msgspec.structs.replace(valid, nats_tls_cert_file=certificate, nats_tls_key_file=key))
    assert [
        (
            f"NATS_TLS_CERT_FILE: {certificate}, or {key} in NATS_TLS_KEY_FILE, "
            "holds no certificate and its key, unencrypted, in PEM form"
        )
    ] == lines


def test_a_key_with_a_passphrase_is_refused_without_asking(valid: Settings, tmp_path: Path) -> None:
    """There is nobody at the terminal."""
    certificate, key = make_certificate(tmp_path, "client", b"hunter2")
    assert len(refuse(msgspec.structs.replace(valid, nats_tls_cert_file=certificate, nats_tls_key_file=key))) == 1


def test_the_snapshot_needs_a_folder(valid: Settings, tmp_path: Path) -> None:
    """It is made if the one above is there; a file, or nothing above, is refused."""
    file = write(tmp_path / "file", "")
    assert [] == check_own_files(msgspec.structs.replace(valid, snapshot_dir=tmp_path / "new"))
    assert [f"SNAPSHOT_DIR: {file} is no folder; give the path of one in memory, such as /dev/shm/callout"] == refuse(
        msgspec.structs.replace(valid, snapshot_dir=file)
    )
    deep = tmp_path / "a" / "b"
    assert [f"SNAPSHOT_DIR: {deep} is not there, nor is the folder above it; make it first"] == refuse(
        msgspec.structs.replace(valid, snapshot_dir=deep)
    )


@pytest.mark.parametrize("target", ["folder", "nowhere"])
def test_the_snapshot_is_not_behind_a_link(valid: Settings, tmp_path: Path, target: str) -> None:
    """In a place that all users share, any of them may have made it."""
    (tmp_path / "folder").mkdir()
    link = tmp_path / "link"
    link.symlink_to(target)
    assert [
        f"SNAPSHOT_DIR: {link} is a link, which others may have made; give the path of the folder itself"
    ] == refuse(msgspec.structs.replace(valid, snapshot_dir=link))


def test_the_snapshot_in_a_circle_of_links_is_refused(valid: Settings, tmp_path: Path) -> None:
    """Whatever keeps the folder from being looked at is said."""
    circle = tmp_path / "circle"
    circle.symlink_to(circle)
    lines = refuse(msgspec.structs.replace(valid, snapshot_dir=circle))
    assert len(lines) == 1
    assert lines[0].startswith(f"SNAPSHOT_DIR: {circle} cannot be used: ")


def test_workers_are_checked_for_what_they_are_started_with(valid: Settings, tmp_path: Path) -> None:
    """The snapshot's folder has no part in that: it is in use."""
    file = write(tmp_path / "file", "")
    check_worker_files(msgspec.structs.replace(valid, snapshot_dir=file))
    with pytest.raises(ConfigError, match=r"^NATS_XKEY_FILE: .*file is empty; it should hold the seed of an xkey "):
        check_worker_files(msgspec.structs.replace(valid, nats_xkey_file=file))
