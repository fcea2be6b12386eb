"""Several workers, several services: each request has one answer, and none is lost when one of them leaves."""

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import Injector
from tests.interop.environments import Environment
from tests.interop.operation import REDUCED, Logins, serve
from tests.interop.server_configs import LISTENER
from tests.minting import NatsKey, PretendServer
from tests.waiting import until

pytestmark = pytest.mark.parametrize("environment", REDUCED, indirect=True, ids=str)

REQUESTS = 300
LOGINS = 100
ANSWER_SECONDS = 20
LONG_SECONDS = 60
"""For requests that wait on purpose: a true server gives up after two seconds, and they say so."""
SIGTERM_BIT = 1 << (signal.SIGTERM - 1)


@pytest.fixture
def cluster(tmp_path: Path) -> ChangingCluster:
    """A cluster of files, with one ServiceAccount."""
    made = ChangingCluster(tmp_path)
    made.put("orders", "checkout")
    return made


@contextlib.asynccontextmanager
async def observe_answers(environment: Environment) -> AsyncIterator[Counter[str]]:
    """Count how often each request is answered: the server's own and those that a test has sent.

    What had been published before the end of the block is in the counts after it.
    """
    answers: Counter[str] = Counter()

    async def count(message: Msg) -> None:
        answers[message.subject] += 1

    async with await environment._connect_as(LISTENER, {}) as observer:
        heard = await observer.subscribe("$SYS._INBOX.>", cb=count)
        await observer.flush()
        yield answers
        await observer.flush()
        await until(lambda: heard.pending_msgs == 0, ANSWER_SECONDS, "all answers are counted")


async def ask(environment: Environment, cluster: ChangingCluster, injector: Injector, number: int) -> list[str]:
    """Send requests of a server that does not exist, and return where their answers go.

    When this returns, the real server has handed them on to whoever is to answer them.
    """
    server, now, token = PretendServer(NatsKey.generate("server")), time.time(), cluster.token("orders", "checkout")
    issuer = environment.keys.issuer.public
    requests = [server.request(issuer, now=now, token=token, exp=int(now + LONG_SECONDS)) for _ in range(number)]
    return [await injector.send(request.payload) for request in requests]


async def test_each_request_is_answered_once(environment: Environment, cluster: ChangingCluster) -> None:
    """By one of six workers of two services; the end of both shows that no second answer was on its way."""
    async with observe_answers(environment) as answers, await environment.injector() as injector:
        async with (
            serve(environment, cluster, NATS_WORKERS="3") as one,
            serve(environment, cluster, NATS_WORKERS="3") as other,
        ):
            asked = await ask(environment, cluster, injector, REQUESTS)
            async with Logins(environment, lambda: cluster.token("orders", "checkout")) as logins:
                await logins.more(LOGINS)
            await until(lambda: answers.keys() >= set(asked), ANSWER_SECONDS, "every request is answered")
            shares = [service.metric("nats_auth_requests_total", result="allowed") for service in (one, other)]
            assert [0, 0] == [await service.stop() for service in (one, other)]
    assert [] == logins.refusals
    assert {1} == set(answers.values())
    assert len(answers) >= REQUESTS + LOGINS
    assert all(share > 0 for share in shares)
    assert sum(shares) == len(answers)


async def test_what_was_asked_before_the_end_is_answered(environment: Environment, cluster: ChangingCluster) -> None:
    """Workers that are told to leave while hundreds of requests wait for them answer all of them first."""
    async with observe_answers(environment) as answers, await environment.injector() as injector:
        async with serve(environment, cluster) as service:
            workers = service.worker_pids()
            for pid in workers:
                os.kill(pid, signal.SIGSTOP)
            asked = await ask(environment, cluster, injector, REQUESTS)
            os.kill(service.pid, signal.SIGTERM)
            await until(lambda: all(is_told_to_leave(pid) for pid in workers), ANSWER_SECONDS, "both are told to leave")
            assert not answers
            for pid in workers:
                os.kill(pid, signal.SIGCONT)
            assert 0 == await service.ended()
    assert Counter(asked) == answers


async def test_a_rolling_restart_costs_no_login(environment: Environment, cluster: ChangingCluster) -> None:
    """Two services are replaced one after the other while clients log in all the time."""
    async with contextlib.AsyncExitStack() as stack:
        services = [await stack.enter_async_context(serve(environment, cluster)) for _ in range(2)]
        logins = await stack.enter_async_context(Logins(environment, lambda: cluster.token("orders", "checkout")))
        for service in services:
            await logins.more()
            assert 0 == await service.stop()
            await logins.more()
            await stack.enter_async_context(serve(environment, cluster))
        await logins.more()
        assert [] == logins.refusals


def is_told_to_leave(pid: int) -> bool:
    """Tell whether a process that is stopped has a SIGTERM waiting for it (from Linux's /proc)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return any(int(line.split()[1], 16) & SIGTERM_BIT for line in lines if line.startswith("ShdPnd"))
