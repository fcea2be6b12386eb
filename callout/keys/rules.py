"""When the key set is to be fetched again, and what counts as a key set.

Sources: RFC 7517 (JWK Set), RFC 9111 section 5.2.2.1 (max-age). kube-apiserver sends `Cache-Control: public,
max-age=3600` and publishes a new key for at least that long before it signs with it: who asks again within max-age
never meets a token whose key is not there yet. No I/O and no clock here; the shells are `callout.keys.reader` and
`callout.keys.source`.
"""

import re
from typing import Final

import msgspec

from callout.backoff import back_off
from workers.keyset import KeySet, parse_keyset

MAX_DOCUMENT_BYTES: Final = 1 << 20  # a key takes 0.2 to 1 KB, and a set of more than 100 keys is not taken
MAX_ISSUER_LENGTH: Final = 2048  # characters; the issuer is a URL

DEFAULT_REFRESH_S: Final = 300.0  # when the answer says nothing about its age
MIN_REFRESH_S: Final = 30.0  # `max-age=0` is no invitation to ask all the time
MAX_REFRESH_S: Final = 3600.0  # a key that was withdrawn is not to be trusted for much longer
FAILURE_FIRST_S: Final = 1.0
FAILURE_MAX_S: Final = 60.0
ASK_INTERVAL_S: Final = 10.0  # anybody can send a token with an unknown `kid`; the API server is not to feel it

# How kube-apiserver's own audience is called where it is not the issuer, as on managed clusters; k3s and RKE2 give it
# their own names beside that (k3s `pkg/daemons/control/server.go`).
_API_SERVER: Final = re.compile(r"(https://)?kubernetes\.default(\.svc(\.[^/:]+)?)?(:[0-9]+)?/?|k3s|rke2", re.ASCII)
_MAX_AGE: Final = re.compile(r'(?:^|,)[ \t]*max-age=(?:"([0-9]+)"|([0-9]+))[ \t]*(?=,|$)', re.IGNORECASE | re.ASCII)
_MAX_AGE_DIGITS: Final = 10  # RFC 9111 section 1.2.2: what is too large to handle counts as 2^31


def next_refresh(max_age_s: float | None, failures: int, draw: float) -> float:
    """Return the seconds until the key set is fetched again.

    After a success that is 50 to 90 % of max-age, so that there is time for more attempts if one fails, and replicas
    do not ask together. After failures it is sooner, doubling, half of it at random.

    Args:
        max_age_s: how long the last answer stays fresh, in seconds, or None if it did not say.
        failures: attempts since that did not succeed.
        draw: random, 0 <= draw < 1.
    """
    fresh_s = DEFAULT_REFRESH_S if max_age_s is None else max_age_s
    regular = min(max(fresh_s * (0.5 + 0.4 * draw), MIN_REFRESH_S), MAX_REFRESH_S)
    if not failures:
        return regular
    return min(regular, back_off(failures, draw, first_s=FAILURE_FIRST_S, limit_s=FAILURE_MAX_S))


def lifetime(max_age_s: float | None) -> float:
    """Return for how many seconds a key set counts as fresh: max-age, within the limits that we keep when refreshing.

    Args:
        max_age_s: as for `next_refresh`.
    """
    return min(max(DEFAULT_REFRESH_S if max_age_s is None else max_age_s, MIN_REFRESH_S), MAX_REFRESH_S)


def parse_max_age(cache_control: str | None) -> float | None:
    """Return max-age from a Cache-Control header, in seconds; None if there is none."""
    found = _MAX_AGE.search(cache_control or "")
    if found is None:
        return None
    digits = found[1] or found[2]
    return float(digits) if len(digits) <= _MAX_AGE_DIGITS else float(2**31)


def check_document(document: bytes) -> KeySet:
    """Read a JWK Set as the workers will.

    Raises:
        ValueError: it cannot be used, and why, on one line.
    """
    if len(document) > MAX_DOCUMENT_BYTES:
        raise ValueError(f"the key set is larger than {MAX_DOCUMENT_BYTES} bytes")
    return parse_keyset(document)


def read_issuer(document: bytes) -> str:
    """Return `issuer` from an OpenID provider configuration (OpenID Connect Discovery 1.0, section 3).

    Raises:
        ValueError: there is none, and why, on one line.
    """
    try:
        issuer = msgspec.json.decode(document, type=_ProviderConfiguration).issuer
    except (ValueError, RecursionError):
        raise ValueError("the OpenID configuration is no JSON object with an issuer") from None
    if not 0 < len(issuer) <= MAX_ISSUER_LENGTH or not issuer.isprintable():
        raise ValueError("the issuer in the OpenID configuration is empty, too long or not printable")
    return issuer


def find_api_audiences(
    audiences: tuple[str, ...], issuers: tuple[str, ...], own: tuple[str, ...] = ()
) -> tuple[str, ...]:
    """Return those audiences that are the API server's: the token that each pod has by default is for them.

    Source: kube-apiserver's `--api-audiences`, which is the issuer by default.

    Args:
        audiences: what is looked at.
        issuers: whose tokens are taken.
        own: whom the token that our own pod has is for; it is shown to the API server.
    """
    return tuple(one for one in audiences if one in issuers or one in own or _API_SERVER.fullmatch(one))


def explain_api_audiences(found: tuple[str, ...]) -> str:
    """Say what comes of it, in one clause."""
    return f"{', '.join(found)} is for the API server, so the token that each pod has by default logs in to NATS"


def warn_of_api_audiences(found: tuple[str, ...]) -> str:
    """Write the warning, for those who set JWT_AUDIENCE."""
    return f"JWT_AUDIENCE: {explain_api_audiences(found)}; give a name that is for NATS alone, such as nats"


def warn_of_refused_issuer(refused: str, issuers: tuple[str, ...]) -> str:
    """Write the warning that this cluster's own tokens are refused, for those who set JWT_ISSUER."""
    what = f"JWT_ISSUER: this cluster's tokens are of {refused}, so they are refused; taken are those of"
    return f"{what} {', '.join(issuers)}; name it there if clients of this cluster are to log in"


class _ProviderConfiguration(msgspec.Struct, frozen=True):
    issuer: str
