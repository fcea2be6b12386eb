"""The keys that tokens may be signed with: a JWK Set (RFC 7517), parsed once and then only looked up.

Rules kept here:
- Only public RSA, EC and Ed25519 keys count; a symmetric or private key in the set is refused.
- `use` and `alg` of a JWK narrow what its key may do (RFC 7517 sections 4.2 and 4.4); they never widen it.
- A key without `kid`, or with one that another key has too, cannot be named and is left out.
- One bad key does not spoil the others: the API server may publish a kind of key (ML-DSA, say) that we do not know.
"""

from collections import Counter
from typing import Final

import jwt
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from workers.jose import PublicKey, Verify, verifiers

MIN_RSA_BITS: Final = 2048  # RFC 7518 section 3.3
MAX_RSA_BITS: Final = 8192  # verifying costs the square of it; a larger key in the set would be a mistake
MAX_KEYS: Final = 100  # a cluster has two to four; more is no key set of an API server


class KeySet(msgspec.Struct, frozen=True):
    """Keys by `kid`, and what was left out.

    Attributes:
        keys: for each `kid`, the algorithms its key may be used with and the function that verifies each.
        problems: one line for each key left out, for the log.
    """

    keys: dict[str, dict[str, Verify]]
    problems: tuple[str, ...] = ()


EMPTY: Final = KeySet({})


def parse_keyset(document: bytes) -> KeySet:
    """Read a JWK Set.

    Raises:
        ValueError: the document is no JWK Set, or holds no key that can be used.
    """
    try:
        entries = msgspec.json.decode(document, type=_Document).keys
    except (ValueError, RecursionError) as error:  # msgspec's errors are among the first; the second is for depth
        raise ValueError(f"not a JWK Set: {error}") from None
    if len(entries) > MAX_KEYS:
        raise ValueError(f"a JWK Set of {len(entries)} keys; at most {MAX_KEYS} are read")
    kids = Counter(kid for entry in entries if isinstance(kid := entry.get("kid"), str))
    keys, problems = {}, []
    for position, entry in enumerate(entries):
        kid = entry.get("kid")
        try:
            if not isinstance(kid, str) or not kid:
                raise ValueError("it has no kid")
            if kids[kid] > 1:
                raise ValueError("another key has the same kid")
            keys[kid] = _parse_key(entry)
        except (ValueError, jwt.PyJWTError, UnsupportedAlgorithm) as error:
            problems.append(f"key {position} ({kid!r:.64}) left out: {error!s:.200}")
    if not keys:
        raise ValueError("; ".join(["no key of the JWK Set can be used", *problems]))
    return KeySet(keys, tuple(problems))


class _Document(msgspec.Struct, frozen=True):
    keys: list[dict[str, object]]


def _parse_key(entry: dict[str, object]) -> dict[str, Verify]:
    if entry.get("kty") not in ("RSA", "EC", "OKP"):
        raise ValueError(f"keys of type {entry.get('kty')!r:.64} are not supported")
    if "d" in entry:
        raise ValueError("it is a private key; whoever published it has given it away")
    if entry.get("use", "sig") != "sig":
        raise ValueError("it is not meant for signatures")
    # Without `alg`, which could be `none` or HS256, PyJWT goes by type and curve; what `alg` means follows below.
    key = jwt.PyJWK({**entry, "alg": None}).key
    assert isinstance(key, PublicKey)
    if isinstance(key, RSAPublicKey) and not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise ValueError(f"an RSA key of {key.key_size} bits; {MIN_RSA_BITS} to {MAX_RSA_BITS} are taken")
    allowed = verifiers(key)
    if "alg" in entry:
        allowed = {name: verify for name, verify in allowed.items() if name == entry["alg"]}
    if not allowed:
        raise ValueError("its algorithm is not supported")
    return allowed
