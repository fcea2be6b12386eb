"""Many requests at once, and a count of the answers to each: for tests of what is lost and what is said twice."""

import contextlib
import time
from collections import Counter
from collections.abc import AsyncIterator

from nats.aio.msg import Msg

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import Injector
from tests.interop.environments import Environment
from tests.interop.inquirer import LONG_SECONDS
from tests.interop.server_configs import LISTENER
from tests.minting import NatsKey, PretendServer
from tests.waiting import PATIENCE_SECONDS, until


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
        await until(lambda: heard.pending_msgs == 0, PATIENCE_SECONDS, "all answers are counted")


async def ask(environment: Environment, cluster: ChangingCluster, injector: Injector, number: int) -> list[str]:
    """Send requests of a server that does not exist, and return where their answers go.

    When this returns, the real server has handed them on to whoever is to answer them.
    """
    server, now, token = PretendServer(NatsKey.generate("server")), time.time(), cluster.token("orders", "checkout")
    issuer = environment.keys.issuer.public
    requests = [server.request(issuer, now=now, token=token, exp=int(now + LONG_SECONDS)) for _ in range(number)]
    return await injector.send_all([request.payload for request in requests])
