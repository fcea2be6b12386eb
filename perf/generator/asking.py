"""Requests straight to the subject, through a real nats-server: one thin connection that sends and takes the time.

Rules kept here:
- What is sent was made before. While the clock runs a request costs the generator a write and an answer a search for
  its line, so that what is measured is the service; its share is reported all the same.
- Answers are looked into when the clock has stopped: a denial is no login, and a quick one would look like a success.
- CPU counts from the first request until the last has left and the last answer has come. Neither the wait before nor
  the patience with those that stay unanswered is among it, for of idle time nobody takes a share.
- An open loop writes no more while the server takes no more: what is due then leaves late, and for how long that was is
  told. A server that has not taken within `STUCK_S` what was written ends it.
- What the server says is bounded and cut by `workers.frames`; what is none of NATS ends the connection, in one line.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from math import isnan, nan
from typing import Any, Final, cast

from callout.errors import CommandError
from perf.figures.processes import Meter
from perf.generator.answers import Answers, is_allowed
from perf.generator.hearing import GreetingLine, greet, split_message
from perf.generator.requests import ASKING_SUBJECT, INBOX, RequestMaker
from perf.generator.wire import PING, PONG, UNGREETED, Address, Login, say_why, show_said
from workers.frames import MAX_DIGITS, Cutter, OversizeError

CONNECT_S: Final = 10.0
STUCK_S: Final = 10.0  # the server has not taken what was written by then: it has stopped, or is as good as that
SILENCE_S: Final = 3.0  # without any answer: what is open then will not be answered; nobody waits longer than 2 s
TICK_S: Final = 0.001  # how often an open loop looks what is due
LOOK_S: Final = 0.05  # how often the CPU is read while answers are missing: about so much idle time it may hold
MAX_BURST: Final = 4096  # requests written at once: more would wait in this process
MIN_WALL_S: Final = 1e-9  # so that a rate of nothing is 0
_SUBSCRIPTION: Final = 1
_UNANSWERED: Final = -1.0
_UNASKED: Final = "the server sends a message that nobody has asked for"


MakeMeter = Callable[[], Meter]
"""Makes what takes the CPU time, when the first request is about to leave."""

_OF_OURSELVES: Final = partial(Meter, {})


class _Reading:
    """The CPU at the last moment that counts: whoever knows that one may have come takes it again."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self.cpu: dict[str, float] = {}

    def take(self) -> None:
        self.cpu = self._meter.read()


