"""Several workers, several services: each request has one answer, and none is lost when one of them leaves."""

import contextlib
import os
import signal
from collections import Counter

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.interop.operation import REDUCED, SERVER_MODE, Logins, on, serve
from tests.interop.questions import ask, observe_answers
from tests.standstill import find_pending, stopped
from tests.waiting import PATIENCE_SECONDS, until

REQUESTS = 300
LOGINS = 100
LONG_DRAIN = "1m"
"""What they are asked for is what is tested, and not how fast this machine is."""


@on(*REDUCED)
async def test_each_request_is_answered_once(environment: Environment, cluster: ChangingCluster) -> None:
    """By one of six workers of two services; the end of both shows that no second answer was on its way."""
    async with (
        observe_answers(environment) as answers,
        await environment.injector() as injector,
        serve(environment, cluster, NATS_WORKERS="3") as one,
        serve(environment, cluster, NATS_WORKERS="3") as other,
    ):
        asked = await ask(environment, cluster, injector, REQUESTS)
        async with Logins(environment, cluster) as logins:
            await logins.more(LOGINS)
        await until(lambda: answers.keys() >= set(asked), PATIENCE_SECONDS, "every request is answered")
        shares = [service.metric("nats_auth_requests_total", result="allowed") for service in (one, other)]
        assert [0, 0] == [await service.stop() for service in (one, other)]
    assert [] == logins.refusals
    assert {1} == set(answers.values())
    assert len(answers) >= REQUESTS + LOGINS
    assert all(share > 0 for share in shares)
    assert sum(shares) == len(answers)


@on(*REDUCED)
async def test_what_was_asked_before_the_end_is_answered(environment: Environment, cluster: ChangingCluster) -> None:
    """Workers that are told to leave while hundreds of requests wait for them answer all of them first."""
    async with (
        observe_answers(environment) as answers,
        await environment.injector() as injector,
        serve(environment, cluster, DRAIN_TIMEOUT=LONG_DRAIN) as service,
    ):
        with stopped(*service.worker_pids()) as workers:
            asked = await ask(environment, cluster, injector, REQUESTS)
            os.kill(service.pid, signal.SIGTERM)
            await until(
                lambda: all(signal.SIGTERM in find_pending(pid) for pid in workers),
                PATIENCE_SECONDS,
                "both are told to leave",
            )
        assert 0 == await service.ended()
    assert Counter(asked) == answers


@on(SERVER_MODE[0], SERVER_MODE[-1])
async def test_a_rolling_restart_costs_no_login(environment: Environment, cluster: ChangingCluster) -> None:
    """One of two services is replaced, and then the other one leaves, while clients log in all the time."""
    async with contextlib.AsyncExitStack() as services:
        first, second = [await services.enter_async_context(serve(environment, cluster)) for _ in range(2)]
        async with Logins(environment, cluster) as logins:
            await logins.more()
            assert 0 == await first.stop()
            await logins.more()
            await services.enter_async_context(serve(environment, cluster))
            assert 0 == await second.stop()
            await logins.more()
        assert [] == logins.refusals
