"""The decision: from the bytes of an authorization request to the bytes of a signed answer.

Source: nats-server `server/auth_callout.go`; docs/protocol.md tells what each check is for.

Rules kept here:
- No I/O, no clock, no logging: the moment, the draw for the jitter and the snapshot are arguments.
- A request whose time has passed is dropped after its `exp` was read: nobody waits for the answer, and the time is
  better spent on somebody who does.
- Every refusal is a signed answer, at once. Silence is for what cannot be decoded (nobody to answer) or is too late.
- A login ends with its token at the latest: it is never worth more than what it was granted on.
"""

from math import ceil
from typing import Final, Protocol

import msgspec

from workers.claims import RequestClaims, decode_request
from workers.jose import Compact, decode_segment, split
from workers.nkeys import Kind, decode_public, looks_public, verify
from workers.reasons import Reason
from workers.record import Record
from workers.sa_token import LEEWAY_S, Identity, Refusal, TokenVerifier
from workers.user_jwt import Signer, issue_user, respond_allow, respond_deny
from workers.xkeys import MAGIC, SealingKey

AUDIENCE: Final = "nats-authorization-request"
REQUEST_TYPE: Final = "authorization_request"
CLAIMS_VERSION: Final = 2
LEAFNODE: Final = "Leafnode"  # nats-server's client.go, `kindString`
_CLIENTS: Final = ("Client", "")  # over MQTT and WebSockets, too; the kind may be left out (nats-io/jwt: `omitempty`)
MAX_REQUEST_SIZE: Final = 64 << 10  # bytes; CONNECT has at most 4 KiB, and a TLS client's certificates come on top
MAX_SERVERS: Final = 1024  # servers' keys kept, decoded; a supercluster has some hundred
# `exp` is in whole seconds, cut off: a request with 1.9 s left may say it has 1. Until the next second it may be alive.
_EXP_GRANULARITY_S: Final = 1
ID_LENGTH: Final = 12  # characters of base32 from the client's fresh key: 60 bits, of which the first 8 are fixed


class Allow(msgspec.Struct, frozen=True, gc=False):
    """The client may come in.

    Attributes:
        answer: signed, sealed if the server asked in sealed form.
        request_id: short, and also the user JWT's `jti`.
        request: what was asked.
        identity: whose token it was.
        expires_at: when the server will end the connection, Unix seconds.
    """

    answer: bytes
    request_id: str
    request: RequestClaims
    identity: Identity
    expires_at: int


class Denied(msgspec.Struct, frozen=True, gc=False):
    """The client has to stay out.

    Attributes:
        answer: signed; its error text names reason and id, and only the server ever reads it.
        request_id: short, also in the error text.
        request: what was asked.
        refusal: the reason, and whose token it claimed to be.
    """

    answer: bytes
    request_id: str
    request: RequestClaims
    refusal: Refusal


class Dropped(msgspec.Struct, frozen=True, gc=False):
    """There is nobody to answer, or nobody waits any more."""

    reason: Reason


Outcome = Allow | Denied | Dropped


class LooksUp(Protocol):
    """The part of a snapshot that a decision needs."""

    def look_up(self, namespace: str, name: str) -> Record | None:
        """Return what is known of a ServiceAccount, or None."""


class LoginTerms(msgspec.Struct, frozen=True):
    """How long a login lasts, and whether it has a name.

    Attributes:
        ttl: seconds at most.
        jitter: the largest share of the remaining time that is taken off, 0 to 1: a fleet that came in together is
            not to expire together.
        named: whether the connection's user is called `<namespace>:<serviceaccount>`. A named user is dropped on a
            reload of the server's configuration instead of asked about again.
    """

    ttl: float
    jitter: float
    named: bool

    def end(self, token_expires_at: float, now: float, draw: float) -> int:
        """Return when a login that begins `now` ends: a second later at least, or the server might not take it.

        A token in its leeway is honoured until that is over, as the API server does. `draw`, 0 to 1, is how much of the
        jitter is taken off. All in Unix seconds.
        """
        end = token_expires_at if token_expires_at >= now + 1 else token_expires_at + LEEWAY_S
        remaining = min(end - now, self.ttl)
        return max(int(now + remaining * (1 - draw * self.jitter)), ceil(now) + 1)


