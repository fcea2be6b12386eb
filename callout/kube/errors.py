"""What can go wrong between this service and the API server, each in one line that says what to do.

    KubeError
    ├── ConfigurationError      no kubeconfig, not in a cluster, or either unusable
    ├── StatusError             the API server answered, with another status than 200
    │   ├── UnauthorizedError   401
    │   ├── ForbiddenError      403; names what is not allowed and the RBAC rule to add
    │   └── NotFoundError       404
    ├── TlsError                the server's certificate does not convince us, or ours does not convince it
    ├── UnreachableError        no connection: refused, no such name, no route
    └── BrokenError             a connection that failed on the way, stalled, or sent what it should not

None of them ends the service: whoever asks again later may well be answered. No message holds a token, nor anything
that the other side has sent apart from its status.
"""

import http
import ssl

import msgspec
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from callout.files import reason_of


class KubeError(Exception):
    """The API server cannot be used now; the text is one line for the operator."""


class ConfigurationError(KubeError):
    """It is not known how to reach the API server."""


class StatusError(KubeError):
    """The API server refused.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class UnauthorizedError(StatusError):
    """The API server does not know us."""


class ForbiddenError(StatusError):
    """The API server knows us and does not let us."""


class NotFoundError(StatusError):
    """There is no such thing."""


class TlsError(KubeError):
    """No trusted connection."""


class UnreachableError(KubeError):
    """No connection at all."""


class BrokenError(KubeError):
    """The connection failed after it had been made."""


class Purpose(msgspec.Struct, frozen=True):
    """What a request is for, so that a refusal can say what to do.

    Attributes:
        action: what is attempted, such as "list serviceaccounts".
        remedy: the RBAC rule that allows it.
    """

    action: str
    remedy: str


def purpose_of(verb: str, namespace: str) -> Purpose:
    """Name the purpose of a request for ServiceAccounts; an empty namespace is all of them."""
    kind, where = ("Role", f"namespace {namespace}") if namespace else ("ClusterRole", "all namespaces")
    return Purpose(
        f"{verb} serviceaccounts in {where}",
        f'bind a {kind} with the rule apiGroups: [""], resources: ["serviceaccounts"], verbs: ["get", "list", "watch"]'
        " to this service's own ServiceAccount",
    )


DISCOVERY = Purpose(
    "read the issuer's key set",
    # https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
    "bind the ClusterRole system:service-account-issuer-discovery to this service's own ServiceAccount",
)


def refuse(status: int, purpose: Purpose) -> StatusError:
    """Turn an HTTP status other than 200 into the error that explains it."""
    action = purpose.action
    if status == http.HTTPStatus.UNAUTHORIZED:
        return UnauthorizedError(
            f"the API server does not accept our credentials (401) to {action}:"
            " check that the token has not expired and belongs to this cluster",
            status,
        )
    if status == http.HTTPStatus.FORBIDDEN:
        return ForbiddenError(f"we may not {action} (403): {purpose.remedy}", status)
    if status == http.HTTPStatus.NOT_FOUND:
        return NotFoundError(f"there is nothing to {action} (404): check the address of the API server", status)
    if http.HTTPStatus(300) <= status < http.HTTPStatus.BAD_REQUEST:
        return StatusError(f"asked to {action}, the server redirects ({status}): set the address it leads to", status)
    return StatusError(f"the server answered with status {status} when asked to {action}", status)


def explain(error: Exception, host: str) -> KubeError:
    """Turn an exception of the HTTP library into the error that explains it; `host` is who was asked."""
    if isinstance(error, SSLError | ssl.SSLError):
        reason = _certificate_problem(error)
        return TlsError(f"no trusted TLS connection to {host}: {reason}; check the CA certificate and the host's name")
    if isinstance(error, NameResolutionError):  # first: it is a NewConnectionError, which is a ConnectTimeoutError
        return UnreachableError(f"{host} is no name that can be resolved: check the address and DNS")
    if isinstance(error, NewConnectionError):
        cause = error.__cause__
        reason = reason_of(cause) if isinstance(cause, OSError) else "failed"
        return UnreachableError(f"no connection to {host} ({reason}): check that it runs and that the address is right")
    if isinstance(error, ConnectTimeoutError):
        return UnreachableError(f"{host} does not answer: check the address and the network policies on the way")
    if isinstance(error, ReadTimeoutError):
        return BrokenError(f"{host} has stopped sending")
    # The library's own words may hold parts of what was received, a header that it would not send included.
    kind = type(error).__name__ if isinstance(error, HTTPError | OSError) else "an invalid request or answer"
    return BrokenError(f"the connection to {host} broke ({kind})")


def _certificate_problem(error: BaseException) -> str:
    """Find OpenSSL's own short reason, such as "unable to get local issuer certificate"."""
    seen: BaseException | None = error
    while seen is not None:
        for found in (seen, *seen.args):
            if isinstance(found, ssl.SSLError):  # both attributes are there only if OpenSSL has set them
                reason = getattr(found, "verify_message", None) or getattr(found, "reason", None)
                if reason:
                    return str(reason).replace("_", " ").rstrip(".").lower()
        seen = seen.__cause__ or seen.__context__
    return "the handshake failed"
