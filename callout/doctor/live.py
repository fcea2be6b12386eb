"""Being a client: with nothing, with a token that is none, and with one that is good.

Rules kept here:
- The doctor listens to requests only while its own login is under way, as the service's own user, in no queue group,
  and keeps of other clients' requests nothing but whether they were sealed.
- Every wait has a bound; a message is published only for `--nack`, and only to the subject that was named.
"""

import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec

from callout.config.credentials import read_seed
from callout.config.table import Settings
from callout.doctor import attempts, replicas
from callout.doctor.attempts import Attempt
from callout.doctor.bearer import Bearer, try_permissions
from callout.doctor.clocks import SERVER, Reading
from callout.doctor.connections import Connection, Heard, LoginError, log_in
from callout.doctor.counting import Count, count, count_since
from callout.doctor.delivery import deliver
from callout.doctor.findings import Check, Finding, Severity, unknown
from callout.doctor.logins import NOBODY, Door, Login, stand_before
from callout.doctor.repetition import Entry, choose_logins, judge_logins
from callout.doctor.request import Request
from callout.doctor.requests import Asked, read_request
from callout.doctor.system import fetch_listeners, fetch_placement
from callout.doctor.users import AUTH_SUBJECT
from workers.metrics import ALLOWED
from workers.nkeys import Kind
from workers.reasons import Reason
from workers.server import MAX_WAIT_S
from workers.user_jwt import Mode
from workers.xkeys import SealingKey


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


class _Audience(msgspec.Struct, frozen=True):
    """Who hears requests.

    Attributes:
        finding: what is to be said of them.
        responders: how many answer; None if that is not known, for pages may have been left out.
        unseen: how many of them no page tells of; None if that is not known.
        at_least: how many answer at least, where their number is not known.
    """

    finding: Finding
    responders: int | None = None
    unseen: int | None = None
    at_least: int = 0


class Outcome(msgspec.Struct, frozen=True):
    """What was found, and the clocks that requests have shown."""

    findings: list[Finding]
    clocks: list[Reading]


async def try_live(stage: Stage) -> Outcome:
    """Try it."""
    began = await count(stage.request.metrics_urls)
    sealing = _read_sealing_key(stage.settings)
    junk, _ = await _attempt(stage, secrets.token_hex(16), sealing)
    bare, _ = await _attempt(stage, "", sealing)
    mode = stage.settings.nats_mode
    audience = await _judge_listeners(stage, began, junk)
    findings = [*attempts.judge_junk(junk, mode, audience.unseen), attempts.judge_bare(bare), audience.finding]
    asked = junk.asked or ()
    told = (
        attempts.judge_issuer(asked, mode, stage.callout_account),
        attempts.judge_sealing(asked, mode, sealing.public if sealing else ""),
        attempts.judge_patience(asked),
    )
    findings += [finding for finding in told if finding is not None]
    answered = [one.seconds for one in (junk,) if one.asked and one.seconds < MAX_WAIT_S]
    signed_rightly = mode is Mode.SERVER and any(
        one.check is Check.SIGNING_KEY and one.severity is Severity.OK for one in findings
    )
    tried, logins = await _try_bearer(stage, sealing, answered, audience, signed_rightly=signed_rightly)
    findings += tried
    expected = ((junk, Reason.TOKEN_MALFORMED), (bare, Reason.TOKEN_MISSING), *((one, ALLOWED) for one in logins))
    astray = [attempt for attempt, outcome in expected if replicas.is_astray(attempt, outcome)]
    findings.append(await _judge_replicas(stage, began, astray))
    return Outcome(findings, [_read_clock(one) for one in asked if one.issued_at])


async def _try_bearer(
    stage: Stage,
    sealing: SealingKey | None,
    answered: list[float],
    audience: _Audience,
    *,
    signed_rightly: bool,
) -> tuple[list[Finding], list[Attempt]]:
    """Log in with the good token until all who answer were met, or one login went wrong; return all that were tried."""
    bearer, needed = stage.bearer, "--token FILE or --serviceaccount NAMESPACE/NAME"
    if bearer is None:
        return [
            unknown(Check.LOGIN, "no token was given", needed),
            unknown(Check.PERMISSIONS, "no token was given", needed),
            attempts.judge_round_trip(answered),
        ], []
    findings = []
    account = stage.settings.nats_account
    first, client = await _enter(stage, bearer, sealing)
    try:
        findings.append(await try_permissions(stage.settings, bearer, client))
        if stage.request.stream:
            findings.append(await deliver(stage.door, stage.request, client, bearer))
    finally:
        if client is not None:
            await client.close()
    entries = [first]
    logins = choose_logins(audience.responders, audience.at_least)
    while entries[-1].is_good(account) and len(entries) < logins:
        again, client = await _enter(stage, bearer, sealing)
        if client is not None:
            await client.close()
        entries.append(again)
    findings.append(judge_logins(entries, account, bearer.finding, audience.responders, signed_rightly=signed_rightly))
    tried = [entry.attempt for entry in entries]
    answered += [one.seconds for one in tried if one.let_in]
    findings.append(attempts.judge_round_trip(answered))
    return findings, tried


