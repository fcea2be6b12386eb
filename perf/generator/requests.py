"""Authorization requests, made and signed before they are sent: what a nats-server would ask about a client.

They are of a server that does not exist. The service takes the word of any that signs with the key it names: who may
publish on the subject is for the NATS account to say. nats-server lets no user of that account do it ("Permissions
Violation"), so whoever asks is in another one: the callout's account imports `ASKING_SUBJECT` from there as a stream,
to the subject, and exports the answers to it. `perf.account` makes such an account for operator mode.
"""

import os
import time
from collections.abc import Sequence
from typing import Final

import msgspec

from callout.demo.config import draw_key
from perf.generator.making import make_each
from workers.authorize import AUDIENCE, CLAIMS_VERSION, REQUEST_TYPE
from workers.jose import encode_segment
from workers.nkeys import Kind, encode_public
from workers.xkeys import SealingKey

SUBJECT: Final = "$SYS.REQ.USER.AUTH"
ASKING_SUBJECT: Final = "perf.ask"
INBOX: Final = "$SYS._INBOX.perf"  # where the least that the service's user needs lets it answer
XKEY_HEADER: Final = "Nats-Server-Xkey"
SERVER_WAITS_S: Final = 2  # nats-server's default; `exp` is now and this, cut to whole seconds
LONG_S: Final = 60  # for requests whose moment is not known when they are signed
_HEADER: Final = encode_segment(b'{"typ":"JWT","alg":"ed25519-nkey"}')
_KEY_SIZE: Final = 32


class RequestMaker:
    """Makes requests, each of another client.

    Args:
        callout_account: public key that the server's callout is configured with.
        xkey: the service's public curve key; empty for requests in the clear.
    """

    def __init__(self, callout_account: str, xkey: str = "") -> None:
        """Draw the server's keys."""
        self._server = draw_key(Kind.SERVER)
        self._account = callout_account
        self._xkey = xkey
        self._sealing = SealingKey(draw_key(Kind.CURVE)) if xkey else None

    def make(self, token: str, expires_at: int) -> bytes:
        """Make the payload of a request about a client with that token."""
        own = {"xkey": self._sealing.public} if self._sealing else {}
        claims = {
            "aud": AUDIENCE,
            "exp": expires_at,
            "jti": "7YQHGKLNOZ5QVVA2GYDTVJ2DDXDBZRNBLWZZEDBRHMLCGPUFNRQA",
            "iat": int(time.time()),
            "iss": self._server.public,
            "sub": self._account,
            "nats": {
                "server_id": {
                    "name": "perf",
                    "host": "127.0.0.1",
                    "id": self._server.public,
                    "version": "2.15.1",
                    **own,
                },
                "user_nkey": encode_public(Kind.USER, os.urandom(_KEY_SIZE)),
                "client_info": {"host": "127.0.0.1", "id": 1234, "kind": "Client", "type": "nats", "nonce": "4pOEuD0"},
                "connect_opts": {"auth_token": token, "lang": "go", "version": "1.52.0", "protocol": 1},
                "type": REQUEST_TYPE,
                "version": CLAIMS_VERSION,
            },
        }
        text = b"%b.%b" % (_HEADER, encode_segment(msgspec.json.encode(claims)))
        return text + b"." + encode_segment(self._server.sign(text))

    def message(self, token: str, expires_at: int) -> bytes:
        """Make what stands in a message after its reply subject: sizes, header if any, payload; sealed for an xkey."""
        payload = self.make(token, expires_at)
        if self._sealing is None:
            return b" %d\r\n%b\r\n" % (len(payload), payload)
        header = f"NATS/1.0\r\n{XKEY_HEADER}: {self._sealing.public}\r\n\r\n".encode()
        sealed = self._sealing.seal(payload, self._xkey)
        return b" %d %d\r\n%b%b\r\n" % (len(header), len(header) + len(sealed), header, sealed)

    @property
    def verb(self) -> bytes:
        """The word that such a message begins with."""
        return b"HPUB" if self._sealing else b"PUB"

    def open(self, answer: bytes) -> bytes:
        """Return an answer as it was before it was sealed."""
        return self._sealing.open(answer, self._xkey) if self._sealing else answer

    async def prepare(self, tokens: Sequence[str], number: int, expires_at: int) -> list[bytes]:
        """Make so many messages, for one token after the other and from the first again."""
        return await make_each(lambda position: self.message(tokens[position % len(tokens)], expires_at), range(number))
