"""NATS goes away, comes back, refuses: the service outlives it, and says so."""

import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path

from tests.authority import Authority
from tests.interop.changing_cluster import ChangingCluster, replace
from tests.interop.environments import Environment
from tests.interop.key_server import KeyServer
from tests.interop.operation import (
    OPERATOR_MODE,
    PAGE_POLL_SECONDS,
    REDUCED,
    SERVER_MODE,
    count_workers,
    is_let_in,
    on,
    serve,
    until_serving,
)
from tests.interop.server_configs import CALLOUT, PASSWORD
from tests.minting import creds, decode_nats_jwt, encode_nats_jwt
from tests.service import Service
from tests.standstill import stopped
from tests.waiting import PATIENCE_SECONDS, until

SHORT_SECONDS = 4
"""Longer than an idle machine takes to start a service, and short enough to wait for its end."""


async def until_not_ready(service: Service) -> None:
    """Wait until /readyz says no."""
    await until(lambda: service.get("/readyz")[0] == 503, PATIENCE_SECONDS, "/readyz says no", PAGE_POLL_SECONDS)
    assert b'{"ready":false,"missing":["worker subscribed to NATS"]}\n' == service.get("/readyz")[1]


@on(*REDUCED)
async def test_a_restart_of_nats_is_survived(environment: Environment, cluster: ChangingCluster) -> None:
    """The same workers reconnect and answer again; /readyz says no in between."""
    async with serve(environment, cluster) as service:
        workers = service.worker_pids()
        environment.server.stop()
        try:
            await until_not_ready(service)
            assert 200 == service.get("/livez")[0]
        finally:
            environment.server.start()
        await until_serving(service)
        assert 200 == service.get("/readyz")[0]
        assert await is_let_in(environment, cluster.token("orders", "checkout"))
        assert workers == service.worker_pids()
        assert 0 == service.metric("nats_auth_worker_restarts_total")
        assert 0 == await service.stop()


@on(*REDUCED)
async def test_nats_may_come_later(environment: Environment, cluster: ChangingCluster) -> None:
    """A service that finds no NATS waits, without being ready, and without ending."""
    environment.server.stop()
    try:
        async with serve(environment, cluster, wait=False) as service:
            await service.logged("NATS error", worker=1)
            await service.logged("NATS error", worker=2)
            await until_not_ready(service)
            environment.server.start()
            await until_serving(service)
            assert 200 == service.get("/readyz")[0]
            assert await is_let_in(environment, cluster.token("orders", "checkout"))
            assert 0 == service.metric("nats_auth_worker_restarts_total")
    finally:
        environment.server.stop()
        environment.server.start()


