"""The shell around the decision: one NATS connection in the queue group, and nothing that decides.

Rules kept here:
- One answer to each request, from one member of one queue group: nats-server takes a second answer too, and an error
  that comes after a good one ends the client's connection.
- The connection comes back for ever. nats-py closes for good on some errors (two refusals, an expired JWT); then a new
  client is made here, as after a while without a connection, whatever the old one may still be doing: what it reports
  from then on counts for nothing. Only credentials refused before the first success end the worker: that will not mend
  itself.
- What waits is bounded, and the loop turns at least every few milliseconds, so that answers leave, pings are answered
  and stamps are written while a storm is worked off.
"""

import asyncio
import random
import ssl
import time
import traceback
from collections import Counter
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, Final

from nats.errors import ConnectionClosedError
from nats.errors import Error as NatsError

from workers.authorize import Allow, Authorizer, Denied, Outcome
from workers.backlog import Backlog
from workers.claims import RequestClaims
from workers.connection import RECONNECT_WAIT_S, CalloutClient, address_of, describe, is_silence, make_options
from workers.frames import Message
from workers.keyset import parse_keyset
from workers.logs import Log
from workers.metrics import WorkerMetrics
from workers.reasons import SETUP_REASONS, Reason
from workers.repeats import Repeats
from workers.sa_token import TokenRules, TokenVerifier
from workers.settings import WorkerSettings
from workers.snapshot import SnapshotReader, View
from workers.status import State, StatusPage

SUBJECT: Final = "$SYS.REQ.USER.AUTH"
QUEUE_GROUP: Final = "nats-k8s-oidc-callout"
MAX_WAITING_REQUESTS: Final = 8192  # at 5,000/s more than a request may wait; about 3 KB each
MAX_WAITING_BYTES: Final = 64 << 20
MAX_WAIT_S: Final = 1.5  # of the server's two seconds; what has waited longer is answered too late, whatever is done
IN_TURN_S: Final = 1.2  # with time for the ways to and from us; where in turn it would be more, the newest is first
_PACE_WEIGHT: Final = 1 / 64  # of a decision in the mean of what decisions take
# The longest stretch of decisions before the loop turns. So long that a full worker writes seldom: each write wakes a
# nats-server, which displaces a worker where they share a core. So short that more is read in a turn than decided: then
# what is too much waits here, where its age is known, and not in the socket.
MAX_TURN_S: Final = 0.006
STAMP_INTERVAL_S: Final = 0.5
MAX_DISCONNECTED_S: Final = 30.0  # time for a dozen silent servers; a client that has none by then may try no more
READY_POLL_S: Final = 0.02  # how often the snapshot is asked whether it is complete
REPEAT_S: Final = 30.0  # how often an error that goes on is logged
MAX_ERROR_KINDS: Final = 16  # that are logged in this time: what a server says is new as often as it likes
# Characters in a line of the log, thousands of which may wait. What is claimed may be longer than any true name.
MAX_NAMESPACE_LENGTH: Final = 63
MAX_NAME_LENGTH: Final = 253  # of a ServiceAccount, of a host, and more than anybody calls a server
_VERIFIED: Final = (Reason.SERVICEACCOUNT_UNKNOWN, Reason.SERVICEACCOUNT_RECREATED)  # only then the names are facts
# It asks us about whoever is none of auth_users, and so does not answer our own login in time.
_SILENCE_HINT: Final = " Is its user one of auth_users? See 'callout doctor'"
_REFUSALS: Final = ("authorization violation", "user authentication", "account authentication")

_Callback = Callable[..., Coroutine[Any, Any, None]]


class CredentialsRefusedError(Exception):
    """NATS refused our credentials before they had ever worked."""


