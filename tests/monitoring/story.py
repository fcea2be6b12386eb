"""Some minutes in the life of a service, for the picture of the dashboard: logins, refusals, and what goes wrong.

Everything is real: Kubernetes' API, nats-server, two replicas of the service, clients that connect and leave. It lasts
as long as it lasts; nothing is asserted about it.

What it sleeps is its pace: a picture over time shows nothing that takes no time. All else waits for what it needs.
"""

import asyncio
import contextlib
import os
import random
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from perf.generator.crowd import Arrival, Crowd, make_client
from perf.generator.wire import Address
from tests.e2e.cluster import Cluster
from tests.e2e.deployment import Deployment
from tests.e2e.workloads import Workload, make_callout_with_rights, make_kubeconfig
from tests.monitoring.drawing import Event
from tests.monitoring.prometheus import Prometheus
from tests.service import Service
from tests.standstill import stopped
from tests.waiting import until

SCRAPE_S: Final = 5
CALM_S: Final = 40.0
"""Before, between and after what happens: eight scrapes, so that a curve has calmed down when the next thing comes."""
LIFE_S: Final = 3600.0
"""Longer than all of it: how long a stream waits for tokens that it may draw from."""
NAMESPACE: Final = "orders"
WORKLOADS: Final = 24
LOGINS_PER_S: Final = 25
REFUSED_PER_S: Final = 4
STORM: Final = 2500
HALT_S: Final = 5.0
"""More than a request may wait, so that some are dropped."""
OUTAGE_S: Final = 50.0
"""Ten scrapes without an API server."""


class Stream:
    """Clients that log in, so many a second, and leave again; in a thread of its own, within a `with` block.

    Args:
        address: of nats-server.
        tokens: what they draw from; may be changed meanwhile.
        rate: how many a second.
    """

    def __init__(self, address: Address, tokens: list[str], rate: int) -> None:
        self._address = address
        self._tokens = tokens
        self._rate = rate
        self._over = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="clients", daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    async def _run(self) -> None:
        while not self._over.is_set():
            tokens = list(self._tokens)
            if tokens:
                await storm(self._address, random.choices(tokens, k=self._rate), self._rate)
            else:
                await until(lambda: self._tokens or self._over.is_set(), LIFE_S, "there are tokens, or it is over")


async def storm(address: Address, tokens: Sequence[str], rate: int = 0) -> None:
    """Let a client come with each token, so many a second, or all at once; they leave when all have their verdict."""
    clients = [make_client("nats", token, number, "", address) for number, token in enumerate(tokens)]
    async with Crowd(address, "nats") as crowd:
        await crowd.arrive(clients, Arrival(at_once=len(clients), rate=rate))


class Story:
    """What happens, and when it did; `tell` takes some minutes.

    Args:
        cluster: where ServiceAccounts are made.
        address: of nats-server.
        services: the replicas.

    Attributes:
        events: what has happened so far.
    """

    def __init__(self, cluster: Cluster, address: Address, services: Sequence[Service]) -> None:
        self.events: list[Event] = []
        self._cluster = cluster
        self._address = address
        self._services = services
        self._workloads = [Workload(cluster, NAMESPACE, f"checkout-{number}") for number in range(WORKLOADS)]
        self._tokens = [workload.token() for workload in self._workloads]
        self._outdated: list[str] = []
        self._wrong = [self._workloads[0].token("--audience=vault"), *["no token"] * 2]

    def tell(self) -> None:
        """Do it all."""
        with (
            Stream(self._address, self._tokens, LOGINS_PER_S),
            Stream(self._address, self._outdated, REFUSED_PER_S),
            Stream(self._address, self._wrong, REFUSED_PER_S),
        ):
            time.sleep(CALM_S)
            for text, happen in (
                (
                    "of 24 ServiceAccounts 2 are deleted and 2 made again; the old tokens go on for a while",
                    self._revoke,
                ),
                ("a worker of one replica is killed", self._kill_worker),
                ("the API server goes down", self._stop_api_server),
                (
                    "it comes back and signs with another key, which the service does not know at first",
                    self._rotate_key,
                ),
                ("2,500 clients come at once", self._send_storm),
                ("all workers are halted for five seconds; what waited too long is dropped", self._halt_workers),
                ("a ServiceAccount is annotated with a subject that is none", self._annotate),
            ):
                self.events.append(Event(time.time(), text))
                happen()
                time.sleep(CALM_S)

    def _revoke(self) -> None:
        deleted, recreated = self._workloads[:2], self._workloads[2:4]
        self._outdated += self._tokens[:4]
        del self._tokens[:4]
        for workload in (*deleted, *recreated):
            workload.delete()
        for workload in recreated:
            workload.create()
        time.sleep(CALM_S)  # for which the old tokens are used
        self._outdated.clear()

    def _kill_worker(self) -> None:
        os.kill(self._services[0].worker_pids()[0], signal.SIGKILL)

    def _stop_api_server(self) -> None:
        self._cluster.kill()
        time.sleep(OUTAGE_S)

    def _rotate_key(self) -> None:
        self._cluster.keys = [self._cluster.make_signing_key(), *self._cluster.keys]
        self._cluster.start()
        self._tokens[:] = [workload.token() for workload in self._workloads[4:]]

    def _send_storm(self) -> None:
        asyncio.run(storm(self._address, random.choices(self._tokens, k=STORM)))

    def _halt_workers(self) -> None:
        pids = [pid for service in self._services for pid in service.worker_pids()]
        with stopped(*pids):
            time.sleep(HALT_S)

    def _annotate(self) -> None:
        self._workloads[5].annotate(pub="orders..created, audit.orders")


@contextlib.contextmanager
def running(tools: Path, make_folder: Callable[[str], Path]) -> Iterator[tuple[Story, Prometheus]]:
    """All that the story needs, within a `with` block; Prometheus has not read anything yet."""
    with contextlib.ExitStack() as stack:
        cluster = stack.enter_context(Cluster(tools, make_folder("cluster")))
        deployment = stack.enter_context(Deployment(tools, make_folder("deployment")))
        variables = make_kubeconfig(cluster, make_callout_with_rights(cluster))
        services = [stack.enter_context(deployment.serve(variables)) for _ in range(2)]
        port = urlsplit(deployment.url).port
        assert port is not None
        story = Story(cluster, Address("127.0.0.1", port), services)
        targets = [(f"replica-{number}", service.port) for number, service in enumerate(services)]
        yield story, stack.enter_context(Prometheus(make_folder("prometheus"), targets, SCRAPE_S))
