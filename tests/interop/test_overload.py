"""More than can be decided in time: what has waited too long is dropped and counted, what comes then is answered."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from nats.aio.msg import Msg

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.environments import Environment
from tests.interop.operation import PLAIN, is_let_in, serve
from tests.interop.questions import ask, observe_answers
from tests.interop.server_configs import AUTH_SUBJECT
from tests.minting import decode_nats_jwt
from tests.service import Service
from tests.standstill import stopped
from tests.waiting import PATIENCE_SECONDS, until
from workers.reasons import Reason
from workers.server import MAX_WAIT_S, MAX_WAITING_BYTES

CLIENTS = 12
REQUESTS = 4000
"""Many more than a worker decides while they are sent, and fewer than it lets wait (`MAX_WAITING_REQUESTS`)."""
ROUNDS = 40
"""A worker that has decided them all before it is stopped is sent as many again."""

LARGE = (1 << 20) - (1 << 10)
"""Bytes: nearly as much as a NATS message may hold, and room for its header."""
GARBAGE: dict[str, tuple[bytes, dict[str, str] | None, int]] = {
    "ten thousand small ones": (b"\0\xff garbage", None, 10_000),
    "large ones": (b"e30." * (LARGE // 4), None, 200),
    "large headers": (b"x", {f"key-{number}": "x" for number in range(LARGE // 16)}, 20),
    "small ones with a hundred headers": (b"x", {f"key-{number}": "x" for number in range(100)}, 5_000),
}
"""Payload, header, and how many of them."""
PORTION_BYTES = 32 << 20
"""So much is sent at once: a server breaks with a client for which more than 64 MiB wait."""


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Environment]:
    """One environment: none of this depends on the server."""
    with Environment(PLAIN, tmp_path_factory.mktemp("nats")) as running:
        yield running


def count_late(service: Service) -> float:
    """How many requests were dropped because nobody waits for them any more."""
    return service.metric("nats_auth_requests_total", result="dropped", reason=Reason.REQUEST_EXPIRED)


async def test_what_the_servers_have_given_up_is_dropped(environment: Environment, cluster: ChangingCluster) -> None:
    """Workers that stood still answer none of the clients that were refused meanwhile, and the next one at once."""
    token = cluster.token("orders", "checkout")
    ends: list[int] = []

    async def note_end(request: Msg) -> None:
        ends.append(decode_nats_jwt(request.data.decode())["exp"])

    async with (
        observe_answers(environment) as answers,
        await environment.connect_listener() as listener,
        serve(environment, cluster) as service,
    ):
        await listener.subscribe(AUTH_SUBJECT, cb=note_end)
        await listener.flush()
        with stopped(*service.worker_pids(), service.pid):  # the supervisor would replace them some time
            refused = [is_let_in(environment, token) for _ in range(CLIENTS)]
            assert [False] * CLIENTS == await asyncio.gather(*refused)
            await until(lambda: len(ends) == CLIENTS, PATIENCE_SECONDS, "every request is overheard")
            # `exp` is cut to whole seconds, so until the next one a server may still wait.
            await until(lambda: time.time() >= max(ends) + 1, PATIENCE_SECONDS, "no server waits any more")
        await until(lambda: count_late(service) == CLIENTS, PATIENCE_SECONDS, "all of them are dropped")
        assert await is_let_in(environment, token)
        assert CLIENTS == count_late(service)
    assert 1 == sum(answers.values())


async def stand_still(service: Service, seconds: float) -> None:
    """Stop worker and supervisor for so long; the supervisor would replace the worker some time."""
    with stopped(*service.worker_pids(), service.pid):
        end = time.monotonic() + seconds
        await until(lambda: time.monotonic() > end, PATIENCE_SECONDS, "they have stood still for long enough")


async def test_what_has_waited_in_a_worker_is_dropped(environment: Environment, cluster: ChangingCluster) -> None:
    """Each request is answered once or dropped and counted; those that come afterwards are answered."""
    asked: list[str] = []
    async with (
        observe_answers(environment) as answers,
        await environment.injector() as injector,
        serve(environment, cluster, NATS_WORKERS="1") as service,
    ):

        def all_decided() -> bool:
            return len(answers) + count_late(service) == len(asked)

        for _ in range(ROUNDS):
            asked += await ask(environment, cluster, injector, REQUESTS)
            await stand_still(service, MAX_WAIT_S)
            await until(all_decided, PATIENCE_SECONDS, "all are answered or dropped")
            if dropped := count_late(service):
                break
        assert dropped > 0
        assert await is_let_in(environment, cluster.token("orders", "checkout"))
        asked += await ask(environment, cluster, injector, CLIENTS)
        await until(lambda: answers.keys() >= set(asked[-CLIENTS:]), PATIENCE_SECONDS, "the new ones are answered")
        assert dropped == count_late(service)
        assert dropped == sum(line["requests"] for line in service.log_lines("requests dropped"))
    assert {1} == set(answers.values())
    assert len(asked) - dropped + 1 == len(answers)


@pytest.mark.parametrize("kind", GARBAGE)
async def test_garbage_without_end_fills_no_memory(
    environment: Environment, cluster: ChangingCluster, kind: str
) -> None:
    """Whoever may publish to the subject sends what he likes: it is dropped and counted, and logins go on."""
    payload, headers, number = GARBAGE[kind]
    size = len(payload) + sum(len(name) + len(value) + 4 for name, value in (headers or {}).items())
    async with (
        await environment.injector() as injector,
        serve(environment, cluster, NATS_WORKERS="1") as service,
    ):
        (worker,) = service.worker_pids()
        before = peak_memory(worker)
        sent = 0

        def all_dropped() -> bool:
            return service.metric("nats_auth_requests_total", result="dropped") == sent

        while sent < number:
            portion = min(number - sent, PORTION_BYTES // size)
            await injector.flood(payload, portion, headers)
            sent += portion
            await until(all_dropped, PATIENCE_SECONDS, "all of it is dropped")
        assert await is_let_in(environment, cluster.token("orders", "checkout"))
        assert peak_memory(worker) - before < 2 * MAX_WAITING_BYTES
        assert [worker] == service.worker_pids()


def peak_memory(pid: int) -> int:
    """The most bytes that a process has ever had in memory (from Linux's /proc)."""
    (line,) = (line for line in Path(f"/proc/{pid}/status").read_text().splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) << 10
