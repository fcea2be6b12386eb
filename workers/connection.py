"""The worker's connection to NATS: nats-py's client with the promises that it does not keep by itself.

Rules kept here:
- `flush` returns when the server has seen what was sent.
- Where TLS was asked for, nothing is sent in the clear, whatever the server's first line says.
- Nobody is logged in to but the servers that were given. A server names others (`connect_urls`), and does so before TLS
  begins: whoever stands in between could name his own, with a certificate that is good for it.
- Whatever a server says, or does not read, the client tries again: what it cannot understand is an error like any
  other, and no wait for the end of a connection is without an end (`workers.transport`).
- No message can end the reading, nor can an answer that comes when nobody waits for it any more. Messages of `listen`
  are cut out by `workers.frames` and handed over as they are read: nats-py's parser, queue and task would cost a sixth
  of a decision more for each (docs/performance.md).
- What is sent together is written together.
"""

import asyncio
import base64
import ssl
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final
from urllib.parse import urlsplit

from nats import errors
from nats.aio.client import Client, Srv
from nats.protocol.parser import AWAITING_CONTROL_LINE, Parser

from workers.frames import Cutter, Message, OversizeError
from workers.nkeys import decode_seed
from workers.settings import WorkerSettings
from workers.transport import WebSocketTransport, renew_transport

CONNECT_TIMEOUT_S: Final = 2
PING_INTERVAL_S: Final = 5  # with MAX_PINGS, a dead connection is noticed within 15 s
MAX_PINGS: Final = 2
RECONNECT_WAIT_S: Final = 0.25
FLUSH_TIMEOUT_S: Final = 5
MAX_ERROR_LENGTH: Final = 256  # characters; a line of a server may have a thousand times as many, and is logged
_ENCRYPTED: Final = ("tls", "wss")
_INFO: Final = b"INFO"


OnMessage = Callable[[Message], None]


class CuttingParser(Parser):
    """nats-py's parser, but for the messages of some subscriptions, which it never sees.

    Nor does it see an INFO after the first: all that it would learn from that are servers that nobody has named.

    Args:
        client: whose bytes it parses.
        takers: who gets the messages, for each such subscription.
    """

    def __init__(self, client: Client, takers: dict[bytes, OnMessage]) -> None:
        """Start at the beginning of a line."""
        self._takers = takers
        self._cutter = Cutter(takers)
        super().__init__(client)

    def reset(self) -> None:
        """Begin anew: another connection."""
        super().reset()
        self._cutter = Cutter(self._takers)

    async def parse(self, data: bytes = b"") -> None:
        """Take what was read.

        Raises:
            nats.errors.ProtocolError: no server says that.
        """
        try:
            await self._parse(data)
        except OversizeError as error:
            await self.nc._error_cb(error)  # noqa: SLF001  # nats-py says nothing of what it meets while it reads
            raise errors.ProtocolError from error

    async def _parse(self, data: bytes) -> None:
        cutter = self._cutter
        for piece in cutter.feed(data):
            if isinstance(piece, Message):
                self._takers[piece.sid](piece)
                continue
            if piece.startswith(_INFO):
                continue
            await super().parse(piece)
            if cutter is not self._cutter:
                return  # the connection ended with that, and with it the rest
            if self.buf or self.state != AWAITING_CONTROL_LINE:
                raise errors.ProtocolError  # it would keep a whole piece, and all that follows, for the rest of it