class Asker(asyncio.Protocol):
    """A connection as a user who may ask."""

    def __init__(self, login: Login, maker: RequestMaker) -> None:
        """Take whom to connect as."""
        self._login = login
        self._maker = maker
        self._transport: asyncio.Transport | None = None
        self._address: Address | None = None
        self._first: GreetingLine | None = GreetingLine()
        self._deaf = False  # between the greeting and TLS
        self._cutter = Cutter(())
        self._greeting: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writable = asyncio.Event()
        self._writable.set()
        self._prefix = b"%b.%b." % (INBOX.encode(), encode_moment())
        self._on_answer: Callable[[], None] | None = None
        self._round = 0
        self._sent: list[float] = []
        self._took: list[float] = []
        self._payloads: list[bytes] = []
        self._held_s = 0.0
        self._open = 0

    async def connect(self, address: Address) -> None:
        """Connect, and subscribe to the answers.

        Raises:
            CommandError: the server is not there, or does not want us.
        """
        loop = asyncio.get_running_loop()
        self._address = address
        try:
            async with asyncio.timeout(CONNECT_S):
                await loop.create_connection(lambda: self, address.host, address.port)
                nonce = await self._greeting
                if address.tls is not None:
                    plain = self._way
                    if self._failed.done():
                        await self._failed
                    self._deaf = False  # `start_tls` takes the transport's bytes over before it waits for any
                    self._transport = await loop.start_tls(plain, self, address.tls, server_hostname=address.host)
                self._way.write(self._login.line(nonce))
                self._way.write(b"SUB %b*.* %d\r\n%b" % (self._prefix, _SUBSCRIPTION, PING))
                await self._ready
        except (OSError, TimeoutError) as error:
            await self.close()
            raise CommandError(f"NATS at {address.host}:{address.port} cannot be asked: {say_why(error)}") from None

    async def ask_in_window(
        self, messages: Sequence[bytes], window: int, limit_s: float, meter: MakeMeter = _OF_OURSELVES
    ) -> Answers:
        """Send all, never more than `window` without an answer; stop sending after `limit_s`."""
        self._start_round(len(messages))
        reading = _Reading(meter())
        end = time.perf_counter() + limit_s
        position = 0
        done = asyncio.Event()

        def go_on() -> None:
            nonlocal position
            room = window - self._open
            if time.perf_counter() >= end:
                room = 0
            if room > 0 and position < len(messages):
                last = min(position + room, len(messages))
                self._send(messages, range(position, last))
                position = last
            if self._open == 0:
                done.set()

        self._on_answer = go_on
        began = time.perf_counter()
        go_on()
        heard, answered = began, -1
        while not done.is_set() and time.perf_counter() < heard + SILENCE_S:
            await self._wait(done.wait, LOOK_S)
            if position - self._open > answered:
                heard, answered = time.perf_counter(), position - self._open
                reading.take()
        return self._collect(began, reading.cpu)

    async def ask_on_time(
        self,
        messages: Sequence[bytes],
        due: Sequence[float],
        patience_s: float,
        began_at: float = 0,
        meter: MakeMeter = _OF_OURSELVES,
    ) -> Answers:
        """Send each at its time, whatever has become of those before; take answers for `patience_s` after the last.

        Args:
            messages: as `RequestMaker.message` makes them.
            due: seconds after the beginning, ascending.
            patience_s: as long as anybody waits for an answer.
            began_at: Unix seconds of the beginning; now if that is past.
            meter: takes the CPU from the beginning on.

        Raises:
            CommandError: the connection has ended, or the server takes no more.
        """
        self._start_round(len(messages))
        await asyncio.sleep(max(began_at - time.time(), 0))
        reading = _Reading(meter())
        began = time.perf_counter()
        position = 0
        while position < len(messages):
            now = time.perf_counter() - began
            last = position
            while last < len(messages) and due[last] <= now and last - position < MAX_BURST:
                last += 1
            if last > position:
                self._send(messages, range(position, last))
                position = last
                await self._wait_for_room()
            await asyncio.sleep(TICK_S if last < len(messages) and due[last] > now else 0)
        reading.take()
        missing, looked = self._open, time.perf_counter()
        end = looked + patience_s
        while self._open and time.perf_counter() < end:
            self._raise_failure()
            await asyncio.sleep(TICK_S)
            if self._open < missing and (not self._open or time.perf_counter() >= looked + LOOK_S):
                reading.take()
                missing, looked = self._open, time.perf_counter()
        return self._collect(began, reading.cpu, due)

    async def ask(self, message: bytes, patience_s: float = CONNECT_S) -> bytes:
        """Send one and return its answer, opened; empty if none comes."""
        self._start_round(1)
        done = asyncio.Event()
        self._on_answer = lambda: None if self._open else done.set()
        self._send([message], range(1))
        await self._wait(done.wait, patience_s)
        return self._open_answer(self._payloads[0]) if self._payloads[0] else b""

    async def close(self) -> None:
        """Leave."""
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the way to the server."""
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own do not say so

    def connection_lost(self, error: Exception | None) -> None:
        """Fail whoever waits."""
        ungreeted = self._address is not None and self._address.tls is not None and self._first is not None
        self._fail(str(error or (UNGREETED if ungreeted else "the server has closed the connection")))

    def pause_writing(self) -> None:
        """Let an open loop wait until what was written has left."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """Let it go on."""
        self._writable.set()

    def data_received(self, data: bytes) -> None:
        """Take answers, and whatever else the server says."""
        now = time.perf_counter()
        if self._failed.done():
            return
        try:
            self._hear_all(data, now)
        except (ConnectionError, OversizeError) as error:
            self._fail(str(error))
            self._way.abort()
            return
        if self._on_answer is not None:
            self._on_answer()

    def _hear_all(self, data: bytes, now: float) -> None:
        assert self._address is not None, "not connected"
        if self._deaf:
            raise ConnectionError("the server says more in the clear where TLS is to begin")
        if self._first is not None:
            found = self._first.feed(data)
            if found is None:
                return
            line, data = found
            welcome = greet(line, data, self._address)
            self._first = None
            self._deaf = self._address.tls is not None
            self._greeting.set_result(welcome.nonce)
        for part in self._cutter.feed(data):
            assert isinstance(part, bytes), "no subscription is the cutter's"
            words, payload = split_message(part)
            if payload or (words and words[0] in (b"MSG", b"HMSG")):
                self._take(words, payload, now)
            else:
                self._hear(part.rstrip())

    def _take(self, words: list[bytes], payload: bytes, now: float) -> None:
        *_, number, position = [b"", *words[1].split(b".")]
        if not (number.isdigit() and position.isdigit()) or len(position) > MAX_DIGITS:
            raise ConnectionError(_UNASKED)
        index = int(position)
        if number != b"%d" % self._round:
            return  # late, of a measurement that is over
        if index >= len(self._sent) or isnan(self._sent[index]):
            raise ConnectionError(_UNASKED)
        if self._took[index] >= 0:
            return  # a second answer
        if words[0] == b"HMSG":
            payload = payload[int(words[-2]) :]
        self._took[index] = now - self._sent[index]
        self._payloads[index] = payload
        self._open -= 1

    def _hear(self, line: bytes) -> None:
        if line == b"PING":
            self._way.write(PONG)
        elif line == b"PONG" and not self._ready.done():
            self._ready.set_result(None)
        elif line.startswith(b"-ERR"):
            self._fail(show_said(line))

    @property
    def _way(self) -> asyncio.Transport:
        assert self._transport is not None, "not connected"
        return self._transport

    def _fail(self, text: str) -> None:
        for waiting in (self._greeting, self._ready, self._failed):
            if not waiting.done():
                waiting.set_exception(ConnectionError(text))
                waiting.exception()  # nobody may be waiting for this one

    def _raise_failure(self) -> None:
        if self._failed.done():
            raise CommandError(f"the connection to NATS has ended: {self._failed.exception()}")

    async def _wait(self, wait: Callable[[], Awaitable[object]], limit_s: float) -> None:
        waiting = asyncio.ensure_future(wait())
        try:
            either: set[asyncio.Future[Any]] = {waiting, self._failed}
            await asyncio.wait(either, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if not waiting.done():
                waiting.cancel()
        self._raise_failure()

    async def _wait_for_room(self) -> None:
        self._raise_failure()
        if self._writable.is_set():
            return
        began = time.perf_counter()
        await self._wait(self._writable.wait, STUCK_S)
        self._held_s += time.perf_counter() - began
        if not self._writable.is_set():
            raise CommandError(
                f"nats-server takes no more requests: it has not taken within {STUCK_S:g} s what it was sent; see that"
                " it runs, and has the CPU that it needs"
            )

    def _start_round(self, number: int) -> None:
        self._raise_failure()
        self._round += 1
        self._on_answer = None
        self._sent = [nan] * number
        self._took = [_UNANSWERED] * number
        self._payloads = [b""] * number
        self._held_s = 0.0
        self._open = 0

    def _send(self, messages: Sequence[bytes], positions: range) -> None:
        head = b"%b %b %b%d." % (self._maker.verb, ASKING_SUBJECT.encode(), self._prefix, self._round)
        data = b"".join([b"%b%d%b" % (head, position, messages[position]) for position in positions])
        # Before the write: the kernel may let server and worker run before it lets us go on.
        self._sent[positions.start : positions.stop] = [time.perf_counter()] * len(positions)
        self._way.write(data)
        self._open += len(positions)

    def _collect(self, began: float, cpu: dict[str, float], due: Sequence[float] = ()) -> Answers:
        self._on_answer = None
        last = max((sent + took for sent, took in zip(self._sent, self._took, strict=True) if took >= 0), default=began)
        sent = [moment - began for moment in self._sent if not isnan(moment)]
        behind = [moment - wanted for moment, wanted in zip(sent, due, strict=False)]
        seconds: list[float] = []
        refusals: list[float] = []
        from_due: list[float] = []
        for position, (took, payload) in enumerate(zip(self._took, self._payloads, strict=True)):
            if took < 0:
                continue
            if not is_allowed(self._open_answer(payload)):
                refusals.append(took)
                continue
            seconds.append(took)
            if due:
                from_due.append(behind[position] + took)
        return Answers(
            seconds=seconds,
            refusals=refusals,
            unanswered=len(sent) - len(seconds) - len(refusals),
            wall=max(last - began, MIN_WALL_S),
            sent=sent,
            behind=behind,
            cpu=cpu,
            from_due=from_due,
            held_s=self._held_s,
            began=began,
        )

    def _open_answer(self, payload: bytes) -> bytes:
        """Return an answer in the clear; empty if it was not sealed for us, and so lets nobody in."""
        try:
            return self._maker.open(payload)
        except ValueError:
            return b""


def encode_moment() -> bytes:
    """Return characters of this very moment, which no other connection of this process has."""
    return f"{time.monotonic_ns():x}".encode()
