"""The check of a ServiceAccount token: whose is it, and may it be believed?

Sources: Kubernetes' `pkg/serviceaccount/claims.go` and `pkg/serviceaccount/jwt.go`, RFC 7519, RFC 8725.

Rules kept here:
- Cheap things first, the signature last; nothing is believed before it.
- `alg` counts for nothing until it is on the allow list of the key that `kid` names.
- Without `exp` there is no login; 60 s of leeway on all times, as the API server has.
- A token once verified is remembered by its digest, in bounded number, so that a reconnect costs no signature. Only
  what cannot change is remembered: `exp` is compared anew each time, and the memory ends with the key set it stands on.
"""

from hashlib import sha256
from typing import Final

import msgspec

from workers.claims import JoseHeader, TokenClaims, decode_header, decode_token
from workers.jose import decode_segment, split
from workers.keyset import EMPTY, KeySet
from workers.reasons import Reason

LEEWAY_S: Final = 60  # as Kubernetes' token authenticator grants (go-jose's default leeway)
MAX_TOKEN_LENGTH: Final = 4096  # bytes: nats-server lets no longer CONNECT through
LEGACY_ISSUER: Final = "kubernetes/serviceaccount"  # pkg/serviceaccount/legacy.go
MAX_REMEMBERED: Final = 16_384  # tokens of about 700 bytes: 12 MB in each worker
MAX_HEADERS: Final = 256  # a header is one (alg, kid): a cluster has a handful


class TokenRules(msgspec.Struct, frozen=True):
    """What a token has to say: one of the issuers, and at least one of the audiences."""

    issuers: frozenset[str]
    audiences: frozenset[str]


class Identity(msgspec.Struct, frozen=True, gc=False):
    """The ServiceAccount that a verified token belongs to, and when the token expires (Unix seconds)."""

    namespace: str
    name: str
    uid: str
    expires_at: float


class Refusal(msgspec.Struct, frozen=True):
    """Why a token is refused, and whose it claims to be (empty where it does not say): a claim, not a fact."""

    reason: Reason
    namespace: str = ""
    name: str = ""


class TokenVerifier:
    """Verifies tokens against the key set in force; owns the memory of those already verified."""

    def __init__(self) -> None:
        """Start with an empty key set, which refuses everything."""
        self._rules = TokenRules(frozenset(), frozenset())
        self._keyset = EMPTY
        self._remembered: dict[bytes, Identity] = {}
        self._headers: dict[bytes, JoseHeader] = {}

    def trust(self, keyset: KeySet, rules: TokenRules) -> None:
        """Put another key set and other rules in force, and forget what was verified with the last ones."""
        self._keyset = keyset
        self._rules = rules
        self._remembered.clear()

    def verify(self, text: str, now: float) -> Identity | Refusal:
        """Check the token that a client presented, at `now` (Unix seconds)."""
        if not text:
            return Refusal(Reason.TOKEN_MISSING)
        if len(text) > MAX_TOKEN_LENGTH:
            return Refusal(Reason.TOKEN_TOO_LONG)
        token = text.encode("utf-8", "replace")
        digest = sha256(token).digest()
        known = self._remembered.get(digest)
        if known is not None:
            if now >= known.expires_at + LEEWAY_S:
                del self._remembered[digest]
                return Refusal(Reason.TOKEN_EXPIRED, known.namespace, known.name)
            return known
        identity = self._verify_new(token, now)
        if type(identity) is Identity:
            self._remember(digest, identity)
        return identity

    def _verify_new(self, token: bytes, now: float) -> Identity | Refusal:
        compact = split(token)
        if compact is None:
            return Refusal(Reason.TOKEN_MALFORMED)
        try:
            header = self._headers.get(compact.header) or self._read_header(compact.header)
            signature = decode_segment(compact.signature)
            claims = decode_token(decode_segment(compact.payload))
        except (ValueError, RecursionError):  # msgspec's errors are among the first; the second is for depth
            return Refusal(Reason.TOKEN_MALFORMED)
        namespace, account = claims.kubernetes.namespace, claims.kubernetes.serviceaccount
        if claims.iss == LEGACY_ISSUER:
            return Refusal(Reason.TOKEN_LEGACY)
        allowed = self._keyset.keys.get(header.kid)
        if allowed is None:
            return Refusal(Reason.TOKEN_UNKNOWN_KEY, namespace, account.name)
        verify = allowed.get(header.alg)
        if verify is None or header.crit:
            return Refusal(Reason.TOKEN_ALGORITHM, namespace, account.name)
        reason = self._check_claims(claims, now)
        if reason is not None:
            return Refusal(reason, namespace, account.name)
        if not verify(signature, compact.signing_input):
            return Refusal(Reason.TOKEN_SIGNATURE, namespace, account.name)
        assert claims.exp is not None  # _check_claims has seen to it
        return Identity(namespace, account.name, account.uid, claims.exp)

    def _check_claims(self, claims: TokenClaims, now: float) -> Reason | None:
        rules = self._rules
        if claims.iss not in rules.issuers:
            return Reason.TOKEN_ISSUER
        audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
        if rules.audiences.isdisjoint(audiences):
            return Reason.TOKEN_AUDIENCE
        if claims.exp is None:
            return Reason.TOKEN_NO_EXPIRY
        if now >= claims.exp + LEEWAY_S:
            return Reason.TOKEN_EXPIRED
        if max(claims.nbf, claims.iat) > now + LEEWAY_S:
            return Reason.TOKEN_NOT_YET_VALID
        namespace, account = claims.kubernetes.namespace, claims.kubernetes.serviceaccount
        if not (namespace and account.name and account.uid) or "/" in namespace:
            return Reason.TOKEN_CLAIMS
        if claims.sub != f"system:serviceaccount:{namespace}:{account.name}":
            return Reason.TOKEN_CLAIMS
        return None

    def _read_header(self, segment: bytes) -> JoseHeader:
        header = decode_header(decode_segment(segment))
        if len(self._headers) >= MAX_HEADERS:
            self._headers.clear()  # somebody sends made-up headers: start anew rather than grow
        self._headers[segment] = header
        return header

    def _remember(self, digest: bytes, identity: Identity) -> None:
        if len(self._remembered) >= MAX_REMEMBERED:
            # A dict keeps the order of insertion: the first is the one verified longest ago.
            del self._remembered[next(iter(self._remembered))]
        self._remembered[digest] = identity
