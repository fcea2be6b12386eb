"""Being a client: with nothing, with a token that is none, and with one that is good.

Rules kept here:
- The doctor listens to requests only while its own login is under way, as the service's own user, in no queue group,
  and keeps of other clients' requests nothing but whether they were sealed.
- Every wait has a bound; a message is published only for `--nack`, and only to the subject that was named.
"""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Final

import msgspec

from callout.config.credentials import read_seed
from callout.config.table import Settings
from callout.doctor import attempts, web
from callout.doctor.attempts import Attempt, Counted
from callout.doctor.bearer import Bearer, try_permissions
from callout.doctor.clocks import SERVER, Reading
from callout.doctor.connections import Connection, Heard, LoginError, log_in
from callout.doctor.delivery import deliver
from callout.doctor.findings import Check, Finding, Severity, unknown
from callout.doctor.logins import NOBODY, Door, Login, stand_before
from callout.doctor.request import Request
from callout.doctor.requests import Asked, read_request
from callout.doctor.system import fetch_listeners, fetch_placement
from callout.doctor.users import AUTH_SUBJECT
from workers.nkeys import Kind
from workers.server import MAX_WAIT_S
from workers.user_jwt import Mode
from workers.xkeys import SealingKey

LOGINS: Final = 3  # with a good token: the first may be slower than the others, and the slowest counts
COUNT_SECONDS: Final = 2.0  # a denial is counted before it is sent, what was dropped within half a second
COUNT_POLL_SECONDS: Final = 0.1  # reading the page costs the service some milliseconds


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """Where it takes place.

    Attributes:
        service: a connection as the service's own user; None if it could not log in.
        system: one in the system account; None if there is none.
        callout_account: what requests are addressed to: a public key.
        bearer: who is to be let in; None if no token was given.
    """

    settings: Settings
    door: Door
    request: Request
    service: Connection | None
    system: Connection | None
    callout_account: str
    bearer: Bearer | None


class Count(msgspec.Struct, frozen=True):
    """What the service's counters say, or why they cannot be read; neither if nobody has said where they are."""

    counted: Counted | None = None
    problem: str = ""


class Outcome(msgspec.Struct, frozen=True):
    """What was found, and the clocks that requests have shown."""

    findings: list[Finding]
    clocks: list[Reading]


async def try_live(stage: Stage) -> Outcome:
    """Try it."""
    sealing = _read_sealing_key(stage.settings)
    junk, _ = await _attempt(stage, secrets.token_hex(16), sealing)
    bare, _ = await _attempt(stage, "", sealing)
    mode = stage.settings.nats_mode
    findings = [*attempts.judge_junk(junk, mode), attempts.judge_bare(bare)]
    asked = junk.asked or ()
    told = (
        attempts.judge_issuer(asked, mode, stage.callout_account),
        attempts.judge_sealing(asked, mode, sealing.public if sealing else ""),
    )
    findings += [finding for finding in told if finding is not None]
    findings.append(await _judge_listeners(stage))
    answered = [one.seconds for one in (junk,) if one.asked and one.seconds < MAX_WAIT_S]
    signed_rightly = mode is Mode.SERVER and any(
        one.check is Check.SIGNING_KEY and one.severity is Severity.OK for one in findings
    )
    findings += await _try_bearer(stage, sealing, answered, signed_rightly=signed_rightly)
    return Outcome(findings, [_read_clock(one) for one in asked if one.issued_at])


async def _try_bearer(
    stage: Stage, sealing: SealingKey | None, answered: list[float], *, signed_rightly: bool
) -> list[Finding]:
    bearer, needed = stage.bearer, "--token FILE or --serviceaccount NAMESPACE/NAME"
    if bearer is None:
        return [
            unknown(Check.LOGIN, "no token was given", needed),
            unknown(Check.PERMISSIONS, "no token was given", needed),
            attempts.judge_round_trip(answered),
        ]
    findings = []
    first, client = await _attempt(stage, bearer.token, sealing, bearer.inbox_prefix)
    try:
        found_in = await _find_account(stage, client)
        account, token = stage.settings.nats_account, bearer.finding
        findings.append(attempts.judge_login(first, account, found_in, token, signed_rightly=signed_rightly))
        findings.append(await try_permissions(stage.settings, bearer, client))
        if stage.request.stream:
            findings.append(await deliver(stage.door, stage.request, client, bearer))
    finally:
        if client is not None:
            await client.close()
    if first.let_in:
        answered.append(first.seconds)
    for _ in range(LOGINS - 1 if first.let_in else 0):
        again, client = await _attempt(stage, bearer.token, None, listen=False)
        if client is not None:
            answered.append(again.seconds)
            await client.close()
    findings.append(attempts.judge_round_trip(answered))
    return findings


