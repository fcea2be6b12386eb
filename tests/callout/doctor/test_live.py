"""Being a client of a real server: what is tried, what is overheard meanwhile, and what is left behind."""

import asyncio
import contextlib
from typing import Any

import msgspec
import pytest

from callout.doctor.bearer import Bearer
from callout.doctor.findings import Check, Finding, Severity, ok
from callout.doctor.live import Outcome, Stage, try_live
from callout.doctor.repetition import MIN_LOGINS
from callout.doctor.request import Request
from callout.serviceaccounts import ServiceAccount
from tests.callout.doctor.on_server import count_connections, enter, enter_as_system, find_door, make_settings
from tests.callout.doctor.site import Site
from tests.interop.environments import Environment
from tests.interop.reference_callout import ReferenceCallout
from tests.waiting import PATIENCE_SECONDS, until
from workers.metrics import ALLOWED

TOKEN = "a-good-token"
BEARER = Bearer(
    TOKEN, ok(Check.TOKEN, "good"), "orders", "checkout", ServiceAccount("orders", "checkout", "u-1", {}), "_INBOX"
)
GRANTED: dict[str, Any] = {"pub": ["orders.>"], "sub": ["orders.>", "_INBOX_orders_checkout.>", "_INBOX.>"]}


def decide(callout: ReferenceCallout, request: Any) -> bytes | None:
    """Let in who shows the good token, and turn all others away."""
    if request["nats"]["connect_opts"].get("auth_token") == TOKEN:
        return callout.allow(request, **GRANTED)
    return callout.deny(request, "no")


async def set_stage(stack: contextlib.AsyncExitStack, environment: Environment, **changes: Any) -> Stage:
    """A stage with all that there is, unless something is changed."""
    service = await stack.enter_async_context(await enter(environment))
    system = await stack.enter_async_context(await enter_as_system(environment))
    stage = Stage(
        settings=make_settings(environment),
        door=find_door(environment),
        request=Request(live=True),
        service=service,
        system=system,
        callout_account=environment.keys.issuer.public,
        bearer=BEARER,
    )
    return msgspec.structs.replace(stage, **changes)


def try_out(environment: Environment, *, answered: bool = True, **changes: Any) -> tuple[Outcome, list[Any]]:
    """What comes of it, and what the callout was asked meanwhile; nothing may be left behind on the server."""

    async def run() -> tuple[Outcome, list[Any]]:
        before = await count_connections(environment)
        async with contextlib.AsyncExitStack() as stack:
            callout = ReferenceCallout(environment, decide)
            if answered:
                await stack.enter_async_context(callout)
            stage = await set_stage(stack, environment, **changes)
            outcome = await try_live(stage)

        async def is_as_before() -> bool:
            return before == await count_connections(environment)

        await until(is_as_before, PATIENCE_SECONDS, "the server has as many connections as before")
        return outcome, callout.requests

    return asyncio.run(asyncio.wait_for(run(), PATIENCE_SECONDS))


def count(**requests: int) -> bytes:
    """A page of metrics with these reasons; one is no reason, but stands for those let in."""
    names = {reason: "" if reason == ALLOWED else reason for reason in requests}
    return "".join(f'nats_auth_requests_total{{reason="{names[one]}"}} {requests[one]}\n' for one in requests).encode()


def by_check(outcome: Outcome) -> dict[Check, Finding]:
    """The findings by what they are about, each once."""
    found = {finding.check: finding for finding in outcome.findings}
    assert len(found) == len(outcome.findings)
    return found


def test_everything_is_tried_with_a_callout_that_works(in_server_mode: Environment) -> None:
    """Junk, nothing, and the token some times; who answers outside of the queue group is seen."""
    outcome, requests = try_out(in_server_mode)
    found = by_check(outcome)
    assert {
        Check.ANSWERED: Severity.OK,
        Check.JUNK_TOKEN: Severity.UNKNOWN,  # the metrics would tell who has refused it
        Check.BYPASS: Severity.OK,
        Check.SIGNING_KEY: Severity.OK,
        Check.XKEY: Severity.OK,
        Check.PATIENCE: Severity.OK,
        Check.RESPONDERS: Severity.WRONG,  # it is not the service
        Check.REPLICAS: Severity.UNKNOWN,  # as are the metrics
        Check.LOGIN: Severity.OK,
        Check.PERMISSIONS: Severity.OK,
        Check.ROUND_TRIP: Severity.OK,
    } == {check: finding.severity for check, finding in found.items()}
    assert "into APP" in found[Check.LOGIN].what
    shown = [request["nats"]["connect_opts"].get("auth_token", "") for request in requests]
    assert [TOKEN] * MIN_LOGINS == [token for token in shown if token == TOKEN]
    assert 1 == len({token for token in shown if token not in ("", TOKEN)})


