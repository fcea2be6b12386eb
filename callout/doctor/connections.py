"""The doctor's connections to NATS: nats-py, with every wait bounded. The only module here that imports it.

Rules kept here:
- A login has succeeded when the server has answered a ping after it: nats-py takes the server's own first PING, which
  comes while a slow callout is still waited for, for that answer.
- Credentials are sent even where the server says that it needs none: that is what other clients do.
- What is subscribed to is left again at once; nothing is ever joined to a queue group, nothing is answered.
"""

import asyncio
import base64
import json
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Self

import msgspec
from nats import errors
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from callout.doctor.logins import Door, Login, as_options
from workers.connection import CalloutClient, describe
from workers.frames import Message

LOGIN_SECONDS: Final = 5  # the server gives the callout two, and TLS and a far server need some
ANSWER_SECONDS: Final = 2.0  # for the first answer to a question to the servers
QUIET_SECONDS: Final = 0.3  # after the last answer: further servers of the cluster answer at about the same time
MAX_ANSWERS: Final = 1_000  # servers of a supercluster
MAX_HEARD: Final = 10_000  # requests: what a reconnect storm brings in the few seconds that are listened
MAX_HEARD_SIZE: Final = 1 << 16  # bytes of a request: a CONNECT has 4,096 at most, certificates come on top
NAME: Final = "nats-k8s-oidc-callout doctor"


BROKEN: Final = (errors.Error, OSError)
"""What a connection raises that breaks after its login, and what a time-out raises."""


class LoginError(Exception):
    """A login failed; the text is one line without secrets.

    Attributes:
        refused: whether a server refused it; otherwise none could be talked to.
        seconds: how long that took.
        info: what the server had said of itself.
    """

    def __init__(self, message: str, *, refused: bool, seconds: float, info: Mapping[str, Any]) -> None:
        super().__init__(message)
        self.refused = refused
        self.seconds = seconds
        self.info = info


class Heard(msgspec.Struct, frozen=True):
    """A message that was overheard; `xkey` is that of the server which has sealed it, `at` in Unix seconds."""

    payload: bytes
    xkey: str
    at: float


class Connection(CalloutClient):
    """A client that is logged in.

    Attributes:
        seconds: how long the login took.
    """

    def __init__(self, login: Login, *, must_encrypt: bool) -> None:
        """Make a client that is not connected yet."""
        super().__init__(must_encrypt=must_encrypt)
        self.seconds = 0.0
        self._has_login = bool(login.token or login.user or login.jwt)
        self._complaints: list[Exception] = []

    async def __aenter__(self) -> Self:
        return self

    @property
    def info(self) -> dict[str, Any]:
        """What the server says of itself."""
        return dict(self._server_info)

    async def note(self, error: Exception) -> None:
        """Keep what the server complains of; it is the client's `error_cb`."""
        self._complaints.append(error)

    def explain(self, error: Exception) -> str:
        """Say in a line why a login failed with that error, which may only say that no server is left to try."""
        cause = self.last_error or error
        return describe(
            self._complaints[-1] if isinstance(cause, errors.NoServersError) and self._complaints else cause
        )

    async def is_allowed(self) -> bool:
        """Tell whether the server has let pass all that was sent since the last time."""
        await self.flush()  # a complaint is sent before the answer to this
        allowed = not self._complaints
        self._complaints.clear()
        return allowed

    async def may_subscribe(self, subject: str) -> bool:
        """Try to subscribe, and leave again."""
        subscription = await self.subscribe(subject)
        allowed = await self.is_allowed()
        await subscription.unsubscribe()
        return allowed

    async def may_publish(self, subject: str, payload: bytes = b"") -> bool:
        """Publish; tell whether the server let it pass."""
        await self.publish(subject, payload)
        return await self.is_allowed()

    async def ask(self, subject: str, question: Mapping[str, object] | None = None, seconds: float = 0) -> list[bytes]:
        """Ask whoever answers to a subject, and return all answers; none if there are none, or it is not allowed."""
        inbox = self.new_inbox()
        answers = await self.subscribe(inbox)
        await self.publish(subject, json.dumps(question or {}).encode(), reply=inbox)
        heard: list[bytes] = []
        patience = seconds or ANSWER_SECONDS
        while len(heard) < MAX_ANSWERS and (message := await _maybe_next(answers, patience)) is not None:
            if message.headers and message.headers.get("Status"):  # nobody is there (503)
                break
            heard.append(message.data)
            patience = QUIET_SECONDS
        await answers.unsubscribe()
        await self.is_allowed()  # what was complained of now concerns nobody later
        return heard

    @asynccontextmanager
    async def overhear(self, subject: str) -> AsyncIterator[list[Heard]]:
        """Listen to a subject within the block, outside of any queue group; heard is all that is sent by its end."""
        heard: list[Heard] = []

        def keep(message: Message) -> None:
            if len(heard) < MAX_HEARD and len(message.payload) <= MAX_HEARD_SIZE:
                heard.append(Heard(message.payload, message.xkey, time.time()))

        await self.listen(subject, "", keep)
        await self.flush()
        try:
            yield heard
        finally:
            await self.stop_listening()

    def _connect_command(self) -> bytes:
        self._auth_configured = self._has_login
        return super()._connect_command()

    async def _process_headers(self, headers: Any) -> dict[str, str] | None:
        try:
            return await super()._process_headers(headers)
        except Exception:  # noqa: BLE001  # whatever a stranger has put there; nats-py would stop reading for good
            return None


