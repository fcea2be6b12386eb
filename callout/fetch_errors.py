"""What can go wrong on the way to a host and back, each in one line that says what to do.

It names the host. What was sent or received is never in it, nor the HTTP library's own words, which quote both: it may
be a secret.
"""

import ssl

from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NameResolutionError,
    NewConnectionError,
    ReadTimeoutError,
    SSLError,
)

from callout.files import reason_of


class FetchError(Exception):
    """There is no answer, or not a whole one; the text is one line for the operator."""


class TooMuchError(FetchError):
    """The body is larger than it may be."""


def explain(error: Exception, host: str) -> FetchError:
    """Turn an exception of the HTTP library into the error that explains it; `host` is who was asked."""
    if isinstance(error, SSLError | ssl.SSLError):
        reason = _certificate_problem(error)
        return FetchError(
            f"no trusted TLS connection to {host}: {reason}; check the CA certificate and the host's name"
        )
    if isinstance(error, NameResolutionError):  # first: it is a NewConnectionError, which is a ConnectTimeoutError
        return FetchError(f"{host} is no name that can be resolved: check the address and DNS")
    if isinstance(error, NewConnectionError):
        cause = error.__cause__
        reason = reason_of(cause) if isinstance(cause, OSError) else "failed"
        return FetchError(f"no connection to {host} ({reason}): check that it runs and that the address is right")
    if isinstance(error, ConnectTimeoutError):
        return FetchError(f"{host} does not answer: check the address and the network policies on the way")
    if isinstance(error, ReadTimeoutError):
        return FetchError(f"{host} has stopped sending")
    # The library's own words may hold parts of what was received, a header that it would not send included.
    kind = type(error).__name__ if isinstance(error, HTTPError | OSError) else "an invalid request or answer"
    return FetchError(f"the connection to {host} broke ({kind})")


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
