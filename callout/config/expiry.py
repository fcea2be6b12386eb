"""When what the service logs in to NATS with comes to its end.

Seeds do not, nor do user JWTs without `exp`. JWTs of accounts and operators may, but the server alone has them.

Rules kept here:
- No judgement: a moment is returned, and whether that is soon is for the rules of k8s/monitoring to say.
- What cannot be read has no end here. Whether the files can be used is the matter of `callout.config.file_checks`.
"""

from enum import StrEnum
from pathlib import Path

from cryptography import x509

from callout.config.credentials import CredentialError, read_user_credentials
from callout.config.table import Settings
from callout.files import MAX_WATCHED_BYTES, read_bounded


class Credential(StrEnum):
    """What may come to its end; its value is the name that the metric uses."""

    USER_JWT = "user_jwt"  # in NATS_USER_CREDS_FILE
    CLIENT_CERTIFICATE = "client_certificate"  # in NATS_TLS_CERT_FILE


def find_ends(settings: Settings) -> dict[Credential, float]:
    """Return when each of them ends, in Unix seconds; nothing for one that is not used or does not end."""
    ends = {
        Credential.USER_JWT: _end_of_user(settings.nats_user_creds_file),
        Credential.CLIENT_CERTIFICATE: _end_of_certificates(settings.nats_tls_cert_file),
    }
    return {credential: end for credential, end in ends.items() if end is not None}


def _end_of_user(path: Path | None) -> float | None:
    try:
        return None if path is None else read_user_credentials(path).expires_at or None
    except CredentialError:
        return None


def _end_of_certificates(path: Path | None) -> float | None:
    """Return the earliest end in a chain: it is no better than its weakest link."""
    if path is None:
        return None
    try:
        chain = x509.load_pem_x509_certificates(read_bounded(path, MAX_WATCHED_BYTES))
    except (OSError, ValueError):
        return None
    return min(certificate.not_valid_after_utc.timestamp() for certificate in chain)
