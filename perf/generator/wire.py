"""NATS as the load generators speak it: bytes made beforehand, and no more of the protocol than it takes.

Source: https://docs.nats.io/reference/reference-protocols/nats-protocol; for MQTT 3.1.1 chapter 3 of
https://docs.oasis-open.org/mqtt/mqtt/v3.1.1/os/mqtt-v3.1.1-os.html; for WebSocket RFC 6455.

Rules kept here:
- Whatever can be made before the clock runs is made before: lines and packets are bytes.
- A verdict on a login is the server's own: `PONG` or a CONNACK of 0 for yes; an error, or the end of the connection,
  for no.
- Nothing secret is sent in the clear to a server that wants TLS: its greeting says so before anybody logs in.
- An address holds no password, and nothing of one that does is shown.
"""

import base64
import json
import re
import ssl
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final, Self

import msgspec

from callout.doctor import logins
from callout.files import reason_of
from callout.printable import make_printable
from callout.secret import HIDDEN, looks_secret
from callout.urls import MAX_PORT
from workers.jose import encode_segment
from workers.nkeys import KeyPair

NATS_PORTS: Final = {"nats": 4222, "tls": 4222}
"""Schemes of an address, the one in the clear and the one with TLS, and the ports that they stand for."""
WEBSOCKET_PORTS: Final = {"ws": 80, "wss": 443}
MQTT_PORTS: Final = {"mqtt": 1883, "tls": 8883}
PING: Final = b"PING\r\n"
PONG: Final = b"PONG\r\n"
MAX_CONNECT: Final = 4096  # bytes behind the verb: nats-server's `max_control_line`, unless it is told otherwise
MAX_QUOTED: Final = 200  # characters of what a server says that are shown
UNGREETED: Final = (
    "the server has ended the connection without a greeting: with handshake_first: true in its tls it gives none, and"
    " cannot be measured; with auto it can"
)
_CLIENT: Final = {"verbose": False, "pedantic": False, "lang": "perf", "version": "0", "protocol": 1, "headers": True}
_WEBSOCKET_KEY: Final = base64.b64encode(b"any sixteen byte").decode()  # nobody here checks what comes of it
_BINARY_FRAME: Final = 0x82  # FIN, opcode 2
_MASKED: Final = 0x80  # a client's frames are; with a mask of zeros the bytes stay as they are
_TWO_BYTE_LENGTH: Final = 126
_MQTT_CONNECT: Final = 0x10
_MQTT_LEVEL: Final = 4  # 3.1.1
_MQTT_FLAGS: Final = 0xC2  # user name, password, clean session
_MQTT_KEEP_ALIVE: Final = 60  # seconds
_ADDRESS: Final = re.compile(
    r"(?P<scheme>[A-Za-z]+)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)(?::(?P<port>[0-9]{1,5}))?/?"
)


class Address(msgspec.Struct, frozen=True):
    """Where a server listens; `tls` is how to check it, None for a connection in the clear."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None


class Login(msgspec.Struct, frozen=True):
    """Whom a connection is for: members of CONNECT, and the key that signs the server's nonce."""

    members: dict[str, Any]
    key: KeyPair | None = None

    @classmethod
    def by_token(cls, token: str, sentinel: str = "") -> Self:
        """Log in as a pod does; operator mode may want the JWT of a sentinel beside the token."""
        return cls({"auth_token": token, **({"jwt": sentinel} if sentinel else {})})

    def __repr__(self) -> str:
        return f"Login({HIDDEN})"

    def line(self, nonce: str = "") -> bytes:
        """Make CONNECT, with the PING whose answer is the verdict."""
        members = _CLIENT | self.members
        if self.key is not None:
            members |= {"sig": encode_segment(self.key.sign(nonce.encode())).decode()}
        return b"CONNECT " + json.dumps(members, separators=(",", ":")).encode() + b"\r\n" + PING


MAX_TOKEN: Final = MAX_CONNECT - len(Login.by_token("").line().removeprefix(b"CONNECT ").removesuffix(b"\r\n" + PING))
"""Bytes of a token that nats-server still hands on: on a longer CONNECT it ends the connection."""


class _Greeting(msgspec.Struct):
    nonce: str = ""
    tls_required: bool = False
    tls_available: bool = False