class CalloutServer:
    """Answers authorization requests until told to stop.

    Args:
        settings: what the supervisor said.
        authorizer: decides.
        tokens: the authorizer's check of tokens; given the key set of the snapshot whenever that changes.
        snapshot: the reader's end.
        status: our page for the supervisor.
        metrics: our counters.
        tls: for the connection, if TLS was asked for.
        log: where denials go.
    """

    def __init__(
        self,
        settings: WorkerSettings,
        authorizer: Authorizer,
        tokens: TokenVerifier,
        snapshot: SnapshotReader,
        status: StatusPage,
        metrics: WorkerMetrics,
        tls: ssl.SSLContext | None,
        log: Log,
    ) -> None:
        """Take the parts; nothing is connected yet."""
        self._settings = settings
        self._authorizer = authorizer
        self._tokens = tokens
        self._snapshot = snapshot
        self._status = status
        self._metrics = metrics
        self._tls = tls
        self._log = log
        self._keyset_version = 0
        self._backlog = Backlog(MAX_WAITING_REQUESTS, MAX_WAITING_BYTES, MAX_WAIT_S, IN_TURN_S)
        self._decision_s = 0.0
        self._arrived = asyncio.Event()
        self._idle = asyncio.Event()
        self._dropped: Counter[Reason] = Counter()
        self._client = CalloutClient(must_encrypt=self._tls is not None)
        self._over = asyncio.Event()  # the client is of no more use
        self._connected_at = time.monotonic()
        self._subscribed = False
        self._refused: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._repeats = Repeats(REPEAT_S, MAX_ERROR_KINDS)
        self._setup_repeats = Repeats(REPEAT_S, len(SETUP_REASONS))

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop` is set, then drain.

        Raises:
            CredentialsRefusedError: NATS refused us, and had never accepted us before.
        """
        stamping = asyncio.create_task(self._stamp())
        working = asyncio.create_task(self._work())
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                try:
                    await _first_of(self._connect(), stopping)
                    await _first_of(self._serve(stop), stopping)
                except (NatsError, OSError) as error:
                    self._log.warning("the NATS client failed", error=describe(error))
                if not stop.is_set():
                    self._status.state = State.DISCONNECTED
                    self._log.warning("the NATS client has closed; making a new one")
                    await self._client.close()
                    await asyncio.sleep(RECONNECT_WAIT_S)
            await self._drain()
        finally:
            stopping.cancel()
            working.cancel()
            stamping.cancel()
            self._report_dropped()

    async def _connect(self) -> None:
        """Connect, for however long it takes."""
        self._client = CalloutClient(must_encrypt=self._tls is not None)
        self._over.clear()
        self._connected_at = time.monotonic()
        self._subscribed = False
        connecting = asyncio.create_task(self._client.connect(**self._connect_options(self._client)))
        waiting = asyncio.create_task(self._over.wait())
        try:
            await asyncio.wait({connecting, waiting}, return_when=asyncio.FIRST_COMPLETED)
            if self._refused.done() and not self._refused.cancelled():
                raise CredentialsRefusedError(self._refused.result())
            if not connecting.done():
                raise ConnectionClosedError
            await connecting
        finally:
            connecting.cancel()
            waiting.cancel()
        # nats-py takes the server's PING for the PONG it waits for, if that comes first: the verdict is still to come.
        if not self._client.is_connected:
            raise ConnectionClosedError
        self._refused.cancel()  # from now on a refusal may pass: somebody is changing credentials, say
        self._log.info("connected to NATS", server=address_of(self._client))

    async def _serve(self, stop: asyncio.Event) -> None:
        """Subscribe once the snapshot is complete, and stay until the client has closed for good.

        Nor longer than until `stop`: it is cancelled then, but nats-py, and `asyncio.wait_for` before Python 3.12, lose
        that if what they wait for comes at the same moment.
        """
        self._show_connection()
        # Connected too: `flush` returns at once while nats-py looks for a server.
        while not (self._is_ready() and self._client.is_connected):
            if self._over.is_set():
                return
            await asyncio.sleep(READY_POLL_S)
        await self._client.listen(SUBJECT, QUEUE_GROUP, self._on_message)
        await self._client.flush()  # the server has the subscription now
        self._subscribed = True
        self._show_connection()
        self._log.info("subscribed", subject=SUBJECT, queue_group=QUEUE_GROUP)
        await _any_of(self._over, stop)

    async def _drain(self) -> None:
        """Leave the queue group, finish what is waiting, flush, close."""
        self._status.state = State.DRAINING
        try:
            async with asyncio.timeout(self._settings.drain_timeout):
                if self._client.is_connected:
                    await self._client.stop_listening()
                    await self._idle.wait()
                    await self._client.flush()
        except (NatsError, OSError) as error:  # the limit's TimeoutError, too
            self._log.warning("drained without the server", error=describe(error))
        await self._client.close()

    def _on_message(self, message: Message) -> None:
        overflow = self._backlog.add(message, time.monotonic())
        if overflow:
            self._dropped[Reason.REQUEST_OVERFLOW] += overflow
        self._idle.clear()
        self._arrived.set()

    async def _work(self) -> None:
        """Decide on what waits, a little at a time, and let the loop turn in between."""
        while True:
            if self._backlog:
                await asyncio.sleep(0)
            else:
                self._arrived.clear()
                self._idle.set()
                await self._arrived.wait()
            try:
                if answers := self._take_turn():
                    await self._client.send(answers)
            except Exception as error:  # noqa: BLE001  # what befalls some is not to end the others' service
                await self._on_error(error)

    def _take_turn(self) -> list[tuple[bytes, bytes]]:
        """Decide for a while; return the answers, and to which subject each goes."""
        answers = []
        now = started = time.monotonic()
        if expired := self._backlog.expire(now):
            self._dropped[Reason.REQUEST_EXPIRED] += expired
        self._backlog.choose_order(now, self._decision_s)
        while self._backlog and now - started < MAX_TURN_S:
            request = self._backlog.take()
            message = request.message
            outcome = self._decide(message)
            if isinstance(outcome, Allow | Denied) and message.reply:
                answers.append((message.reply, outcome.answer))
            taken_up, now = now, time.monotonic()
            self._metrics.observe_duration(now - request.arrived_at)
            self._decision_s += (now - taken_up - self._decision_s) * _PACE_WEIGHT
            self._record(outcome)
        return answers

    def _decide(self, message: Message) -> Outcome | None:
        try:
            with self._snapshot.view() as view:
                self._follow_keyset(view)
                return self._authorizer.decide(message.payload, message.xkey, view, time.time(), random.random())  # noqa: S311  # jitter
        except Exception:  # noqa: BLE001  # one request that breaks the code is not to end the others' service
            self._log.error("decision failed", reason=Reason.INTERNAL_ERROR, traceback=traceback.format_exc(limit=-3))
            return None

    def _record(self, outcome: Outcome | None) -> None:
        """Count and log a decision."""
        if isinstance(outcome, Allow):
            self._metrics.count_allowed()
            if self._log.writes("debug"):
                self._log.debug(
                    "login allowed",
                    id=outcome.request_id,
                    namespace=outcome.identity.namespace,
                    serviceaccount=outcome.identity.name,
                    expires_at=outcome.expires_at,
                    **_origin(outcome.request),
                )
        elif isinstance(outcome, Denied):
            refusal = outcome.refusal
            self._metrics.count_refused(refusal.reason)
            if refusal.reason is Reason.TOKEN_UNKNOWN_KEY:
                self._status.count_unknown_key()
            self._log.info(
                "login denied",
                reason=refusal.reason,
                id=outcome.request_id,
                namespace=refusal.namespace[:MAX_NAMESPACE_LENGTH],
                serviceaccount=refusal.name[:MAX_NAME_LENGTH],
                verified=refusal.reason in _VERIFIED,
                **_origin(outcome.request),
            )
            # Every line above may be a client's doing, and is one of many; this is the operator's to mend.
            if refusal.reason in SETUP_REASONS and self._setup_repeats.is_due(refusal.reason, time.monotonic()):
                self._log.warning("requests refused", reason=refusal.reason, remedy=refusal.reason.remedy)
        else:
            self._dropped[Reason.INTERNAL_ERROR if outcome is None else outcome.reason] += 1

    def _follow_keyset(self, view: View) -> None:
        version = view.keyset_version
        if version != self._keyset_version:
            self._tokens.trust(parse_keyset(view.jwks), TokenRules(view.issuers, view.audiences))
            self._keyset_version = version

    def _is_ready(self) -> bool:
        with self._snapshot.view() as view:
            return view.ready

    async def _stamp(self) -> None:
        """Show that the loop turns, report from time to time what was dropped, and look after the connection."""
        while True:
            self._status.stamp_ns = time.monotonic_ns()
            self._report_dropped()
            self._watch_connection(time.monotonic())
            await asyncio.sleep(STAMP_INTERVAL_S)

    def _watch_connection(self, now: float) -> None:
        """Give up a client that has had no connection for long."""
        if self._client.is_connected:
            self._connected_at = now
        elif now - self._connected_at > MAX_DISCONNECTED_S:
            self._over.set()

    def _report_dropped(self) -> None:
        """Count and log what was dropped since the last time, in one line a reason instead of one a request."""
        dropped, self._dropped = self._dropped, Counter()
        for reason, requests in dropped.items():
            self._metrics.count_refused(reason, requests)
            self._log.warning("requests dropped", reason=reason, requests=requests, remedy=reason.remedy)

    async def _on_error(self, error: Exception) -> None:
        text = describe(error, self._client.tried_address)
        if not self._refused.done() and any(refusal in text.lower() for refusal in _REFUSALS):
            self._refused.set_result(text)
            self._over.set()
            return
        kind = describe(error).partition('"')[0]  # the server, and what is quoted, may be another each time
        if self._repeats.is_due(kind, time.monotonic()):
            untold = self._repeats.take_untold()
            hint = _SILENCE_HINT if is_silence(error) else ""
            self._log.warning("NATS error", error=f"{text}{hint}", **({"unlogged": untold} if untold else {}))

    async def _on_disconnect(self) -> None:
        self._show_connection()

    async def _on_reconnect(self) -> None:
        self._show_connection()  # nats-py has subscribed anew, and the server has answered since
        self._log.info("reconnected to NATS")

    def _show_connection(self) -> None:
        """Say on our page what the connection is good for."""
        if self._status.state is State.DRAINING:
            return
        if not self._client.is_connected:
            self._status.state = State.DISCONNECTED
        else:
            self._status.state = State.SERVING if self._subscribed else State.WAITING

    async def _on_closed(self) -> None:
        self._over.set()

    def _connect_options(self, client: CalloutClient) -> dict[str, Any]:
        callbacks: dict[str, _Callback] = {
            "error_cb": self._on_error,
            "disconnected_cb": self._on_disconnect,
            "reconnected_cb": self._on_reconnect,
            "closed_cb": self._on_closed,
        }
        bound = {name: partial(self._hear, client, callback) for name, callback in callbacks.items()}
        return make_options(self._settings, self._tls) | bound

    async def _hear(self, client: CalloutClient, callback: _Callback, *arguments: Any) -> None:
        """Take what a client reports, unless another is in its place: its end is not that one's."""
        if client is self._client:
            await callback(*arguments)


def _origin(request: RequestClaims) -> dict[str, str]:
    client, server = request.nats.client_info.host, request.nats.server_id.name
    return {"client": client[:MAX_NAME_LENGTH], "server": server[:MAX_NAME_LENGTH]}


async def _any_of(*events: asyncio.Event) -> None:
    """Wait for the first of them to be set."""
    waiting = [asyncio.create_task(event.wait()) for event in events]
    try:
        await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in waiting:
            task.cancel()


async def _first_of(work: Coroutine[Any, Any, None], stopping: asyncio.Task[bool]) -> None:
    """Run `work` until it ends or the stop comes; whatever it raises is raised."""
    task = asyncio.ensure_future(work)
    await asyncio.wait({task, stopping}, return_when=asyncio.FIRST_COMPLETED)
    if not task.done():
        task.cancel()
        await asyncio.wait({task})
    elif not task.cancelled():
        task.result()
