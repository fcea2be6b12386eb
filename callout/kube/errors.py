"""What can go wrong between this service and the API server, each in one line that says what to do.

    KubeError
    ├── ConfigurationError      no kubeconfig, not in a cluster, or either unusable
    ├── StatusError             the API server answered, with another status than 200
    │   ├── UnauthorizedError   401
    │   ├── ForbiddenError      403; names what is not allowed and the RBAC rule to add
    │   └── NotFoundError       404 in the API server's own form; from anybody else it says nothing of what there is
    └── NoAnswerError           no connection, or one that failed before the answer was whole

None of them ends the service: whoever asks again later may well be answered. No message holds a token, nor anything
that the other side has sent apart from its status.
"""

import http

import msgspec


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
    """The API server says that there is no such thing."""


class NoAnswerError(KubeError):
    """The API server did not answer, or not to the end; the text is that of a `callout.fetch_errors.FetchError`."""


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


def refuse(status: int, purpose: Purpose, address: str = "the server", *, is_known: bool = False) -> StatusError:
    """Turn an HTTP status other than 200 into the error that explains it.

    Args:
        status: what was answered.
        purpose: what was attempted.
        address: that of the API server, as it is configured.
        is_known: whether the API server itself says so: with a `Status`, and not as any HTTP server may.
    """
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
        if is_known:
            return NotFoundError(f"asked to {action}, {address} says that there is no such thing (404)", status)
        what = f"asked to {action}, {address} answers that there is no such page (404)"
        return StatusError(f"{what}: see that this is the address of the API server", status)
    if http.HTTPStatus(300) <= status < http.HTTPStatus.BAD_REQUEST:
        return StatusError(f"asked to {action}, {address} redirects ({status}): set the address it leads to", status)
    return StatusError(f"{address} answered with status {status} when asked to {action}", status)
