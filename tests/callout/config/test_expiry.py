"""callout.config.expiry: when what the service logs in to NATS with ends."""

import datetime as dt
from pathlib import Path

import msgspec
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from callout.config.expiry import Credential, find_ends
from callout.config.table import Settings
from tests.callout.config.samples import POD, read
from tests.nats_minting import NatsKey, creds, encode_nats_jwt

ACCOUNT = NatsKey.generate("account")
USER = NatsKey.generate("user")
EARLY, LATE = 1_900_000_000, 2_000_000_000


def settings_with(*, user: Path | None = None, certificate: Path | None = None) -> Settings:
    """Settings that name these files."""
    return msgspec.structs.replace(read(POD), nats_user_creds_file=user, nats_tls_cert_file=certificate)


def write_user(path: Path, **members: int) -> Path:
    """Write credentials of a user whose JWT has these claims besides those that it must have."""
    claims = {"sub": USER.public, "iss": ACCOUNT.public, "nats": {"type": "user", "version": 2}, **members}
    path.write_text(creds(encode_nats_jwt(claims, ACCOUNT), USER.seed))
    return path


def make_certificate(end: int) -> bytes:
    """Make a self-signed certificate, in PEM form."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "client")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(dt.datetime(2026, 1, 1, tzinfo=dt.UTC))
    builder = builder.not_valid_after(dt.datetime.fromtimestamp(end, dt.UTC))
    return builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


@pytest.mark.parametrize(
    ("members", "expected"), [({}, {}), ({"exp": 0}, {}), ({"exp": EARLY}, {Credential.USER_JWT: EARLY})]
)
def test_a_user_ends_when_its_jwt_says_so(tmp_path: Path, members: dict[str, int], expected: object) -> None:
    """One without an end, or with 0 as nats-server reads it, is left out."""
    assert expected == find_ends(settings_with(user=write_user(tmp_path / "user.creds", **members)))


@pytest.mark.parametrize("ends", [(EARLY,), (EARLY, LATE), (LATE, EARLY)])
def test_a_chain_of_certificates_ends_with_the_first_of_them(tmp_path: Path, ends: tuple[int, ...]) -> None:
    """A server refuses the client's certificate as soon as one above it has ended."""
    path = tmp_path / "client.crt"
    path.write_bytes(b"".join(make_certificate(end) for end in ends))
    assert {Credential.CLIENT_CERTIFICATE: EARLY} == find_ends(settings_with(certificate=path))


def test_what_is_not_used_has_no_end() -> None:
    """A service that logs in with a password has nothing to renew in time."""
    assert {} == find_ends(settings_with())


@pytest.mark.parametrize("content", [None, b"", b"garbage", b"-----BEGIN CERTIFICATE-----\nAAAA\n"])
def test_what_cannot_be_read_has_no_end(tmp_path: Path, content: bytes | None) -> None:
    """It is refused where files are checked; here it must not take the other's end with it."""
    path = tmp_path / "broken"
    if content is not None:
        path.write_bytes(content)
    user = write_user(tmp_path / "user.creds", exp=EARLY)
    assert {Credential.USER_JWT: EARLY} == find_ends(settings_with(user=user, certificate=path))
    assert {} == find_ends(settings_with(user=path))
