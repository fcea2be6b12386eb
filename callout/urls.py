"""What a URL must be before anything is sent to it, and whom it leads to.

Rules kept here:
- TLS always; `http://` is for this machine alone, where nobody stands in between (kubectl proxy, tests).
- Strict form (a subset of RFC 3986): what this module reads and what the HTTP library reads cannot differ, so a token
  meant for one host never goes to another. No user name or password: a URL is printed, a secret is not.
"""

import re
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

# No `@` and no backslash before the path: the authority is a host and perhaps a port, for every reader.
_URL: Final = re.compile(r"(https?)://([a-z0-9.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?(/[!$-\[\]-~]*)?", re.IGNORECASE)
_DEFAULT_PORTS: Final = {"https": 443, "http": 80}
MAX_PORT: Final = 65_535

# The names that cluster DNS gives the API server, and that its certificate carries
# (https://kubernetes.io/docs/setup/best-practices/certificates/, "kube-apiserver").
API_SERVER_NAMES: Final = ("kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local")


class Origin(NamedTuple):
    """Whom a URL leads to (RFC 6454): two URLs with the same origin are answered by the same server."""

    scheme: str
    host: str
    port: int


def parse_origin(url: str) -> Origin:
    """Check a URL and return its origin.

    Raises:
        ValueError: why nothing may be sent there, in words for the operator; the URL itself is not repeated.
    """
    if "@" in url.partition("://")[2].partition("/")[0]:
        raise ValueError("the URL holds a user name or password; leave them out")
    match = _URL.fullmatch(url)
    if match is None or not _is_host(match[2]):
        raise ValueError("this is no URL of the form https://host[:port]/path")
    scheme, host, port, _ = match.groups()
    origin = Origin(scheme.lower(), host.lower(), int(port) if port else _DEFAULT_PORTS[scheme.lower()])
    if not 0 < origin.port <= MAX_PORT:
        raise ValueError(f"the port of the URL is not between 1 and {MAX_PORT}")
    if origin.scheme == "http" and not is_loopback(origin.host):
        raise ValueError("an http:// URL is for loopback addresses alone; use https://")
    return origin


def is_loopback(host: str) -> bool:
    """Tell whether a host is this machine itself."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def is_in_cluster(host: str) -> bool:
    """Tell whether a host is a name that only cluster DNS knows, so that the cluster's CA may vouch for it."""
    return host in API_SERVER_NAMES or host.endswith((".svc", ".svc.cluster.local"))


def _is_host(text: str) -> bool:
    """Tell whether what stands in brackets, if there are any, is an IPv6 address (RFC 3986 section 3.2.2)."""
    if not text.startswith("["):
        return True
    try:
        IPv6Address(text[1:-1])
    except ValueError:
        return False
    return True
