"""Tests of `callout.fetch_errors`."""

import ssl

import pytest
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    InvalidHeader,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ReadTimeoutError,
    SSLError,
)

from callout.fetch_errors import FetchError, explain

SECRET = "hunter2"


def caused(error: Exception, cause: BaseException) -> Exception:
    """The error as it is raised `from` its cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (SSLError(ssl.SSLCertVerificationError(1, "x")), "check the CA"),
        (SSLError("x"), "the handshake failed"),
        (ssl.SSLError(1, "x"), "no trusted TLS connection"),
        (NameResolutionError("api", None, None), "no name that can be resolved"),  # type: ignore[arg-type]
        (NewConnectionError(None, "x"), "no connection to api (failed)"),  # type: ignore[arg-type]
        (
            caused(NewConnectionError(None, "x"), ConnectionRefusedError(111, "Connection refused")),  # type: ignore[arg-type]
            "no connection to api (connection refused)",
        ),
        (ConnectTimeoutError(), "does not answer"),
        (ReadTimeoutError(None, None, "x"), "stopped sending"),  # type: ignore[arg-type]
        (ProtocolError(SECRET), "broke (ProtocolError)"),
        (ConnectionResetError(SECRET), "broke (ConnectionResetError)"),
        (InvalidHeader(SECRET), "broke (InvalidHeader)"),
        (HTTPError(SECRET), "broke (HTTPError)"),
        (ValueError(f"Invalid header value {SECRET}"), "an invalid request or answer"),
    ],
)
def test_a_failed_connection_is_explained(error: Exception, words: str) -> None:
    """In one line that names the host, and never with the library's own words, which may quote what was sent."""
    explained = explain(error, "api")
    assert FetchError is type(explained)
    assert words in str(explained)
    assert "api" in str(explained)
    assert SECRET not in str(explained)
    assert "\n" not in str(explained)


def test_openssl_names_the_certificates_fault() -> None:
    """OpenSSL's short reason is safe to show and says more than anything else could."""
    verification = ssl.SSLCertVerificationError(1, "x")
    verification.verify_message = "unable to get local issuer certificate"
    assert "unable to get local issuer certificate; check the CA" in str(explain(SSLError(verification), "api"))
    handshake = ssl.SSLError(1, "x")
    handshake.reason = "WRONG_VERSION_NUMBER"
    assert ": wrong version number; check the CA" in str(explain(SSLError(handshake), "api"))
