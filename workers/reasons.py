"""Why a login was refused: a closed set, at once metric label, log field, error text and row of the documentation.

The client learns none of this. nats-server logs the error text; the operator finds the same reason, with the same id,
in our log.
"""

from enum import StrEnum
from typing import Final, Self


class Explained(StrEnum):
    """A member of a closed set; its value is the name that logs and metrics use.

    Attributes:
        meaning: what was found, in one sentence.
        remedy: what can be done about it.
    """

    meaning: str
    remedy: str

    def __new__(cls, value: str, meaning: str, remedy: str) -> Self:
        """Make a member of three strings, of which the first is its value."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        member.remedy = remedy
        return member


class Reason(Explained):
    """Why a login was refused; the remedy is the operator's."""

    # The request: what nats-server sent, or somebody who pretends to be one.
    REQUEST_MALFORMED = (
        "request_malformed",
        "The message is no authorization request that could be decoded, so there is nobody to answer.",
        "Something other than nats-server publishes to $SYS.REQ.USER.AUTH: find out who has rights in that account.",
    )
    REQUEST_UNREADABLE = (
        "request_unreadable",
        "The request is sealed, and not for the key we hold, or we hold none.",
        "Set NATS_XKEY_FILE to the seed whose public key the server's auth_callout section names as xkey.",
    )
    REQUEST_EXPIRED = (
        "request_expired",
        "The server has stopped waiting for this answer.",
        "Overload, or clocks apart: add workers or replicas; compare the clocks of both machines.",
    )
    REQUEST_OVERFLOW = (
        "request_overflow",
        "More requests were waiting than can be answered in time.",
        "Add workers (NATS_WORKERS) or replicas.",
    )
    REQUEST_NOT_SEALED = (
        "request_not_sealed",
        "NATS_XKEY_FILE is set, and the request came in the clear.",
        "Name the public key of NATS_XKEY_FILE as xkey in the server's auth_callout section.",
    )
    REQUEST_XKEY = (
        "request_xkey",
        "The server's curve key in the message's header is not the one in the request.",
        "Somebody changes messages on the way, or forges them: find out who has rights in the callout's account.",
    )
    REQUEST_SIGNATURE = (
        "request_signature",
        "The request was not signed by the server that it names.",
        "Somebody forges requests: find out who has rights in the callout's account.",
    )
    REQUEST_ISSUER = (
        "request_issuer",
        "The request's issuer is not a server's key, or not that of the server it names.",
        "Somebody forges requests: find out who has rights in the callout's account.",
    )
    REQUEST_AUDIENCE = (
        "request_audience",
        "The request is not addressed to an auth callout.",
        "Somebody forges requests: find out who has rights in the callout's account.",
    )
    REQUEST_SUBJECT = (
        "request_subject",
        "The request is meant for another issuer or account than ours.",
        (
            "Server mode: auth_callout.issuer must be the public key of NATS_SIGNING_KEY_FILE. "
            "Operator mode: NATS_USER_CREDS_FILE must belong to the account with the authorization section."
        ),
    )
    REQUEST_VERSION = (
        "request_version",
        "The request is of a type or version that this program does not know.",
        "Compare the version of nats-server with the list of those supported.",
    )
    REQUEST_LEAFNODE = (
        "request_leafnode",
        "It is a leafnode that wants to log in, and not a client.",
        (
            "Give leafnodes credentials of their own, past the callout, and on nats-server 2.14 or later: "
            "2.10 does not check what any leafnode publishes."
        ),
    )
    # The token: what the client presented.
    TOKEN_MISSING = (
        "token_missing",
        "The client presented no token.",
        "The client has to send its ServiceAccount token as auth token or password.",
    )
    TOKEN_TOO_LONG = (
        "token_too_long",
        "The token is longer than any that a server would have let through.",
        "Use a projected ServiceAccount token; nats-server takes at most 4,096 bytes of CONNECT.",
    )
    TOKEN_MALFORMED = (
        "token_malformed",
        "What the client presented is not a JWT.",
        "The client has to send the content of the projected token's file, and nothing else.",
    )
    TOKEN_LEGACY = (
        "token_legacy",
        "The token is a legacy one from a Secret: it never expires and is meant for nobody in particular.",
        "Mount a projected token (serviceAccountToken) with the audience of JWT_AUDIENCE.",
    )
    TOKEN_ALGORITHM = (
        "token_algorithm",
        "The token's algorithm is not one that the key it names may be used with.",
        "If the cluster is known to use that algorithm it is not supported; otherwise the token is forged.",
    )
    TOKEN_UNKNOWN_KEY = (
        "token_unknown_key",
        "The token names a key that is not in the key set.",
        "Just after a rotation this mends itself; otherwise the token is of another cluster: compare JWKS_URL.",
    )
    TOKEN_ISSUER = (
        "token_issuer",
        "The token's issuer is none of those configured.",
        "Compare JWT_ISSUER with the issuer in /.well-known/openid-configuration of the API server.",
    )
    TOKEN_AUDIENCE = (
        "token_audience",
        "The token is not meant for us.",
        "Project the token with an audience that JWT_AUDIENCE names.",
    )
    TOKEN_NO_EXPIRY = (
        "token_no_expiry",
        "The token never expires.",
        "Mount a projected token (serviceAccountToken); tokens without exp are refused.",
    )
    TOKEN_EXPIRED = (
        "token_expired",
        "The token has expired.",
        "The client has to read the token's file anew when it reconnects: the kubelet renews it at 80 % of its life.",
    )
    TOKEN_NOT_YET_VALID = (
        "token_not_yet_valid",
        "The token will become valid, or was issued, in the future.",
        "Compare the clock of this machine with the API server's.",
    )
    TOKEN_CLAIMS = (
        "token_claims",
        "The token does not say which ServiceAccount it belongs to, or contradicts itself.",
        "Use a token that the API server made for a ServiceAccount.",
    )
    TOKEN_SIGNATURE = (
        "token_signature",
        "The token was not signed with the key that it names.",
        "The token is forged, or damaged: find out where the client took it from.",
    )
    # The ServiceAccount: what the cluster says now.
    SERVICEACCOUNT_UNKNOWN = (
        "serviceaccount_unknown",
        "There is no such ServiceAccount.",
        "It was deleted, its name is misspelt, or K8S_NAMESPACE leaves its namespace out.",
    )
    SERVICEACCOUNT_RECREATED = (
        "serviceaccount_recreated",
        "The ServiceAccount was made again since the token was issued.",
        (
            "Restart the client's pod, so that it gets a token of the new ServiceAccount. "
            "With SERVICEACCOUNTS_PATH the YAML needs the uid that the cluster gave it, as metadata.uid."
        ),
    )
    # Ourselves.
    INTERNAL_ERROR = (
        "internal_error",
        "The decision failed in a way that should not exist.",
        "Please report the log line, which holds the traceback and no secret.",
    )


# Requests that get no answer: there is nobody to answer, or no time to do it. All others get an error reply.
DROP_REASONS: Final = frozenset(
    {
        Reason.REQUEST_MALFORMED,
        Reason.REQUEST_UNREADABLE,
        Reason.REQUEST_EXPIRED,
        Reason.REQUEST_OVERFLOW,
        Reason.INTERNAL_ERROR,
    }
)

# Refusals that no client can bring about: nats-server writes that part of a request. Something is set up otherwise than
# the server is, or somebody forges. (What is sealed for another key, or no request at all, is dropped.)
SETUP_REASONS: Final = frozenset(
    {
        Reason.REQUEST_NOT_SEALED,
        Reason.REQUEST_XKEY,
        Reason.REQUEST_SIGNATURE,
        Reason.REQUEST_ISSUER,
        Reason.REQUEST_AUDIENCE,
        Reason.REQUEST_SUBJECT,
        Reason.REQUEST_VERSION,
    }
)
