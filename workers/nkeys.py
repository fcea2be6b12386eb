"""NKeys: Ed25519 keys in the text form that NATS uses.

Source: nats-io/nkeys (`crc16.go`, `strkey.go`). A public key is base32 without padding over one prefix byte, 32
bytes of key and a CRC-16 (XMODEM, little-endian); a seed has two prefix bytes, which hold the prefix `S` and the
kind of key it is the seed of.

Rules kept here:
- A private key never leaves its `KeyPair`: neither `repr` nor any error shows it.
- libsodium (PyNaCl) does the arithmetic. Of the well-kept libraries it is the fastest at signing; `perf/ladder`
  compares them.
"""

import base64
import binascii
from enum import StrEnum

from nacl.bindings import crypto_scalarmult_base, crypto_sign, crypto_sign_open, crypto_sign_seed_keypair
from nacl.exceptions import BadSignatureError

PUBLIC_KEY_LENGTH = 56  # characters: base32 of 1 + 32 + 2 bytes
SIGNATURE_SIZE = 64  # bytes (RFC 8032)
_KEY_SIZE = 32
_SEED_TEXT_LENGTH = 58  # characters: base32 of 2 + 32 + 2 bytes
_SEED_PREFIX = 18 << 3  # 'S'
_BASE32 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


class Kind(StrEnum):
    """What a key stands for; the value is the first letter of its public form."""

    ACCOUNT = "A"
    CLUSTER = "C"
    CURVE = "X"
    OPERATOR = "O"
    SERVER = "N"
    USER = "U"


_PREFIXES = {_BASE32.index(kind.value.encode()) << 3: kind for kind in Kind}


class KeyPair:
    """A key pair that can sign, or, of the kind `CURVE`, be used by `workers.xkeys`.

    Attributes:
        kind: what the key stands for.
        public: the public key as text, e.g. `ABJH…`, 56 characters.
    """

    __slots__ = ("_private", "kind", "public")

    def __init__(self, kind: Kind, seed: bytes) -> None:
        """Derive the pair from 32 bytes of seed."""
        self.kind = kind
        if kind is Kind.CURVE:
            # nats-io/nkeys xkeys.go takes the seed itself as the X25519 scalar, unhashed.
            self._private = seed
            public = crypto_scalarmult_base(seed)
        else:
            public, self._private = crypto_sign_seed_keypair(seed)
        self.public = encode_public(kind, public)

    def sign(self, message: bytes) -> bytes:
        """Return the 64 bytes of the Ed25519 signature (RFC 8032) over `message`."""
        return crypto_sign(message, self._private)[:SIGNATURE_SIZE]

    def encode_seed(self) -> str:
        """Write the seed in text form (58 characters): a secret, for handing to a worker or for a file of mode 0600."""
        letter = _BASE32.index(self.kind.value.encode())
        raw = bytes([_SEED_PREFIX | letter >> 2, letter << 6 & 0xFF]) + self._private[:_KEY_SIZE]
        return _encode(raw)

    def curve_scalar(self) -> bytes:
        """Return the 32 bytes of the X25519 scalar; for `workers.xkeys` alone."""
        if self.kind is not Kind.CURVE:
            raise ValueError("not a curve key")
        return self._private

    def __repr__(self) -> str:
        return f"KeyPair({self.public})"


def decode_seed(text: str | bytes) -> KeyPair:
    """Read a seed such as `SAAB…` (58 characters).

    Raises:
        ValueError: the text is no seed. The message never shows any part of it.
    """
    raw = _decode(text, _SEED_TEXT_LENGTH, "seed")
    if raw[0] & 0xF8 != _SEED_PREFIX:
        raise ValueError("not a seed: it does not begin with S")
    kind = _PREFIXES.get((raw[0] & 0x07) << 5 | (raw[1] & 0xF8) >> 3)
    if kind is None:
        raise ValueError("not a seed of a known kind of key")
    return KeyPair(kind, raw[2:])


def decode_public(text: str | bytes) -> tuple[Kind, bytes]:
    """Read a public key such as `ABJH…` (56 characters) into its kind and 32 bytes.

    Raises:
        ValueError: the text is no public key.
    """
    raw = _decode(text, PUBLIC_KEY_LENGTH, "public key")
    kind = _PREFIXES.get(raw[0])
    if kind is None:
        raise ValueError("not a public key of a known kind")
    return kind, raw[1:]


def encode_public(kind: Kind, key: bytes) -> str:
    """Write 32 bytes of public key in text form."""
    return _encode(bytes([_BASE32.index(kind.value.encode()) << 3]) + key)


def looks_public(text: str, kind: Kind) -> bool:
    """Tell, cheaply and without the checksum, whether `text` has the form of a public key of that kind.

    Enough to splice it into JSON safely: all its characters are capital letters and digits.
    """
    return (
        len(text) == PUBLIC_KEY_LENGTH
        and text.isascii()
        and text[0] == kind
        and not text.encode().translate(None, _BASE32)
    )


def verify(public: bytes, message: bytes, signature: bytes) -> bool:
    """Tell whether `signature` (64 bytes) over `message` was made with the key of `public` (32 bytes)."""
    if len(signature) != SIGNATURE_SIZE:
        return False
    try:
        crypto_sign_open(signature + message, public)
    except BadSignatureError:
        return False
    return True


def _encode(raw: bytes) -> str:
    checksum = binascii.crc_hqx(raw, 0).to_bytes(2, "little")
    return base64.b32encode(raw + checksum).rstrip(b"=").decode()


def _decode(text: str | bytes, length: int, what: str) -> bytes:
    """Undo base32 and the checksum; the `length` counts characters."""
    data = text.encode("ascii", "replace") if isinstance(text, str) else text
    if len(data) != length or data.translate(None, _BASE32):
        raise ValueError(f"not a {what}: it has to be {length} capital letters and digits 2 to 7")
    raw = base64.b32decode(data + b"=" * (-len(data) % 8))
    body, checksum = raw[:-2], raw[-2:]
    if binascii.crc_hqx(body, 0).to_bytes(2, "little") != checksum:
        raise ValueError(f"not a {what}: its checksum is wrong; was it copied whole?")
    return body