@on(*REDUCED)
async def test_nats_may_be_away_when_everything_else_has_come(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Workers that lose NATS while they wait for the first key set begin when both are there."""
    with KeyServer({}, max_age=1) as keys:
        async with serve(environment, cluster, wait=False, JWKS_PATH="", JWKS_URL=keys.url) as service:
            await until(
                lambda: count_workers(service) == {"waiting": 2},
                PATIENCE_SECONDS,
                "both workers wait",
                PAGE_POLL_SECONDS,
            )
            environment.server.stop()
            try:
                keys.document = json.loads(cluster.jwks.read_text())
                await service.logged("key set in force")
                await until_not_ready(service)
            finally:
                environment.server.start()
            await until_serving(service)
            assert await is_let_in(environment, cluster.token("orders", "checkout"))
            assert 0 == service.metric("nats_auth_worker_restarts_total")


@on(*SERVER_MODE)
async def test_refused_credentials_are_tried_again_for_ever(environment: Environment, cluster: ChangingCluster) -> None:
    """A service that has been let in once stays, however long it is refused, and serves when it is let in again."""
    async with serve(environment, cluster) as service:
        environment.server.reload(
            lambda config: config.replace(
                f'"user": "{CALLOUT}", "password": "{PASSWORD}"', f'"user": "{CALLOUT}", "password": "another"'
            )
        )
        try:
            await until_not_ready(service)
            for worker in (1, 2):
                await service.logged("the NATS client has closed; making a new one", worker=worker)
            refused = len(environment.server.logged(f'authentication error - User "{CALLOUT}"'))
            await until(
                lambda: len(environment.server.logged(f'authentication error - User "{CALLOUT}"')) > refused + 4,
                PATIENCE_SECONDS,
                "they try again and again",
            )
        finally:
            environment.server.reload(lambda config: config)
        await until_serving(service)
        assert await is_let_in(environment, cluster.token("orders", "checkout"))
        assert 0 == service.metric("nats_auth_worker_restarts_total")


@contextlib.asynccontextmanager
async def serve_for_a_while(environment: Environment, cluster: ChangingCluster, file: Path) -> AsyncIterator[Service]:
    """Run the service on credentials in `file` that let it in, and soon no more.

    Their end is a moment, and how long a start takes is up to the machine: whoever comes too late is refused for good,
    and gets others that last twice as long as that took.
    """
    keys, life = environment.keys, float(SHORT_SECONDS)
    while True:
        began = time.time()
        claims = decode_nats_jwt(keys.user_jwt(CALLOUT)) | {"exp": int(began + life)}
        replace(file, creds(encode_nats_jwt(claims, keys.accounts["callout"]), keys.users[CALLOUT].seed))
        variables = {"NATS_USER_CREDS_FILE": str(file), "NATS_WORKERS": "1"}
        async with serve(environment, cluster, wait=False, **variables) as service:
            await until(
                lambda: service.log_lines("connected to NATS") or service.log_lines("stopping: no worker can start"),
                PATIENCE_SECONDS,
                "the service is let in or refused",
            )
            if service.log_lines("connected to NATS"):
                yield service
                return
        life = 2 * (time.time() - began)


@on(*OPERATOR_MODE)
async def test_expired_credentials_are_replaced(environment: Environment, cluster: ChangingCluster) -> None:
    """When the service's own JWT runs out it is out, and in again as soon as its file holds another."""
    keys, file = environment.keys, environment.folder / "passing.creds"
    async with serve_for_a_while(environment, cluster, file) as service:
        await service.logged("the NATS client has closed; making a new one")
        await until_not_ready(service)
        replace(file, creds(keys.user_jwt(CALLOUT), keys.users[CALLOUT].seed))
        await until_serving(service, 1)
        assert await is_let_in(environment, cluster.token("orders", "checkout"))
        assert 0 == service.metric("nats_auth_worker_restarts_total")


@on(*REDUCED)
async def test_the_service_can_be_stopped_while_nats_is_away(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """There is nobody to drain for."""
    async with serve(environment, cluster) as service:
        environment.server.stop()
        try:
            await until_not_ready(service)
            assert 0 == await service.stop()
        finally:
            environment.server.start()


@on(*REDUCED)
async def test_the_service_can_be_stopped_while_nats_stands_still(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """A server that does not answer cannot hold up the end beyond the limit."""
    async with serve(environment, cluster, DRAIN_TIMEOUT="1s") as service:
        with stopped(environment.server.pid):
            assert 0 == await service.stop()


@on(*SERVER_MODE)
async def test_a_wrong_certificate_of_nats_may_be_put_right_later(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Workers that begin with a handshake that fails go on trying, and say why meanwhile."""
    right, another = Authority(environment.folder, "right"), Authority(environment.folder, "another")

    def present(authority: Authority) -> None:
        chain = json.dumps(str(authority.chain_file))
        environment.server.reload(lambda config: f"{config}\ntls {{ cert_file: {chain}, key_file: {chain} }}\n")

    present(another)
    try:
        async with serve(environment, cluster, wait=False, NATS_TLS_CA_FILE=str(right.ca_file)) as service:
            for worker in (1, 2):
                line = await service.logged("NATS error", worker=worker)
                assert "certificate verify failed" in line["error"]
            await until_not_ready(service)
            present(right)
            await until_serving(service)
            context = ssl.create_default_context(cafile=right.ca_file)
            client = await environment.connect(cluster.token("orders", "checkout"), tls=context)
            await client.close()
            assert 0 == service.metric("nats_auth_worker_restarts_total")
            assert 0 == await service.stop()
    finally:
        environment.server.reload(lambda config: config)
