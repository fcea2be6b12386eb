"""NATS as the load generators speak it: bytes made beforehand, and no more of the protocol than it takes.

Source: https://docs.nats.io/reference/reference-protocols/nats-protocol; for MQTT 3.1.1 chapter 3 of
https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html; for WebSocket RFC 6455.

Rules kept here:
- Whatever can be made before the clock runs is made before: lines and packets are bytes.
- A verdict on a login is the server's own: `PONG` or a CONNACK of 0 for yes; an error, or the end of the connection,
  for no.
"""

import base64
import json
import ssl
from pathlib import Path
from typing import Any, Final, Self
from urllib.parse import urlsplit

import msgspec

from callout.config.credentials import UserCredentials, read_user_credentials
from callout.config.nats_url import split
from callout.secret import Secret
from workers.jose import encode_segment

DEFAULT_PORT: Final = 4222
MQTT_PORT: Final = 1883
PING: Final = b"PING\r\n"
PONG: Final = b"PONG\r\n"
_CLIENT: Final = {"verbose": False, "pedantic": False, "lang": "perf", "version": "0", "protocol": 1, "headers": True}
_WEBSOCKET_KEY: Final = base64.b64encode(b"any sixteen byte").decode()  # nobody here checks what comes of it
_BINARY_FRAME: Final = 0x82  # FIN, opcode 2
_MASKED: Final = 0x80  # a client's frames are; with a mask of zeros the bytes stay as they are
_TWO_BYTE_LENGTH: Final = 126
_MQTT_CONNECT: Final = 0x10
_MQTT_LEVEL: Final = 4  # 3.1.1
_MQTT_FLAGS: Final = 0xC2  # user name, password, clean session
_MQTT_KEEP_ALIVE: Final = 60  # seconds


class Address(msgspec.Struct, frozen=True):
    """Where a server listens; `tls` is how to check it, None for a connection in the clear."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Login(msgspec.Struct, frozen=True):
    """Whom a connection is for: members of CONNECT, and credentials that sign the server's nonce."""

    members: dict[str, Any]
    credentials: UserCredentials | None = None

    @classmethod
    def by_token(cls, token: str, sentinel: str = "") -> Self:
        """Log in as a pod does; operator mode may want the JWT of a sentinel beside the token."""
        return cls({"auth_token": token, **({"jwt": sentinel} if sentinel else {})})

    def line(self, nonce: str = "") -> bytes:
        """Make CONNECT, with the PING whose answer is the verdict."""
        members = _CLIENT | self.members
        if self.credentials is not None:
            signature = encode_segment(self.credentials.key.sign(nonce.encode())).decode()
            members |= {"jwt": self.credentials.jwt.reveal(), "sig": signature}
        return b"CONNECT " + json.dumps(members, separators=(",", ":")).encode() + b"\r\n" + PING


def parse_nats_url(url: str, creds: Path | None = None, ca_file: Path | None = None) -> tuple[Address, Login]:
    """Read `nats://user:password@host:port` (or tls://), of which several addresses are one too many.

    Raises:
        ValueError: it is none.
        callout.config.credentials.CredentialError: the credentials are none.
    """
    servers = split(Secret(url))
    if len(servers.urls) != 1:
        raise ValueError("one address is wanted")
    members: dict[str, Any] = {}
    if servers.user is not None and servers.password is not None:
        members = {"user": servers.user, "pass": servers.password.reveal()}
    elif servers.token is not None:
        members = {"auth_token": servers.token.reveal()}
    address = parse_address(servers.urls[0], ("nats", "tls"), DEFAULT_PORT, ca_file)
    return address, Login(members, read_user_credentials(creds) if creds else None)


def parse_address(url: str, schemes: tuple[str, str], port: int, ca_file: Path | None = None) -> Address:
    """Read an address such as ws://host:port; the second of the schemes is the one with TLS.

    Raises:
        ValueError: it is none.
    """
    parts = urlsplit(url)
    if parts.scheme not in schemes or not parts.hostname or parts.username is not None:
        raise ValueError(f"the address has to be of the form {schemes[0]}://host:port or {schemes[1]}://host:port")
    tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None) if parts.scheme == schemes[1] else None
    return Address(parts.hostname, parts.port or port, tls)


def websocket_upgrade(host: str) -> bytes:
    """Make the request that turns HTTP into a WebSocket (RFC 6455 section 4.1)."""
    lines = (
        "GET / HTTP/1.1",
        f"Host: {host}",
        "Upgrade: websocket",
        "Connection: Upgrade",
        f"Sec-WebSocket-Key: {_WEBSOCKET_KEY}",
        "Sec-WebSocket-Version: 13",
    )
    return "\r\n".join([*lines, "", ""]).encode()


def websocket_frame(payload: bytes) -> bytes:
    """Wrap bytes into one masked frame (RFC 6455 section 5.2)."""
    size = len(payload)
    if size < _TWO_BYTE_LENGTH:
        head = bytes([_BINARY_FRAME, _MASKED | size])
    else:
        head = bytes([_BINARY_FRAME, _MASKED | _TWO_BYTE_LENGTH]) + size.to_bytes(2)
    return head + bytes(4) + payload


def mqtt_connect(client_id: str, token: str) -> bytes:
    """Make MQTT's CONNECT: the token is the password."""
    head = _mqtt_text("MQTT") + bytes([_MQTT_LEVEL, _MQTT_FLAGS]) + _MQTT_KEEP_ALIVE.to_bytes(2)
    body = head + _mqtt_text(client_id) + _mqtt_text("pod") + _mqtt_text(token)
    size, length = len(body), b""
    while size or not length:  # the remaining length, seven bits a byte (section 2.2.3)
        size, low = divmod(size, 128)
        length += bytes([low | (0x80 if size else 0)])
    return bytes([_MQTT_CONNECT]) + length + body


def _mqtt_text(value: str) -> bytes:
    raw = value.encode()
    return len(raw).to_bytes(2) + raw