async def log_in(door: Door, login: Login, inbox_prefix: str = "_INBOX") -> Connection:
    """Log in; whoever calls closes the connection.

    Raises:
        LoginError: it did not work.
    """
    client = Connection(login, must_encrypt=door.context is not None)
    options: dict[str, Any] = {
        **as_options(login, door.servers),
        "name": NAME,
        "inbox_prefix": inbox_prefix.encode(),
        "allow_reconnect": False,
        "max_reconnect_attempts": 1,
        "reconnect_time_wait": 0,
        "connect_timeout": LOGIN_SECONDS,
        "error_cb": client.note,
    }
    if login.jwt:
        options |= {"user_jwt_cb": login.jwt.encode, "signature_cb": _make_signature(login)}
    if door.context is not None:
        options["tls"] = door.context
    began = time.monotonic()
    try:
        async with asyncio.timeout(2 * LOGIN_SECONDS):
            await client.connect(**options)
            await client.flush(LOGIN_SECONDS)
    except (errors.Error, OSError, ValueError) as error:  # a time-out is an OSError, too
        seconds = time.monotonic() - began
        cause = client.explain(error)
        info = client.info
        await client.close()
        refused = bool(info) and not isinstance(error, ssl.SSLError) and "TLS" not in str(error)
        raise LoginError(cause, refused=refused, seconds=seconds, info=info) from None
    except BaseException:  # whatever it was, no half-open connection is left behind
        await client.close()
        raise
    client.seconds = time.monotonic() - began
    return client


@asynccontextmanager
async def logged_in(door: Door, login: Login) -> AsyncIterator[Connection]:
    """Log in within the block.

    Raises:
        LoginError: it did not work.
    """
    client = await log_in(door, login)
    try:
        yield client
    finally:
        await client.close()


def _make_signature(login: Login) -> Callable[[str], bytes]:
    key = login.key
    # A bearer's JWT is enough by itself; nats-py sends it only beside a signature, which may be empty.
    return (lambda _: b"") if key is None else (lambda nonce: base64.b64encode(key.sign(nonce.encode())))


async def _maybe_next(subscription: Subscription, seconds: float) -> Msg | None:
    try:
        return await subscription.next_msg(seconds)
    except (errors.Error, OSError):
        return None
