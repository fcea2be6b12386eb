"""Authorization requests that the doctor overhears: what they tell of the server that has sent them.

The doctor listens as the service's own user, in no queue group, while it tries to log in with a token of its own
making: so it sees whether the server asks at all, in whose name, sealed or not, and by which clock.

Rules kept here:
- Pure. Of other clients' requests nothing is kept but whether they were sealed: their tokens are no business of ours.
"""

from typing import Final

import msgspec

from workers.authorize import ID_LENGTH
from workers.jose import decode_segment, split
from workers.nkeys import Kind, looks_public
from workers.xkeys import MAGIC, SealingKey

XKEY_HEADER: Final = "Nats-Server-Xkey"


class Asked(msgspec.Struct, frozen=True):
    """A request.

    Attributes:
        sealed: whether it was sealed.
        readable: whether it could be opened, or was not sealed.
        ours: whether it is about the token that was tried; only a readable one tells.
        issuer: the public key that it is addressed to.
        issued_at: Unix seconds of the server's clock, cut off to whole ones.
        lives: whole seconds until it expires, which is how long the server waits for an answer; 0 if it does not tell.
        at: Unix seconds of ours, when it came.
        request_id: what the service's log calls it; empty if it is not ours.
    """

    sealed: bool
    readable: bool
    at: float
    ours: bool = False
    issuer: str = ""
    issued_at: int = 0
    lives: int = 0
    request_id: str = ""


class _Options(msgspec.Struct):
    auth_token: str = ""


class _Body(msgspec.Struct):
    connect_opts: _Options = msgspec.field(default_factory=_Options)
    user_nkey: str = ""


class _Claims(msgspec.Struct):
    nats: _Body
    sub: str = ""
    iat: int = 0
    exp: int = 0


def read_request(payload: bytes, sender: str, key: SealingKey | None, token: str, at: float) -> Asked:
    """Read a request.

    Args:
        payload: as it came.
        sender: the server's curve key, from the header `Nats-Server-Xkey`; empty if there is none.
        key: our own curve key, if we have one.
        token: what was tried.
        at: Unix seconds.
    """
    sealed = payload.startswith(MAGIC)
    if sealed:
        try:
            payload = key.open(payload, sender) if key else b""
        except ValueError:
            payload = b""
    compact = split(payload)
    if compact is None:
        return Asked(sealed, readable=False, at=at)
    try:
        claims = msgspec.json.decode(decode_segment(compact.payload), type=_Claims)
    except (ValueError, RecursionError):  # msgspec's errors are among the first
        return Asked(sealed, readable=False, at=at)
    if claims.nats.connect_opts.auth_token != token:
        return Asked(sealed, readable=True, at=at)
    issuer = claims.sub if looks_public(claims.sub, Kind.ACCOUNT) else ""
    client = claims.nats.user_nkey if looks_public(claims.nats.user_nkey, Kind.USER) else ""
    return Asked(
        sealed,
        readable=True,
        at=at,
        ours=True,
        issuer=issuer,
        issued_at=claims.iat,
        lives=max(claims.exp - claims.iat, 0),
        request_id=client[:ID_LENGTH],
    )
