"""Certificate authorities for the tests: as many as a test wants, made in a millisecond."""

import datetime as dt
import ipaddress
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

DAY = dt.timedelta(days=1)


class Authority:
    """A CA that gives one server certificate, for loopback addresses and the given names.

    Args:
        directory: an existing folder for its files; two authorities need two names or two folders.
        name: the CA's name, and how its files begin.
        hosts: DNS names in the certificate besides `localhost`.
    """

    def __init__(self, directory: Path, name: str = "cluster", hosts: tuple[str, ...] = ()) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self.ca_file = directory / f"{name}-ca.crt"
        self.ca_file.write_bytes(self._issue(self._name, self._key, ()).public_bytes(serialization.Encoding.PEM))
        self.chain_file = directory / f"{name}-server.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"{name} server")])
        certificate = self._issue(subject, key, ("localhost", *hosts))
        self.chain_file.write_bytes(_private_pem(key) + certificate.public_bytes(serialization.Encoding.PEM))

    def server_context(self) -> ssl.SSLContext:
        """Return what a TLS server with this certificate needs."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain_file)
        return context

    def _issue(self, subject: x509.Name, key: ec.EllipticCurvePrivateKey, hosts: tuple[str, ...]) -> x509.Certificate:
        now = dt.datetime.now(dt.UTC)
        own = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
        authority = x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(x509.BasicConstraints(ca=not hosts, path_length=None), critical=True)
            .add_extension(own, critical=False)
            .add_extension(authority, critical=False)
        )
        if hosts:
            loopback = [x509.IPAddress(ipaddress.ip_address(address)) for address in ("127.0.0.1", "::1")]
            names = x509.SubjectAlternativeName([*map(x509.DNSName, hosts), *loopback])
            builder = builder.add_extension(names, critical=False)
        return builder.sign(self._key, hashes.SHA256())


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
