"""The worker's connection to NATS: nats-py's client with the promises that it does not keep by itself.

Rules kept here:
- `flush` returns when the server has seen what was sent.
- Where TLS was asked for, nothing is sent in the clear, whatever the server's first line says.
- No message can end the reading: a header that nats-py cannot parse is no header.
- Each message knows when it arrived, so that one that has waited too long can be told.
"""

import asyncio
import base64
import ssl
import time
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import urlsplit

from nats import errors
from nats.aio.client import Client
from nats.aio.msg import Msg

from workers.nkeys import decode_seed
from workers.settings import WorkerSettings

CONNECT_TIMEOUT_S: Final = 2
PING_INTERVAL_S: Final = 5  # with MAX_PINGS, a dead connection is noticed within 15 s
MAX_PINGS: Final = 2
RECONNECT_WAIT_S: Final = 0.25
FLUSH_TIMEOUT_S: Final = 5
_ENCRYPTED: Final = ("tls", "wss")


@dataclass
class ArrivedMsg(Msg):
    """A message that knows when it arrived (monotonic seconds)."""

    arrived_at: float = field(default_factory=time.monotonic)


class CalloutClient(Client):
    """The client.

    Args:
        must_encrypt: whether a connection in the clear is refused.
    """

    msg_class = ArrivedMsg

    def __init__(self, *, must_encrypt: bool = False) -> None:
        """Make a client that is not connected yet."""
        super().__init__()
        self._must_encrypt = must_encrypt

    async def flush(self, timeout: int = FLUSH_TIMEOUT_S) -> None:  # noqa: ASYNC109  # nats-py's signature
        """Return when the server has seen all that was sent.

        nats-py writes the PING past the buffer in which a SUB or UNSUB may still wait, so the PONG can come back before
        the server has seen those. During the first round trip that buffer is written; the second PING follows it.
        Draining stands on it: without it a request could still be sent to a worker that has stopped listening.
        """
        await super().flush(timeout)
        await super().flush(timeout)

    def _connect_command(self) -> bytes:
        # The last moment before credentials are sent. The server's INFO says whether TLS is to follow, in the clear:
        # whoever stands in between could have changed it.
        if self._must_encrypt and not self._is_encrypted():
            raise errors.Error("the server offers no TLS, and NATS_URL or the TLS files ask for it")
        command: bytes = super()._connect_command()
        return command

    def _is_encrypted(self) -> bool:
        if self._current_server is not None and self._current_server.uri.scheme == "wss":
            return True
        writer = getattr(self._transport, "_io_writer", None)
        return writer is not None and writer.get_extra_info("ssl_object") is not None

    async def _process_headers(self, headers: Any) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except Exception:  # noqa: BLE001  # whatever a stranger has put there; nats-py would stop reading for good
            return None

    async def _read_loop(self) -> None:
        await super()._read_loop()
        if self.is_connected:  # it ended by a fault of its own, and the connection would stay deaf
            await self._process_op_err(errors.UnexpectedEOF())


def make_tls_context(settings: WorkerSettings) -> ssl.SSLContext | None:
    """Make the TLS context, or None if nothing asks for TLS; then the server may still ask for it.

    Raises:
        OSError: a certificate or key cannot be read, or is none.
    """
    encrypted = any(urlsplit(server).scheme in _ENCRYPTED for server in settings.servers)
    if not (encrypted or settings.tls_ca_file or settings.tls_cert_file):
        return None
    context = ssl.create_default_context(cafile=settings.tls_ca_file or None)
    if settings.tls_cert_file:
        context.load_cert_chain(settings.tls_cert_file, settings.tls_key_file)
    return context


def make_options(settings: WorkerSettings, context: ssl.SSLContext | None) -> dict[str, Any]:
    """Make the options of nats-py's `connect`, but for the callbacks."""
    options: dict[str, Any] = {
        "servers": list(settings.servers),
        "name": f"nats-k8s-oidc-callout worker {settings.worker}",
        "allow_reconnect": True,
        "max_reconnect_attempts": -1,
        "reconnect_time_wait": RECONNECT_WAIT_S,
        "connect_timeout": CONNECT_TIMEOUT_S,
        "ping_interval": PING_INTERVAL_S,
        "max_outstanding_pings": MAX_PINGS,
        "drain_timeout": settings.drain_timeout,
        "no_echo": True,
    }
    if settings.user_seed:
        key = decode_seed(settings.user_seed)
        options["user_jwt_cb"] = settings.user_jwt.encode
        options["signature_cb"] = lambda nonce: base64.b64encode(key.sign(nonce.encode()))
    if settings.token:
        options["token"] = settings.token
    if settings.user:
        options |= {"user": settings.user, "password": settings.password}
    if context is not None:
        options["tls"] = context
    return options


def describe(error: Exception) -> str:
    """Say in a line what went wrong."""
    if isinstance(error, TimeoutError | asyncio.TimeoutError) and not str(error):
        return "the NATS server does not answer; is NATS_URL right?"
    if isinstance(error, OSError):
        return f"the NATS server cannot be reached ({error.strerror or error}); is NATS_URL right?"
    return str(error) or type(error).__name__


def address_of(client: Client) -> str:
    """Return host and port of the server that a client is connected to."""
    url = client.connected_url
    return url.netloc if url else ""
