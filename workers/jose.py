"""JSON Web Signatures in compact form, and the algorithms that a ServiceAccount token may be signed with.

Sources: RFC 7515 (compact form), RFC 7518 section 3 (algorithms), RFC 8037 (EdDSA).

Rules kept here:
- No HS*, no none: an algorithm that is not in `ALGORITHMS` does not exist.
- A key says which algorithms it may be used with; the token's `alg` only picks one of those. See `workers.keyset`.
- Base64url is strict: another character, or padding, is an error, never skipped.
"""

from collections.abc import Callable
from typing import Final, NamedTuple

import pybase64
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from workers import nkeys

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey
Verify = Callable[[bytes, bytes], bool]
"""Takes a signature and the signing input; tells whether the one was made over the other."""

ALPHABET: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
_URL_SAFE: Final = b"-_"  # in the place of + and / (RFC 4648 section 5)


class Compact(NamedTuple):
    """A token taken apart. Header and payload are still encoded; `signing_input` is what was signed."""

    header: bytes
    payload: bytes
    signing_input: bytes
    signature: bytes


def split(token: bytes) -> Compact | None:
    """Take a compact JWS apart, or return None if it has not the form of one."""
    if token.translate(None, ALPHABET) != b"..":
        return None
    signing_input, _, signature = token.rpartition(b".")
    header, _, payload = signing_input.partition(b".")
    if not (header and payload and signature):
        return None
    return Compact(header, payload, signing_input, signature)


def decode_segment(segment: bytes) -> bytes:
    """Undo base64url without padding (RFC 7515 section 2) of a segment that `split` has returned.

    Raises:
        ValueError: its length is none that base64 has.
    """
    # The alphabet was checked by `split`: pybase64 takes + and / as well.
    return pybase64.b64decode(segment + b"=" * (-len(segment) % 4), _URL_SAFE, validate=True)


def encode_segment(data: bytes) -> bytes:
    """Apply base64url without padding (RFC 7515 section 2)."""
    return pybase64.b64encode(data, _URL_SAFE).rstrip(b"=")


# RFC 7518 table in section 3.1: hash, and for ECDSA the curve that goes with it (section 3.4).
_RSA_HASHES: Final = {"256": SHA256(), "384": SHA384(), "512": SHA512()}
_EC_CURVES: Final = {
    "ES256": ("secp256r1", SHA256(), 32),
    "ES384": ("secp384r1", SHA384(), 48),
    "ES512": ("secp521r1", SHA512(), 66),
}
_RSA_ALGORITHMS: Final = tuple(family + bits for family in ("RS", "PS") for bits in _RSA_HASHES)
ALGORITHMS: Final = frozenset({*_RSA_ALGORITHMS, *_EC_CURVES, "EdDSA"})


def verifiers(key: PublicKey) -> dict[str, Verify]:
    """Return, for each algorithm that `key` can be used with, the function that verifies.

    Everything that depends on the key alone is made here, once, and not on the path of a request.
    """
    if isinstance(key, RSAPublicKey):
        return {name: _rsa_verifier(key, name) for name in _RSA_ALGORITHMS}
    if isinstance(key, EllipticCurvePublicKey):
        return {name: _ec_verifier(key, name) for name, row in _EC_CURVES.items() if row[0] == key.curve.name}
    return {"EdDSA": _eddsa_verifier(key)}


def _rsa_verifier(key: RSAPublicKey, algorithm: str) -> Verify:
    digest = _RSA_HASHES[algorithm[2:]]
    # RFC 7518 section 3.5: the salt is as long as the hash, and the mask uses the same hash.
    scheme = padding.PKCS1v15() if algorithm.startswith("RS") else padding.PSS(padding.MGF1(digest), digest.digest_size)

    def verify(signature: bytes, signing_input: bytes) -> bool:
        try:
            key.verify(signature, signing_input, scheme, digest)
        except InvalidSignature:
            return False
        return True

    return verify


def _ec_verifier(key: EllipticCurvePublicKey, algorithm: str) -> Verify:
    _, digest, size = _EC_CURVES[algorithm]
    scheme = ECDSA(digest)

    def verify(signature: bytes, signing_input: bytes) -> bool:
        if len(signature) != 2 * size:  # RFC 7518 section 3.4: r and s side by side, each as long as the curve's order
            return False
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        try:
            key.verify(encode_dss_signature(r, s), signing_input, scheme)
        except InvalidSignature:
            return False
        return True

    return verify


def _eddsa_verifier(key: Ed25519PublicKey) -> Verify:
    raw = key.public_bytes_raw()  # libsodium takes about two thirds of OpenSSL's time (perf/ladder)
    return lambda signature, signing_input: nkeys.verify(raw, signing_input, signature)
