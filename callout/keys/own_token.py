"""What the token that our own pod has been given tells of the cluster: who issues tokens there, and for whom.

A pod's token is issued by this cluster's API server, and is for the API server unless it was asked for somebody else:
its audiences are then all of `--api-audiences`, which nothing else tells (kube-apiserver's `pkg/serviceaccount`).

Rules kept here:
- Pure. Nothing is decided on what it says, since nobody has verified it here: it is what warnings stand on.
- A token that says nothing, or nothing that can be shown, is no error: not every client has one that is a JWT.
"""

import msgspec

from callout.keys.rules import MAX_ISSUER_LENGTH
from workers.claims import decode_token
from workers.jose import decode_segment, split
from workers.sa_token import LEGACY_ISSUER


class OwnToken(msgspec.Struct, frozen=True):
    """What it says.

    Attributes:
        issuer: who has issued it; empty if that is not known.
        audiences: whom it is for.
    """

    issuer: str = ""
    audiences: tuple[str, ...] = ()


def read_own_token(token: str) -> OwnToken:
    """Read what a token says of itself; one of the old kind, from a Secret, names neither its cluster nor anybody."""
    compact = split(token.encode("utf-8", "replace"))
    if compact is None:
        return OwnToken()
    try:
        claims = decode_token(decode_segment(compact.payload))
    except (ValueError, RecursionError):  # msgspec's errors are among the first; the second is for depth
        return OwnToken()
    if claims.iss == LEGACY_ISSUER:
        return OwnToken()
    audiences = (claims.aud,) if isinstance(claims.aud, str) else tuple(claims.aud)
    return OwnToken(claims.iss if _can_be_shown(claims.iss) else "", tuple(filter(_can_be_shown, audiences)))


def _can_be_shown(name: str) -> bool:
    return 0 < len(name) <= MAX_ISSUER_LENGTH and name.isprintable()
