"""A message on its way: published as the client, and waited for in a stream that another user looks at."""

import asyncio
import time
from typing import Final

import msgspec

from callout.doctor.bearer import Bearer
from callout.doctor.connections import Connection, LoginError, logged_in
from callout.doctor.expectations import Delivery, StreamState, judge_delivery
from callout.doctor.findings import Check, Finding, unknown, wrong
from callout.doctor.logins import Door
from callout.doctor.request import Request

ARRIVAL_SECONDS: Final = 3.0  # a replicated stream takes milliseconds, a far one some hundred
POLL_SECONDS: Final = 0.1
MESSAGE: Final = b"callout doctor"


class _State(msgspec.Struct):
    messages: int = 0
    last_seq: int = 0


class _Config(msgspec.Struct):
    subjects: list[str] = []


class _Info(msgspec.Struct):
    """An answer of JetStream (`StreamInfo`, nats-server `server/jetstream_api.go`); an error has neither."""

    state: _State | None = None
    config: _Config = msgspec.field(default_factory=_Config)


async def deliver(door: Door, request: Request, client: Connection | None, bearer: Bearer) -> Finding:
    """Publish a message, and watch the stream."""
    if client is None:
        return unknown(Check.STREAM, "no client was let in, so none could publish", "a login that works, see above")
    assert request.stream_user is not None
    try:
        async with logged_in(door, request.stream_user) as reader:
            before = await _look(reader, request.stream)
            published = before is not None and await client.may_publish(request.subject, MESSAGE)
            after = await _wait(reader, request.stream, before) if before is not None and published else before
    except LoginError as error:
        what = f"the user of --nack-creds cannot log in: {error}"
        return wrong(Check.STREAM, what, "nats server check connection --creds FILE  # with these credentials")
    delivery = Delivery(request.stream, request.subject, before, after, published=published)
    return judge_delivery(delivery, bearer.namespace, bearer.name)


async def _wait(reader: Connection, stream: str, before: StreamState) -> StreamState | None:
    deadline = time.monotonic() + ARRIVAL_SECONDS
    while True:
        state = await _look(reader, stream)
        if state is None or state.last > before.last or time.monotonic() >= deadline:
            return state
        await asyncio.sleep(POLL_SECONDS)


async def _look(reader: Connection, stream: str) -> StreamState | None:
    """Ask for the stream's state; None if there is none of that name, or it may not be asked for."""
    for answer in await reader.ask(f"$JS.API.STREAM.INFO.{stream}"):
        try:
            info = msgspec.json.decode(answer, type=_Info)
        except (msgspec.MsgspecError, RecursionError):
            continue
        if info.state is not None:
            return StreamState(info.state.messages, info.state.last_seq, tuple(info.config.subjects))
    return None