class Authorizer:
    """Decides. It holds what does not change, and caches of what was decoded once.

    Args:
        signer: our keys.
        tokens: the check of ServiceAccount tokens, with its memory.
        terms: how long a login lasts, and whether it has a name.
        sealing_key: our curve key; with it, requests in the clear are refused. None: nothing is sealed.
    """

    def __init__(
        self, signer: Signer, tokens: TokenVerifier, terms: LoginTerms, sealing_key: SealingKey | None
    ) -> None:
        """Take what does not change."""
        self._signer = signer
        self._tokens = tokens
        self._terms = terms
        self._sealing_key = sealing_key
        self._servers: dict[str, bytes] = {}

    def decide(self, message: bytes, xkey_header: str, snapshot: LooksUp, now: float, draw: float) -> Outcome:
        """Decide on one request.

        Args:
            message: the payload of a message on `$SYS.REQ.USER.AUTH`.
            xkey_header: its header `Nats-Server-Xkey`, or empty.
            snapshot: a view that stays open during this call.
            now: Unix seconds.
            draw: a random number, 0 <= draw < 1, for the jitter.
        """
        sealed = message.startswith(MAGIC)
        try:
            token = self._open(message, xkey_header) if sealed else message
        except ValueError:
            return Dropped(Reason.REQUEST_UNREADABLE)
        compact = split(token) if len(token) <= MAX_REQUEST_SIZE else None
        if compact is None:
            return Dropped(Reason.REQUEST_MALFORMED)
        try:
            request = decode_request(decode_segment(compact.payload))
        except (ValueError, RecursionError):  # msgspec's errors are among the first; the second is for depth
            return Dropped(Reason.REQUEST_MALFORMED)
        if now >= request.exp + _EXP_GRANULARITY_S:
            return Dropped(Reason.REQUEST_EXPIRED)
        body = request.nats
        if not (looks_public(body.user_nkey, Kind.USER) and looks_public(body.server_id.id, Kind.SERVER)):
            return Dropped(Reason.REQUEST_MALFORMED)
        verdict = self._check_request(request, compact, xkey_header, sealed=sealed) or self._check_client(
            request, snapshot, now
        )
        request_id = body.user_nkey[:ID_LENGTH]
        recipient = xkey_header if sealed else ""  # who sealed the request, which is more than a claim
        if isinstance(verdict, Refusal):
            return Denied(self._deny(request, request_id, verdict.reason, recipient, now), request_id, request, verdict)
        identity, record = verdict
        expires_at = self._terms.end(identity.expires_at, now, draw)
        answer = self._allow(request, request_id, identity, record, expires_at, recipient, now)
        return Allow(answer, request_id, request, identity, expires_at)

    def _open(self, message: bytes, xkey_header: str) -> bytes:
        if self._sealing_key is None:
            raise ValueError("sealed, and there is no key to open it with")
        return self._sealing_key.open(message, xkey_header)

    def _check_request(
        self, request: RequestClaims, compact: Compact, xkey_header: str, *, sealed: bool
    ) -> Refusal | None:
        """Check that a nats-server asks, and asks us."""
        body = request.nats
        reason = None
        if self._sealing_key is not None and not sealed:
            reason = Reason.REQUEST_NOT_SEALED
        elif sealed and body.server_id.xkey != xkey_header:
            reason = Reason.REQUEST_XKEY
        elif request.iss != body.server_id.id:
            reason = Reason.REQUEST_ISSUER
        elif request.aud != AUDIENCE:
            reason = Reason.REQUEST_AUDIENCE
        elif request.sub != self._signer.callout_account:
            reason = Reason.REQUEST_SUBJECT
        elif body.type != REQUEST_TYPE or body.version != CLAIMS_VERSION:
            reason = Reason.REQUEST_VERSION
        elif body.client_info.kind not in _CLIENTS:
            reason = Reason.REQUEST_LEAFNODE if body.client_info.kind == LEAFNODE else Reason.REQUEST_VERSION
        else:
            try:
                server = self._servers.get(request.iss) or self._read_server(request.iss)
                signed = verify(server, compact.signing_input, decode_segment(compact.signature))
            except ValueError:  # a key with a wrong checksum, or a signature that base64 cannot be
                signed = False
            if not signed:
                reason = Reason.REQUEST_SIGNATURE
        return Refusal(reason) if reason else None

    def _check_client(self, request: RequestClaims, snapshot: LooksUp, now: float) -> Refusal | tuple[Identity, Record]:
        """Check whose token the client presented, and that the ServiceAccount still is the one it was issued to."""
        options = request.nats.connect_opts
        identity = self._tokens.verify(options.auth_token or options.password, now)
        if isinstance(identity, Refusal):
            return identity
        record = snapshot.look_up(identity.namespace, identity.name)
        if record is None:
            return Refusal(Reason.SERVICEACCOUNT_UNKNOWN, identity.namespace, identity.name)
        if record.uid != identity.uid:
            return Refusal(Reason.SERVICEACCOUNT_RECREATED, identity.namespace, identity.name)
        return identity, record

    def _allow(
        self,
        request: RequestClaims,
        request_id: str,
        identity: Identity,
        record: Record,
        expires_at: int,
        recipient: str,
        now: float,
    ) -> bytes:
        body = request.nats
        user_jwt = issue_user(
            self._signer,
            user_nkey=body.user_nkey,
            account=record.account,
            permissions=record.permissions,
            issued_at=int(now),
            expires_at=expires_at,
            request_id=request_id,
            name=f"{identity.namespace}:{identity.name}" if self._terms.named else None,
        )
        response = respond_allow(
            self._signer,
            user_nkey=body.user_nkey,
            server_id=body.server_id.id,
            issued_at=int(now),
            user_jwt=user_jwt,
        )
        return self._seal(response, recipient)

    def _deny(self, request: RequestClaims, request_id: str, reason: Reason, recipient: str, now: float) -> bytes:
        response = respond_deny(
            self._signer,
            user_nkey=request.nats.user_nkey,
            server_id=request.nats.server_id.id,
            issued_at=int(now),
            error=f"{reason} id={request_id}",
        )
        return self._seal(response, recipient)

    def _seal(self, response: bytes, recipient: str) -> bytes:
        return self._sealing_key.seal(response, recipient) if self._sealing_key and recipient else response

    def _read_server(self, public: str) -> bytes:
        _, key = decode_public(public)
        if len(self._servers) >= MAX_SERVERS:
            self._servers.clear()
        self._servers[public] = key
        return key
