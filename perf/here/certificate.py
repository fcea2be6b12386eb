"""A certificate for the loopback address, which a set-up that is started here shows to its clients.

ECDSA with P-256: to sign with it costs nats-server a fraction of what RSA does, for each connection anew.
"""

import datetime as dt
import ipaddress
from pathlib import Path
from typing import Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from callout.demo.config import write_private
from callout.secret import Secret

HOST: Final = "127.0.0.1"
_BEFORE: Final = dt.timedelta(hours=1)
_AFTER: Final = dt.timedelta(days=32)  # longer than the longest soak


class Certificate(msgspec.Struct, frozen=True):
    """Paths of the certificate, which clients trust, and of its key, which the server has."""

    certificate: Path
    key: Path


def make_certificate(folder: Path) -> Certificate:
    """Make one, signed by its own key, in a private folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = dt.datetime.now(dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BEFORE)
        .not_valid_after(now + _AFTER)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(HOST))]), critical=False)
        .sign(key, SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return Certificate(
        Path(write_private(folder / "tls.pem", Secret(certificate.public_bytes(Encoding.PEM).decode()))),
        Path(write_private(folder / "tls.key", Secret(private))),
    )
