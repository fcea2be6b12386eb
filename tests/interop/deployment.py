"""The product beside a real server: `callout serve` with two workers, a cluster, and workloads that log in."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.interop.cast import CAST, Account
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import WorkloadClient
from tests.interop.environments import Environment, Placement, Setting
from tests.interop.inquirer import Inquirer
from tests.minting import ALGORITHMS, CurveKey, Issuer, NatsKey, PretendServer
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until

WORKERS = "2"
_RSA_FAMILIES = ("RS", "PS")


class Deployment(msgspec.Struct, frozen=True):
    """A running server, the running product, and the cluster that they serve.

    Attributes:
        issuers: keys of the cluster besides its usual one: one for each algorithm that the product accepts.
    """

    environment: Environment
    service: Service
    cluster: ChangingCluster
    issuers: tuple[Issuer, ...]

    def token(self, account: Account, **claims: Any) -> str:
        """A token of that ServiceAccount; `claims` are those of `Issuer.token`."""
        return self.cluster.token(account.namespace, account.name, **claims)

    async def connect(self, account: Account, token: str | None = None, **options: Any) -> WorkloadClient:
        """A workload's client that listens on its private inbox; `options` are those of `Environment.connect`."""
        inbox = {"inbox_prefix": account.inbox.encode()}
        return await self.environment.connect(token or self.token(account), **(inbox | options))

    @contextlib.asynccontextmanager
    async def inquirer(self) -> AsyncIterator[Inquirer]:
        """One who asks the service as a server would."""
        keys, sealed = self.environment.keys, self.environment.setting.xkey
        async with await self.environment.injector() as injector:
            yield Inquirer(
                injector,
                self.service,
                server=PretendServer(NatsKey.generate("server"), CurveKey.generate() if sealed else None),
                issuer=keys.issuer.public,
                curve=keys.curve.public if sealed else None,
            )

    def count(self, reason: str) -> float:
        """How many requests the metrics count with that reason; "" stands for those allowed."""
        return self.service.metric("nats_auth_requests_total", reason=reason)

    async def until_counted(self, reason: str, requests: float) -> None:
        """Wait until the metrics count just so many with that reason."""
        what = f"the metrics count {requests} requests with reason {reason!r}"
        await until(lambda: self.count(reason) == requests, PATIENCE_SECONDS, what)


@contextlib.contextmanager
def deploy(setting: Setting, folder: Path) -> Iterator[Deployment]:
    """Run server and product inside the block, with files in `folder`.

    Nothing that the tests did may have harmed the product: it still runs with the workers it began with, ends in order,
    and has printed nothing but its log.
    """
    home = folder / "nats"
    home.mkdir()
    with Environment(setting, home) as environment, serve(environment, folder) as deployment:
        service = deployment.service
        asyncio.run(service.ready())
        workers = service.worker_pids()
        yield deployment
        assert workers == service.worker_pids()
        assert 0 == asyncio.run(service.stop())
        assert [] == service.plain_lines
        assert [] == service.log_lines(level="error")


@contextlib.contextmanager
def serve(
    environment: Environment,
    folder: Path,
    *,
    placement: Placement = "clients",
    own_key: bool = False,
    **variables: str,
) -> Iterator[Deployment]:
    """Run the product beside a server inside the block, with those `variables` besides; see `Environment.service_env`.

    It has just been started: await `Service.ready`.
    """
    cluster = ChangingCluster(folder)
    cluster.signer = Issuer.generate("RS256")
    # One RSA key for all the algorithms of its kind: drawing it is the dear part.
    issuers = tuple(
        Issuer(alg, alg, cluster.signer.key) if alg.startswith(_RSA_FAMILIES) else Issuer.generate(alg, alg)
        for alg in ALGORITHMS
    )
    cluster.publish(cluster.signer, *issuers)
    for account in CAST:
        cluster.put(account.namespace, account.name, pub=account.pub, sub=account.sub)
    chosen = {"NATS_WORKERS": WORKERS, "HTTP_HOST": "127.0.0.1", "LOG_LEVEL": "debug"} | cluster.variables | variables
    given = environment.service_env(placement=placement, own_key=own_key)
    with Service(given | chosen) as service:
        yield Deployment(environment, service, cluster, issuers)