async def _enter(stage: Stage, bearer: Bearer, sealing: SealingKey | None) -> tuple[Entry, Connection | None]:
    """Log in with the good token; whoever calls closes the connection if there is one."""
    attempt, client = await _attempt(stage, bearer.token, sealing, bearer.inbox_prefix)
    try:
        return Entry(attempt, await _find_account(stage, client)), client
    except BaseException:
        if client is not None:
            await client.close()
        raise


async def _attempt(
    stage: Stage, token: str, sealing: SealingKey | None, inbox_prefix: str = "_INBOX"
) -> tuple[Attempt, Connection | None]:
    """Log in with a token, or with nothing at all if it is empty; whoever calls closes the connection if there is one.

    A client that should not have got in is closed here, so that none is left behind by those who look no further. What
    was counted is of use only if it was refused.
    """
    login: Login = stand_before(stage.request.sentinel, token) if token else NOBODY
    before = await count(stage.request.metrics_urls)
    client: Connection | None = None
    async with _overhear(stage.service) as heard:
        try:
            client = await log_in(stage.door, login, inbox_prefix)
        except LoginError as error:
            seconds = error.seconds
        else:
            seconds = client.seconds
    asked = None if heard is None else tuple(_read_all(heard, sealing, token))
    is_bearers = stage.bearer is not None and token == stage.bearer.token
    if client is not None and not is_bearers:
        await client.close()
    if client is not None or before.pages is None:
        return Attempt(client is not None, seconds, asked, None, before.problem), client if is_bearers else None
    after = await count_since(before.pages, silent=seconds >= MAX_WAIT_S)
    if after.pages is None:
        return Attempt(let_in=False, seconds=seconds, asked=asked, uncounted=after.problem), None
    rises = replicas.find_rises(before.pages, after.pages)
    return Attempt(let_in=False, seconds=seconds, asked=asked, counted=replicas.add_up(rises), pages=rises), None


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


async def _judge_replicas(stage: Stage, began: Count, astray: list[Attempt]) -> Finding:
    ended = await count(stage.request.metrics_urls)
    if began.pages is None or ended.pages is None:
        return replicas.miss_replicas(began.problem or ended.problem)
    return replicas.judge_replicas(began.pages, ended.pages, astray)


async def _judge_listeners(stage: Stage, began: Count, junk: Attempt) -> _Audience:
    account = stage.callout_account
    workers = replicas.count_workers(began.pages) if began.pages is not None else None
    at_least = workers or 0
    if stage.system is None:
        return _Audience(attempts.judge_listeners(None, account), at_least=at_least)
    if stage.settings.nats_mode is Mode.SERVER:
        account = await _find_account(stage, stage.service)
    if not account:
        needed = "a service user that can log in"
        what = "in which account the service's user is, is not known"
        return _Audience(unknown(Check.RESPONDERS, what, needed), at_least=at_least)
    if attempts.is_asked_elsewhere(junk):
        return _Audience(attempts.judge_elsewhere(account, stage.settings.nats_mode), at_least=at_least)
    listeners = await fetch_listeners(stage.system, account)
    responders = attempts.count_ours(listeners)
    unseen = None if workers is None else max(responders - workers, 0)
    return _Audience(attempts.judge_listeners(listeners, account, unseen), responders, unseen)


async def _find_account(stage: Stage, client: Connection | None) -> str:
    if stage.system is None or client is None or client.client_id is None:
        return ""
    return await fetch_placement(stage.system, str(client.info.get("server_id", "")), client.client_id)


def _read_sealing_key(settings: Settings) -> SealingKey | None:
    path = settings.nats_xkey_file
    return SealingKey(read_seed(path, Kind.CURVE)) if path else None