def test_the_servers_clock_is_read_off_the_request(in_server_mode: Environment) -> None:
    """It is the one that made it, and this machine's own."""
    outcome, _ = try_out(in_server_mode, bearer=None)
    (reading,) = outcome.clocks
    assert reading.is_nats
    assert abs(reading.ahead) < PATIENCE_SECONDS


def test_nobody_answers(in_server_mode: Environment) -> None:
    """That is told from a refusal, and what needs an answer is not known."""
    outcome, _ = try_out(in_server_mode, answered=False, bearer=None)
    found = by_check(outcome)
    assert Severity.WRONG == found[Check.ANSWERED].severity
    assert "the server asks, and nobody answers" in found[Check.ANSWERED].what
    assert "nobody hears requests" in found[Check.RESPONDERS].what
    for check in (Check.LOGIN, Check.PERMISSIONS, Check.ROUND_TRIP):
        assert Severity.UNKNOWN == found[check].severity
        assert found[check].mend


def test_without_anybody_who_listens(in_server_mode: Environment) -> None:
    """What only requests tell is not known then; who is refused is seen all the same."""
    outcome, _ = try_out(in_server_mode, service=None, system=None, bearer=None)
    found = by_check(outcome)
    assert (Severity.UNKNOWN, Severity.UNKNOWN) == (found[Check.ANSWERED].severity, found[Check.RESPONDERS].severity)
    assert Severity.OK == found[Check.BYPASS].severity
    assert not {Check.SIGNING_KEY, Check.XKEY} & found.keys()


def test_a_token_that_is_refused(in_server_mode: Environment) -> None:
    """What it should be given cannot be looked at, nor a message be published."""
    bearer = Bearer("another-token", BEARER.finding, "orders", "checkout")
    outcome, _ = try_out(in_server_mode, bearer=bearer, request=Request(stream="EVENTS", subject="a", live=True))
    found = by_check(outcome)
    assert Severity.WRONG == found[Check.LOGIN].severity
    assert {Severity.UNKNOWN} == {found[check].severity for check in (Check.PERMISSIONS, Check.STREAM)}


def test_what_was_dropped_is_waited_for(in_server_mode: Environment, site: Site) -> None:
    """The service counts that later than it answers others, whose logins go on meanwhile."""
    site.first = [count(allowed=1), count(allowed=2)]
    site.body = count(allowed=3, request_unreadable=1)
    outcome, _ = try_out(
        in_server_mode, answered=False, bearer=None, request=Request(live=True, metrics_urls=(site.url,))
    )
    junk = by_check(outcome)[Check.JUNK_TOKEN]
    assert "this service refuses a token that is none, but says request_unreadable" == junk.what


@pytest.mark.parametrize(("workers", "logins"), [(1, 6), (3, 9)])
def test_pages_of_some_replicas_say_nothing_of_the_others(
    in_server_mode: Environment, site: Site, workers: int, logins: int
) -> None:
    """Another one may have refused what none of these has; and how many answer, only the system account tells."""
    site.body = count(allowed=1, token_malformed=0) + f'nats_auth_workers{{state="serving"}} {workers}\n'.encode()
    request = Request(live=True, metrics_urls=(site.url,))
    outcome, requests = try_out(in_server_mode, system=None, request=request)
    found = by_check(outcome)
    assert (Severity.UNKNOWN, Severity.OK) == (found[Check.JUNK_TOKEN].severity, found[Check.LOGIN].severity)
    assert found[Check.LOGIN].what.endswith(f"{logins} times of {logins}; how many answer is not known")
    assert logins == [one["nats"]["connect_opts"].get("auth_token") for one in requests].count(TOKEN)


def test_no_token_is_shown(in_server_mode: Environment) -> None:
    """Neither that which was given nor that which is none."""
    outcome, requests = try_out(in_server_mode)
    shown = msgspec.json.encode(outcome.findings).decode()
    tokens = {request["nats"]["connect_opts"].get("auth_token", "") for request in requests} - {""}
    assert 2 == len(tokens)
    assert not [token for token in tokens if token in shown]