def read_login(path: Path) -> Login:
    """Read a file that says who connects: credentials (`.creds`), or one line `user:password`.

    Raises:
        callout.config.credentials.CredentialError: it cannot be read, or holds neither.
    """
    found = logins.read_login(path)
    return Login({"jwt": found.jwt}, found.key) if found.jwt else Login({"user": found.user, "pass": found.password})


def read_greeting(line: bytes, address: Address) -> str:
    """Read the line INFO of a NATS server; return the nonce that credentials are to sign.

    Raises:
        ConnectionError: it is none, or one side wants TLS and the other does not.
    """
    greeting = _decode_greeting(line)
    _check_clear(greeting, address, NATS_PORTS)
    if address.tls is not None and not (greeting.tls_required or greeting.tls_available):
        raise ConnectionError("the server has no TLS: write nats:// for tls://, if that is as it should be")
    return greeting.nonce


def read_inner_greeting(line: bytes, address: Address) -> None:
    """Do as `read_greeting` with one that comes through a WebSocket, whose TLS began before.

    Raises:
        ConnectionError: it is none, or the server wants TLS where the address has none.
    """
    _check_clear(_decode_greeting(line), address, WEBSOCKET_PORTS)


def show_said(text: bytes) -> str:
    """Write what a server says for a terminal, which it may not command."""
    return make_printable(text.decode(errors="replace"), MAX_QUOTED)


def say_why(error: Exception) -> str:
    """Say in a line why there is no connection; of a certificate, what is wrong with it."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not trusted ({error.verify_message}); --ca-file names the authorities to trust"
    if isinstance(error, ssl.SSLError):
        return "there is no TLS with the other side: it may speak none, or want what this one has not"
    return str(error) or ("no answer" if isinstance(error, TimeoutError) else type(error).__name__)


def check_ca_file(path: Path) -> None:
    """See that a file holds certificates, before it is said of an address that it cannot be used.

    Raises:
        ValueError: it does not; completes "--ca-file names a file that …", and does not repeat the path.
    """
    try:
        ssl.create_default_context(cafile=str(path))
    except ssl.SSLError:
        raise ValueError("holds no certificate (PEM, between -----BEGIN CERTIFICATE----- and its end)") from None
    except OSError as error:
        raise ValueError(f"cannot be read: {reason_of(error)}") from None


def parse_address(url: str, ports: Mapping[str, int], ca_file: Path | None = None) -> Address:
    """Read an address such as ws://host:port; `ports` has two schemes, the second of them with TLS.

    Args:
        url: one address, without user and password.
        ports: what a scheme stands for where no port is said.
        ca_file: has passed `check_ca_file`.

    Raises:
        ValueError: it is none, in words that show nothing of it.
    """
    plain, encrypted = ports
    match = _ADDRESS.fullmatch(url)
    if match is None or match["scheme"].lower() not in ports or looks_secret(match["host"]):
        raise ValueError(f"has to be one address of the form {plain}://host:port or {encrypted}://host:port")
    port = ports[match["scheme"].lower()] if match["port"] is None else int(match["port"])
    if not 0 < port <= MAX_PORT:
        raise ValueError(f"has a port that is not between 1 and {MAX_PORT}")
    tls = None
    if match["scheme"].lower() == encrypted:
        tls = ssl.create_default_context(cafile=str(ca_file) if ca_file else None)
    return Address(match["host"].strip("[]"), port, tls)


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


def _decode_greeting(line: bytes) -> _Greeting:
    if line.startswith(b"-ERR"):
        raise ConnectionError(show_said(line))
    verb, _, members = line.partition(b" ")
    try:
        if verb == b"INFO":
            return msgspec.json.decode(members, type=_Greeting)
    except (ValueError, RecursionError):  # msgspec's errors are among the first; the second is for depth
        pass
    raise ConnectionError("this is no NATS server")


def _check_clear(greeting: _Greeting, address: Address, schemes: Iterable[str]) -> None:
    if address.tls is None and greeting.tls_required:
        plain, encrypted = schemes
        raise ConnectionError(f"the server wants TLS: write {encrypted}:// for {plain}://")


def _mqtt_text(value: str) -> bytes:
    raw = value.encode()
    return len(raw).to_bytes(2) + raw
