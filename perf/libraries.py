"""The libraries that could do the cryptography and the JSON of the hot path, each behind one small adapter.

Each operation is on data like that of the hot path, and is a call without arguments, so that all are timed alike. A
library that is not installed is left out.
"""

import base64
import importlib.util
import json
from collections.abc import Callable
from typing import Any, Final, Protocol

import jwt.algorithms
import msgspec
import nacl.bindings
import orjson
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256

from workers.claims import decode_request
from workers.jose import decode_segment, encode_segment

Operation = Callable[[], object]
MESSAGE_SIZE = 1200  # bytes: about what a request with a token, or an answer, comes to
_RSA_BITS = 2048  # the API server's default
USED: Final = {
    "Ed25519 sign": "PyNaCl",
    "Ed25519 verify": "PyNaCl",
    "RSA-2048 verify (RS256)": "cryptography",
    "P-256 verify (ES256)": "cryptography",
    "base64url decode a request": "pybase64",
    "base64url encode a request": "pybase64",
    "JSON decode a request": "msgspec, the fields we need",
    "JSON encode a request": "msgspec",
}
"""Which of them a worker uses, by operation."""


class Ed25519(Protocol):
    """A library's way to sign and verify; a key is made of 32 bytes of seed."""

    def __init__(self, seed: bytes) -> None:
        """Make the key."""

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes of signature."""

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify a good signature."""


class PyNaCl:
    """Libsodium, by the bindings that `workers.nkeys` uses."""

    def __init__(self, seed: bytes) -> None:
        self._public, self._private = nacl.bindings.crypto_sign_seed_keypair(seed)

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes of signature."""
        return nacl.bindings.crypto_sign(message, self._private)[:64]

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify a good signature."""
        nacl.bindings.crypto_sign_open(signature + message, self._public)


class Cryptography:
    """OpenSSL."""

    def __init__(self, seed: bytes) -> None:
        self._key = ed25519.Ed25519PrivateKey.from_private_bytes(seed)
        self._public = self._key.public_key()

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes of signature."""
        return self._key.sign(message)

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify a good signature."""
        self._public.verify(signature, message)


class Zebra:
    """py-ed25519-zebra-bindings: Rust. Not a dependency."""

    def __init__(self, seed: bytes) -> None:
        self._library: Any = importlib.import_module("ed25519_zebra")
        self._seed = seed
        self._public = self._library.ed_public_from_secret(seed)

    def sign(self, message: bytes) -> bytes:
        """Return 64 bytes of signature."""
        signature: bytes = self._library.ed_sign(self._seed, message)
        return signature

    def verify(self, message: bytes, signature: bytes) -> None:
        """Verify a good signature."""
        self._library.ed_verify(signature, message, self._public)


def list_ed25519() -> dict[str, type[Ed25519]]:
    """Return the libraries that are installed."""
    libraries: dict[str, type[Ed25519]] = {"PyNaCl": PyNaCl, "cryptography": Cryptography}
    if importlib.util.find_spec("ed25519_zebra"):
        libraries["py-ed25519-zebra-bindings"] = Zebra
    return libraries


def list_operations(request: bytes) -> dict[str, dict[str, Operation]]:
    """Return what is compared: for each operation, the call of each library.

    Args:
        request: the claims of an authorization request, JSON.
    """
    seed, message = bytes(range(32)), bytes(MESSAGE_SIZE)
    signing, verifying = {}, {}
    for name, library in list_ed25519().items():
        key = library(seed)
        signing[name] = _bind(key.sign, message)
        verifying[name] = _bind(key.verify, message, key.sign(message))
    document = orjson.loads(request)
    return {
        "Ed25519 sign": signing,
        "Ed25519 verify": verifying,
        "RSA-2048 verify (RS256)": _verify_rsa(message),
        "P-256 verify (ES256)": _verify_ec(message),
        "base64url decode a request": {
            "pybase64": _bind(decode_segment, encode_segment(request)),
            "base64": _bind(base64.urlsafe_b64decode, base64.urlsafe_b64encode(request)),
        },
        "base64url encode a request": {
            "pybase64": _bind(encode_segment, request),
            "base64": _bind(base64.urlsafe_b64encode, request),
        },
        "JSON decode a request": {
            "msgspec, the fields we need": _bind(decode_request, request),
            "msgspec": _bind(msgspec.json.Decoder().decode, request),
            "orjson": _bind(orjson.loads, request),
            "json": _bind(json.loads, request),
        },
        "JSON encode a request": {
            "msgspec": _bind(msgspec.json.Encoder().encode, document),
            "orjson": _bind(orjson.dumps, document),
            "json": _bind(json.dumps, document),
        },
    }


def _verify_rsa(message: bytes) -> dict[str, Operation]:
    key = rsa.generate_private_key(65537, _RSA_BITS)
    public, scheme, digest = key.public_key(), padding.PKCS1v15(), SHA256()
    signature = key.sign(message, scheme, digest)
    pyjwt = jwt.algorithms.RSAAlgorithm(SHA256)
    return {
        "cryptography": lambda: public.verify(signature, message, scheme, digest),
        "PyJWT": lambda: pyjwt.verify(message, public, signature),
    }


def _verify_ec(message: bytes) -> dict[str, Operation]:
    key = ec.generate_private_key(ec.SECP256R1())
    public, scheme = key.public_key(), ec.ECDSA(SHA256())
    signature = key.sign(message, scheme)
    r, s = decode_dss_signature(signature)
    side_by_side = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    pyjwt = jwt.algorithms.ECAlgorithm(SHA256)
    return {
        "cryptography": lambda: public.verify(signature, message, scheme),
        "PyJWT": lambda: pyjwt.verify(message, public, side_by_side),
    }


def _bind(function: Callable[..., object], *arguments: object) -> Operation:
    return lambda: function(*arguments)