async def _attempt(
    stage: Stage, token: str, sealing: SealingKey | None, inbox_prefix: str = "_INBOX", *, listen: bool = True
) -> tuple[Attempt, Connection | None]:
    """Log in with a token, or with nothing at all if it is empty; whoever calls closes the connection if there is one.

    A client that should not have got in is closed here, so that none is left behind by those who look no further.
    """
    login: Login = stand_before(stage.request.sentinel, token) if token else NOBODY
    before = await _count(stage) if listen else Count()
    client: Connection | None = None
    async with _overhear(stage.service if listen else None) as heard:
        try:
            client = await log_in(stage.door, login, inbox_prefix)
        except LoginError as error:
            seconds = error.seconds
        else:
            seconds = client.seconds
    asked = None if heard is None else tuple(_read_all(heard, sealing, token))
    silent = seconds >= MAX_WAIT_S
    count = before if before.counted is None else await _count_since(stage, before.counted, silent=silent)
    is_bearers = stage.bearer is not None and token == stage.bearer.token
    if client is not None and not is_bearers:
        await client.close()
    attempt = Attempt(client is not None, seconds, asked, count.counted, count.problem)
    return attempt, client if is_bearers else None


@asynccontextmanager
async def _overhear(service: Connection | None) -> AsyncIterator[list[Heard] | None]:
    if service is None or service.is_closed:
        yield None
        return
    async with service.overhear(AUTH_SUBJECT) as heard:
        yield heard


def _read_all(heard: list[Heard], sealing: SealingKey | None, token: str) -> Iterator[Asked]:
    """Read what was heard; kept is what is about our own login, or cannot be opened and so may be."""
    for one in heard:
        asked = read_request(one.payload, one.xkey, sealing, token, one.at)
        if asked.ours or not asked.readable:
            yield asked


def _read_clock(asked: Asked) -> Reading:
    # Of the server's time the fraction was cut off, half a second on average.
    return Reading(SERVER, asked.at - asked.issued_at - 0.5, is_nats=True)


async def _count(stage: Stage) -> Count:
    urls = stage.request.metrics_urls
    if not urls:
        return Count()
    try:
        return Count(await asyncio.to_thread(web.count_requests, urls))
    except web.PageError as error:
        return Count(problem=str(error))


async def _count_since(stage: Stage, before: Counted, *, silent: bool) -> Count:
    """Return by how much the counters rose: as soon as they do, or after silence when what was dropped is counted."""
    deadline = time.monotonic() + COUNT_SECONDS
    while True:
        after = await _count(stage)
        if after.counted is None:
            return after
        rise = attempts.find_rise(before, after.counted)
        if (any(rise.values()) and not silent) or time.monotonic() >= deadline:
            return Count(rise)
        await asyncio.sleep(COUNT_POLL_SECONDS)


async def _judge_listeners(stage: Stage) -> Finding:
    account = stage.callout_account
    if stage.system is None:
        return attempts.judge_listeners(None, account)
    if stage.settings.nats_mode is Mode.SERVER:
        account = await _find_account(stage, stage.service)
    if not account:
        needed = "a service user that can log in"
        return unknown(Check.RESPONDERS, "in which account the service's user is, is not known", needed)
    return attempts.judge_listeners(await fetch_listeners(stage.system, account), account)


async def _find_account(stage: Stage, client: Connection | None) -> str:
    if stage.system is None or client is None or client.client_id is None:
        return ""
    return await fetch_placement(stage.system, str(client.info.get("server_id", "")), client.client_id)


def _read_sealing_key(settings: Settings) -> SealingKey | None:
    path = settings.nats_xkey_file
    return SealingKey(read_seed(path, Kind.CURVE)) if path else None
