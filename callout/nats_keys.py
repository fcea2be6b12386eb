"""New NKeys: drawing them, and writing their seeds in the text form that NATS uses.

Source: nats-io/nkeys (`strkey.go`, `EncodeSeed`). A seed is base32 without padding over two prefix bytes (the five bits
of `S`, the five bits of the key's kind, six bits of nothing), 32 random bytes and a CRC-16 (XMODEM, little-endian).
Reading seeds is `workers.nkeys`' work; the hot path never makes any.

Rule kept here: a seed leaves as a `Secret`, so that writing it to a file is something one does on purpose.
"""

import base64
import binascii
import secrets
from typing import Final

import msgspec

from callout.secret import Secret
from workers.nkeys import KeyPair, Kind

SEED_SIZE: Final = 32  # bytes, as random as the system can make them
_BASE32: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SEED_BITS: Final = _BASE32.index("S")


class NatsKey(msgspec.Struct, frozen=True):
    """A new key: the pair that signs, and the seed that it can be had from again."""

    pair: KeyPair
    seed: Secret

    @property
    def public(self) -> str:
        """The public key as text, 56 characters."""
        return self.pair.public


def generate_key(kind: Kind) -> NatsKey:
    """Draw a key."""
    raw = secrets.token_bytes(SEED_SIZE)
    return NatsKey(KeyPair(kind, raw), encode_seed(kind, raw))


def generate_seed(kind: Kind) -> Secret:
    """Draw a key and return its seed alone, such as `SUAB…` (58 characters)."""
    return encode_seed(kind, secrets.token_bytes(SEED_SIZE))


def encode_seed(kind: Kind, raw: bytes) -> Secret:
    """Write a seed in text form.

    Args:
        kind: what the key will stand for.
        raw: 32 bytes.

    Raises:
        ValueError: `raw` has another length.
    """
    if len(raw) != SEED_SIZE:
        raise ValueError(f"a seed has {SEED_SIZE} bytes")
    prefix = (_SEED_BITS << 5 | _BASE32.index(kind.value)) << 6
    body = prefix.to_bytes(2, "big") + raw
    checksum = binascii.crc_hqx(body, 0).to_bytes(2, "little")
    return Secret(base64.b32encode(body + checksum).rstrip(b"=").decode())
