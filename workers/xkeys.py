"""Sealed requests and answers: NATS xkeys, that is X25519 with XSalsa20-Poly1305 (libsodium's `crypto_box`).

Source: nats-io/nkeys `xkeys.go`. A sealed message is the four bytes `xkv1`, a nonce of 24 bytes and the box.

Rules kept here:
- The nonce comes from libsodium's own generator, never from an argument: used twice, it would give the messages away.
- The shared key of a pair costs as much as a signature; it is kept for each server, in bounded number, for the server's
  key changes at each of its restarts.
"""

from typing import Final

from nacl.bindings import (
    crypto_box_afternm,
    crypto_box_beforenm,
    crypto_box_open_afternm,
    randombytes,
)
from nacl.exceptions import CryptoError

from workers.nkeys import KeyPair, Kind, decode_public

MAGIC: Final = b"xkv1"
MAX_SERVERS: Final = 1024  # shared keys kept; a supercluster has some hundred servers
_NONCE_SIZE: Final = 24


class SealingKey:
    """Our curve key, with the keys it shares with each server."""

    def __init__(self, key: KeyPair) -> None:
        """Take a key of the kind `CURVE`.

        Raises:
            ValueError: the key is of another kind.
        """
        self._scalar = key.curve_scalar()
        self._shared: dict[str, bytes] = {}
        self.public = key.public

    def open(self, message: bytes, sender: str) -> bytes:
        """Open what `sender` (a public key X…) sealed for us.

        Raises:
            ValueError: it was not sealed for us by that sender, or is damaged, or the sender's key is no curve key.
        """
        nonce, box = message[len(MAGIC) : len(MAGIC) + _NONCE_SIZE], message[len(MAGIC) + _NONCE_SIZE :]
        if not message.startswith(MAGIC) or len(nonce) < _NONCE_SIZE:
            raise ValueError("not a sealed message")
        try:
            return crypto_box_open_afternm(box, nonce, self._share(sender))
        except CryptoError:
            raise ValueError("the message was not sealed for us by that sender") from None

    def seal(self, message: bytes, recipient: str) -> bytes:
        """Seal `message` for `recipient` (a public key X…).

        Raises:
            ValueError: the recipient's key is no curve key.
        """
        nonce = randombytes(_NONCE_SIZE)
        return MAGIC + nonce + crypto_box_afternm(message, nonce, self._share(recipient))

    def _share(self, public: str) -> bytes:
        shared = self._shared.get(public)
        if shared is None:
            kind, point = decode_public(public)
            if kind is not Kind.CURVE:
                raise ValueError("not a curve key")
            try:
                shared = crypto_box_beforenm(point, self._scalar)
            except CryptoError:
                raise ValueError("a curve key that no honest server has") from None
            if len(self._shared) >= MAX_SERVERS:
                self._shared.clear()
            self._shared[public] = shared
        return shared