class CalloutClient(Client):
    """The client.

    Args:
        must_encrypt: whether a connection in the clear is refused.
    """

    def __init__(self, *, must_encrypt: bool = False) -> None:
        """Make a client that is not connected yet."""
        super().__init__()
        self._must_encrypt = must_encrypt
        self._ended = False
        self._takers: dict[bytes, OnMessage] = {}
        self._listening: list[Any] = []  # subscriptions
        self._ps = CuttingParser(self, self._takers)

    @property
    def tried_address(self) -> str:
        """Host and port of the server that was tried last, whether it can be reached or not; "" if none was."""
        tried = [(one.last_attempt, one.uri.netloc) for one in self._server_pool if one.last_attempt is not None]
        return max(tried)[1].rpartition("@")[2] if tried else ""

    async def listen(self, subject: str, queue: str, on_message: OnMessage) -> None:
        """Subscribe; each message is handed to `on_message` as it is read, which is not to wait for anything."""
        self._takers[b"%d" % (self._sid + 1)] = on_message  # the next number, before the server knows of it
        self._listening.append(await self.subscribe(subject, queue))

    async def stop_listening(self) -> None:
        """Leave; returns when every message that the server has sent to us is handed over."""
        while self._listening:
            await self._listening.pop().drain()

    async def close(self) -> None:
        """Close for good: no attempt to connect begins after that, nor is one that has begun gone on with."""
        self._ended = True
        await super().close()
        await self._end_websocket()  # nats-py takes the client for closed while it connects anew after a bad greeting

    async def send(self, messages: Sequence[tuple[bytes, bytes]]) -> None:
        """Publish messages, each a subject and a payload, in one piece.

        Raises:
            nats.errors.Error: they cannot be sent, or, of `MaxPayloadError`, one of them cannot.
        """
        if self.is_closed:
            raise errors.ConnectionClosedError
        fitting = [(subject, payload) for subject, payload in messages if len(payload) <= self.max_payload]
        command = b"".join([b"PUB %b %d\r\n%b\r\n" % (subject, len(data), data) for subject, data in fitting])
        if not self.is_connected and self._pending_data_size + len(command) > self._max_pending_size:
            raise errors.OutboundBufferLimitError
        await self._send_command(command)
        if self.is_connected:
            await self._write_waiting()
        if len(fitting) < len(messages):
            raise errors.MaxPayloadError

    async def flush(self, timeout: int = FLUSH_TIMEOUT_S) -> None:  # noqa: ASYNC109  # nats-py's signature
        """Return when the server has seen all that was sent.

        nats-py writes the PING past the buffer in which a SUB or UNSUB may still wait, so the PONG can come back before
        the server has seen those. During the first round trip that buffer is written; the second PING follows it.
        Draining stands on it: without it a request could still be sent to a worker that has stopped listening.
        """
        await super().flush(timeout)
        await super().flush(timeout)

    async def _write_waiting(self) -> None:
        """Write what waits, and wait while the server reads too slowly.

        nats-py's flusher does the same with a future, a queue and two turns of the loop for each time.
        """
        waiting, self._pending, self._pending_data_size = self._pending, [], 0
        assert self._transport is not None  # it is connected
        self._transport.writelines(waiting)
        try:
            await self._transport.drain()  # type: ignore[no-untyped-call]  # the library has no types there
        except OSError as error:
            await self._process_op_err(error)

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

    async def _end_websocket(self) -> None:
        if isinstance(self._transport, WebSocketTransport):
            # Whatever is wrong with it, it is given up, and who closes the client goes on: nats-py sees to it likewise.
            with suppress(Exception):
                self._transport.close()  # type: ignore[no-untyped-call]  # the library has no types there
                await self._transport.wait_closed()

    def _heed_end(self) -> None:
        # nats-py cancels what connects anew, and `asyncio.wait_for` before Python 3.12 loses that if what it waits for,
        # a refusal say, comes at the same moment. Such a client would try for ever.
        if self._ended:
            raise asyncio.CancelledError

    async def _connect_to_server(self, s: Srv) -> None:
        self._heed_end()
        self._transport = await renew_transport(self._transport, s.uri.scheme)
        if self._ended:  # meanwhile, and `close` has not seen this one
            await self._end_websocket()
        self._heed_end()
        async with asyncio.timeout(self.options["connect_timeout"]):  # which nats-py keeps with TCP alone
            await super()._connect_to_server(s)

    async def _process_connect_init(self) -> None:
        self._heed_end()
        # nats-py tries again after errors of these kinds alone, and stops trying for good after any other.
        try:
            await super()._process_connect_init()
        except (errors.Error, OSError):
            raise
        except Exception as error:
            raise errors.Error(f"the server does not greet as NATS does ({type(error).__name__})") from error

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        if self._must_encrypt and info.get("tls_available") and not self._is_encrypted():
            # It leaves TLS to us (`allow_non_tls`), and nats-py, which looks at this member next, would do without it.
            info["tls_required"] = True
        await super()._process_info({**info, "connect_urls": None}, initial_connection)

    async def _process_pong(self) -> None:
        # One that is late is for somebody who waits no more. nats-py would take that for an error, and end its reading.
        if self._pongs and self._pongs[0].done():
            self._pongs[0] = asyncio.get_running_loop().create_future()
        await super()._process_pong()

    async def _close(self, status: int, do_cbs: bool = True) -> None:
        # nats-py would send first what still waits: without an end if nobody reads, failing if the connection is lost.
        self._pending, self._pending_data_size = [], 0
        await super()._close(status, do_cbs)

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
        "flush_timeout": FLUSH_TIMEOUT_S,
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


def describe(error: Exception, server: str = "") -> str:
    """Say in a line what went wrong, with host and port of the server if they are known.

    The line may be what a server has said: it has `MAX_ERROR_LENGTH` characters at the most.
    """
    where = f"the NATS server {server}".rstrip()
    if is_silence(error):
        return f"{where} does not answer; is NATS_URL right?"
    if isinstance(error, OSError):
        return f"{where} cannot be reached ({error.strerror or error}); is NATS_URL right?"[:MAX_ERROR_LENGTH]
    return str(error)[:MAX_ERROR_LENGTH] or type(error).__name__


def is_silence(error: Exception) -> bool:
    """Tell whether nothing was heard of the server, in the time that there was."""
    return isinstance(error, TimeoutError | asyncio.TimeoutError) and not str(error)


def address_of(client: Client) -> str:
    """Return host and port of the server that a client is connected to."""
    url = client.connected_url
    return url.netloc if url else ""
