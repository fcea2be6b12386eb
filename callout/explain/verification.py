"""A token's verification, step by step, for a person to read.

Rules kept here:
- Pure, and without a judgement of its own: that is `workers.sa_token`'s. `STEPS` only has the reasons for a refusal in
  the order in which the verifier looks for them; where one of them is the verdict, all before it have passed.
- The token itself is never shown. What it says of itself is, cut short and made printable.
"""

from collections.abc import Iterable
from typing import Final, Literal

import msgspec

from callout.explain.moments import format_moment, format_seconds
from callout.printable import make_printable
from callout.serviceaccounts import ServiceAccount
from workers.claims import JoseHeader, TokenClaims, decode_header, decode_token
from workers.jose import decode_segment, split
from workers.keyset import KeySet
from workers.reasons import Reason
from workers.sa_token import LEEWAY_S, Identity, Refusal, TokenRules

MAX_SHOWN: Final = 200  # characters of a claim; issuers are URLs of some dozens

STEPS: Final = {
    "form": (Reason.TOKEN_MISSING, Reason.TOKEN_TOO_LONG, Reason.TOKEN_MALFORMED, Reason.TOKEN_LEGACY),
    "key": (Reason.TOKEN_UNKNOWN_KEY, Reason.TOKEN_ALGORITHM),
    "issuer": (Reason.TOKEN_ISSUER,),
    "audience": (Reason.TOKEN_AUDIENCE,),
    "expiry": (Reason.TOKEN_NO_EXPIRY, Reason.TOKEN_EXPIRED, Reason.TOKEN_NOT_YET_VALID),
    "claims": (Reason.TOKEN_CLAIMS,),
    "signature": (Reason.TOKEN_SIGNATURE,),
    "ServiceAccount": (Reason.SERVICEACCOUNT_UNKNOWN,),
    "uid": (Reason.SERVICEACCOUNT_RECREATED,),
}
"""The steps of the verification, in order, each with the reasons for which a login is refused there."""


class Step(msgspec.Struct, frozen=True):
    """One step of a token's verification: how it went, and what was looked at."""

    name: str
    state: Literal["passed", "failed", "not reached"]
    detail: str = ""


class Trust(msgspec.Struct, frozen=True):
    """What tokens are verified with."""

    keyset: KeySet
    rules: TokenRules


def maybe_refuse(outcome: Identity | Refusal, found: ServiceAccount | None) -> Reason | None:
    """Return why a login is refused, after the verifier's word and with the ServiceAccount that exists now."""
    if isinstance(outcome, Refusal):
        return outcome.reason
    if found is None:
        return Reason.SERVICEACCOUNT_UNKNOWN
    return Reason.SERVICEACCOUNT_RECREATED if found.uid != outcome.uid else None


def lay_out(token: str, reason: Reason | None, found: ServiceAccount | None, trust: Trust, now: float) -> list[Step]:
    """Lay the steps out.

    Args:
        token: what was verified.
        reason: why it is refused; None if it is not.
        found: its ServiceAccount as it is now, if that was looked for and found.
        trust: what it was verified with.
        now: Unix seconds.
    """
    details = _Details(token, found, trust, now)
    steps = []
    failed = False
    for name, reasons in STEPS.items():
        if failed:
            steps.append(Step(name, "not reached"))
            continue
        failed = reason in reasons
        steps.append(Step(name, "failed" if failed else "passed", details.tell(name, failed=failed)))
    return steps


class _Details:
    """What is looked at in each step. Only steps that were reached are told of, so it is there to be told."""

    def __init__(self, token: str, found: ServiceAccount | None, trust: Trust, now: float) -> None:
        self._header, self._claims = _decode(token)
        self._found = found
        self._trust = trust
        self._now = now

    def tell(self, step: str, *, failed: bool) -> str:
        """Say what the token has, and if that was wrong, what is taken."""
        has, taken = self._compare(step)
        if not failed or not taken:
            return show(has)
        slash = "; they differ in the slash at the end alone" if step == "issuer" and self._lacks_only_a_slash() else ""
        return f"{show(has) or 'none'}; taken: {show(taken)}{slash}"

    def _lacks_only_a_slash(self) -> bool:
        """Tell whether the issuer is one that is taken, but for a slash at the end, on either side."""
        return self._claims.iss.rstrip("/") in {one.rstrip("/") for one in self._trust.rules.issuers}

    def _compare(self, step: str) -> tuple[str, str]:
        claims, rules = self._claims, self._trust.rules
        bound = claims.kubernetes
        match step:
            case "key":
                return f"{self._header.kid} with {self._header.alg}", _list(self._allowed_keys())
            case "issuer":
                return claims.iss, _list(rules.issuers)
            case "audience":
                return _list([claims.aud] if isinstance(claims.aud, str) else claims.aud), _list(rules.audiences)
            case "expiry":
                return _describe_expiry(claims, self._now), ""
            case "claims":
                return claims.sub, f"system:serviceaccount:{bound.namespace}:{bound.serviceaccount.name}"
            case "ServiceAccount":
                return f"{bound.namespace}/{bound.serviceaccount.name}", ""
            case "uid":
                return bound.serviceaccount.uid, self._found.uid if self._found else ""
        return "", ""

    def _allowed_keys(self) -> list[str]:
        return [f"{kid} with {' or '.join(algorithms)}" for kid, algorithms in self._trust.keyset.keys.items()]


def _decode(token: str) -> tuple[JoseHeader, TokenClaims]:
    """Read what a token says of itself; what cannot be read says nothing."""
    compact = split(token.encode("utf-8", "replace"))
    if compact is None:
        return JoseHeader(), TokenClaims()
    try:
        return decode_header(decode_segment(compact.header)), decode_token(decode_segment(compact.payload))
    except (ValueError, RecursionError):  # msgspec's errors are among the first; the second is for depth
        return JoseHeader(), TokenClaims()


def _describe_expiry(claims: TokenClaims, now: float) -> str:
    begins = max(claims.nbf, claims.iat)
    if claims.exp is None:
        return "never"
    if begins > now + LEEWAY_S:
        return f"not valid before {format_moment(begins)}"
    distance = format_seconds(abs(claims.exp - now))
    if claims.exp > now:
        return f"{format_moment(claims.exp)}, in {distance}"
    leeway = f", within the {LEEWAY_S} s of leeway" if claims.exp + LEEWAY_S > now else ""
    return f"{format_moment(claims.exp)}, {distance} ago{leeway}"


def _list(words: Iterable[str]) -> str:
    return ", ".join(sorted(words))


def show(text: str) -> str:
    """Make what a token says fit for a line."""
    return make_printable(text, MAX_SHOWN)
