"""Key set, issuer and token: whether what the service verifies tokens with fits the cluster.

Rules kept here:
- Pure, and without a judgement of its own on tokens: that is `workers.sa_token`'s.
- What a token says of itself is shown, cut short and made printable; the token is not.
- A token is refused before anybody has vouched for what it says. Of that, nothing becomes part of a command but names
  that Kubernetes allows.
"""

import shlex
from collections.abc import Iterator
from typing import Final

import msgspec

from callout.doctor.findings import Check, Finding, notice, ok, unknown, wrong
from callout.keys.rules import explain_api_audiences, find_api_audiences
from callout.printable import make_printable
from callout.serviceaccounts import ServiceAccount, is_valid_identity
from workers.claims import JoseHeader, TokenClaims, decode_header, decode_token
from workers.jose import decode_segment, split
from workers.keyset import KeySet
from workers.reasons import Reason
from workers.sa_token import Identity, Refusal, TokenRules

MAX_SHOWN: Final = 200  # characters of a claim; issuers are URLs of some dozens
DISCOVERY: Final = "kubectl get --raw /.well-known/openid-configuration"
KEYS: Final = "kubectl get --raw /openid/v1/jwks"


class Cluster(msgspec.Struct, frozen=True):
    """What is known of the cluster.

    Attributes:
        issuer, keys: what the API server says of its issuer; None where it was not asked, or did not answer.
        audiences: whom our own pod's token is for; empty outside of a pod.
    """

    issuer: str | None = None
    keys: frozenset[str] | None = None
    audiences: tuple[str, ...] = ()


def check_trust(
    keyset: KeySet, issuers: tuple[str, ...], audiences: tuple[str, ...], cluster: Cluster
) -> Iterator[Finding]:
    """Judge the key set in force, and the issuers and audiences whose tokens are taken."""
    yield _check_key_set(keyset)
    yield _check_issuer(keyset, issuers, cluster)
    yield _check_audience(issuers, audiences, cluster)


def _check_key_set(keyset: KeySet) -> Finding:
    usable = f"{len(keyset.keys)} key{'s' if len(keyset.keys) != 1 else ''} can be used"
    if keyset.problems:
        return notice(Check.KEY_SET, f"{usable}; of others: {'; '.join(map(_show, keyset.problems[:3]))}", KEYS)
    return ok(Check.KEY_SET, usable)


def _check_issuer(keyset: KeySet, issuers: tuple[str, ...], cluster: Cluster) -> Finding:
    check, named = Check.ISSUER, ", ".join(map(_show, issuers))
    if cluster.issuer is None:
        what = f"tokens of {named} are taken; the API server was not asked for its issuer"
        return unknown(check, what, f"{DISCOVERY}  # compare its issuer")
    if cluster.issuer not in issuers:
        what = f"the API server's issuer is {_show(cluster.issuer)}, and JWT_ISSUER is {named}"
        return wrong(check, what, f"export JWT_ISSUER={shlex.quote(_show(cluster.issuer))}")
    if cluster.keys is not None and not cluster.keys & keyset.keys.keys():
        what = "the key set in force holds none of the API server's keys: it is another issuer's"
        return wrong(check, what, "unset JWKS_URL JWKS_PATH  # the API server is asked then")
    return ok(check, f"the API server's issuer is {named}, and its keys are in force")


def _check_audience(issuers: tuple[str, ...], audiences: tuple[str, ...], cluster: Cluster) -> Finding:
    check = Check.AUDIENCE
    if found := find_api_audiences(audiences, issuers, cluster.audiences):
        mend = "export JWT_AUDIENCE=nats  # and let clients project tokens with that audience"
        return wrong(check, explain_api_audiences(tuple(map(_show, found))), mend)
    return ok(check, f"{', '.join(map(_show, audiences))}: none is known to be an API server's")


def check_token(token: str, outcome: Identity | Refusal, keyset: KeySet, rules: TokenRules) -> Finding:
    """Word the verdict on a token.

    Args:
        token: what was verified.
        outcome: what `workers.sa_token.TokenVerifier` said of it.
        keyset: what it was verified with.
        rules: the issuers and audiences that are taken.
    """
    if isinstance(outcome, Identity):
        return ok(Check.TOKEN, f"the token is good, and of {outcome.namespace}/{outcome.name}")
    reason, who = outcome.reason, _show(f"{outcome.namespace}/{outcome.name}") if outcome.name else ""
    header, claims = _decode(token)
    has, mend = reason.meaning, f"callout explain --token FILE  # {reason.remedy}"
    is_name = is_valid_identity(outcome.namespace, outcome.name)
    account = f"{outcome.namespace} {outcome.name}" if is_name else "<namespace> <serviceaccount>"
    again = f"kubectl create token -n {account} --audience={shlex.quote(min(rules.audiences))}"
    match reason:
        case Reason.TOKEN_UNKNOWN_KEY:
            has = f"It was signed with the key {_show(header.kid)}, and the key set has {', '.join(keyset.keys)}."
            mend = f"{KEYS}  # whose keys are these? compare JWKS_URL and JWKS_PATH"
        case Reason.TOKEN_ISSUER:
            has = f"Its issuer is {_show(claims.iss)}, and taken are {', '.join(rules.issuers)}."
            mend = f"{DISCOVERY}  # compare JWT_ISSUER"
        case Reason.TOKEN_AUDIENCE:
            audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
            has = f"Its audience is {_show(', '.join(audiences))}, and taken are {', '.join(rules.audiences)}."
            mend = again
        case Reason.TOKEN_EXPIRED | Reason.TOKEN_NO_EXPIRY | Reason.TOKEN_LEGACY:
            mend = again
    return wrong(Check.TOKEN, f"the token{f' of {who}' if who else ''} is refused: {reason}. {has}", mend)


def check_owner(identity: Identity, found: ServiceAccount | None) -> Finding | None:
    """Find that a good token's ServiceAccount is not, or no longer, the one it was made for; None if it is."""
    if found is not None and found.uid == identity.uid:
        return None
    reason = Reason.SERVICEACCOUNT_UNKNOWN if found is None else Reason.SERVICEACCOUNT_RECREATED
    what = f"the token of {identity.namespace}/{identity.name} is refused: {reason}. {reason.meaning}"
    where = f"-n {identity.namespace} {identity.name}"
    mend = f"kubectl create serviceaccount {where}" if found is None else f"kubectl create token {where}"
    return wrong(Check.TOKEN, what, f"{mend}  # {reason.remedy}")


def _decode(token: str) -> tuple[JoseHeader, TokenClaims]:
    """Read what a token says of itself; what cannot be read says nothing."""
    compact = split(token.encode("utf-8", "replace"))
    if compact is None:
        return JoseHeader(), TokenClaims()
    try:
        return decode_header(decode_segment(compact.header)), decode_token(decode_segment(compact.payload))
    except (ValueError, RecursionError):  # msgspec's errors are among the first; the second is for depth
        return JoseHeader(), TokenClaims()


def _show(text: str) -> str:
    return make_printable(text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…")
