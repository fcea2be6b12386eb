"""Tests of `callout.kube.errors`."""

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

from callout.kube.errors import (
    DISCOVERY,
    BrokenError,
    ForbiddenError,
    KubeError,
    NotFoundError,
    StatusError,
    TlsError,
    UnauthorizedError,
    UnreachableError,
    explain,
    purpose_of,
    refuse,
)

SECRET = "hunter2"


def caused(error: Exception, cause: BaseException) -> Exception:
    """The error as it is raised `from` its cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (401, UnauthorizedError, "does not accept our credentials"),
        (403, ForbiddenError, 'resources: ["serviceaccounts"], verbs: ["get", "list", "watch"]'),
        (404, NotFoundError, "check the address"),
        (302, StatusError, "set the address it leads to"),
        (410, StatusError, "status 410"),
        (503, StatusError, "status 503"),
        (204, StatusError, "status 204"),
    ],
)
def test_a_refusal_says_what_to_do(status: int, kind: type[StatusError], words: str) -> None:
    """Each status that an operator can do something about has a line of its own, which names what was attempted."""
    error = refuse(status, purpose_of("list", ""))
    assert (kind, status) == (type(error), error.status)
    assert words in str(error)
    assert "list serviceaccounts in all namespaces" in str(error)
    assert "\n" not in str(error)


def test_forbidden_in_one_namespace_asks_for_a_role_there() -> None:
    """One namespace needs a Role, all of them a ClusterRole."""
    assert "namespace orders (403): bind a Role " in str(refuse(403, purpose_of("watch", "orders")))
    assert "in all namespaces (403): bind a ClusterRole " in str(refuse(403, purpose_of("watch", "")))


def test_a_forbidden_key_set_names_the_role_that_kubernetes_has_for_it() -> None:
    """The discovery role exists in every cluster and is bound to nobody."""
    assert "system:service-account-issuer-discovery" in str(refuse(403, DISCOVERY))


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (SSLError(ssl.SSLCertVerificationError(1, "x")), TlsError, "check the CA"),
        (SSLError("x"), TlsError, "the handshake failed"),
        (ssl.SSLError(1, "x"), TlsError, "no trusted TLS connection"),
        (NameResolutionError("api", None, None), UnreachableError, "no name that can be resolved"),  # type: ignore[arg-type]
        (NewConnectionError(None, "x"), UnreachableError, "no connection to api (failed)"),  # type: ignore[arg-type]
        (
            caused(NewConnectionError(None, "x"), ConnectionRefusedError(111, "Connection refused")),  # type: ignore[arg-type]
            UnreachableError,
            "no connection to api (connection refused)",
        ),
        (ConnectTimeoutError(), UnreachableError, "does not answer"),
        (ReadTimeoutError(None, None, "x"), BrokenError, "stopped sending"),  # type: ignore[arg-type]
        (ProtocolError(SECRET), BrokenError, "broke (ProtocolError)"),
        (ConnectionResetError(SECRET), BrokenError, "broke (ConnectionResetError)"),
        (InvalidHeader(SECRET), BrokenError, "broke (InvalidHeader)"),
        (HTTPError(SECRET), BrokenError, "broke (HTTPError)"),
        (ValueError(f"Invalid header value {SECRET}"), BrokenError, "an invalid request or answer"),
    ],
)
def test_a_failed_connection_is_explained(error: Exception, kind: type[KubeError], words: str) -> None:
    """In one line that names the host, and never with the library's own words, which may quote what was sent."""
    explained = explain(error, "api")
    assert kind is type(explained)
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
