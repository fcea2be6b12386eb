"""The service's own keys and credentials change while it runs: workers are replaced, and no login fails."""

import time
from pathlib import Path

from tests.interop.changing_cluster import ChangingCluster, move_away, replace
from tests.interop.environments import Environment
from tests.interop.operation import OPERATOR_MODE, WORKERS, Logins, on, serve, until_serving
from tests.interop.server_configs import CALLOUT
from tests.minting import NatsKey, PretendServer, creds, decode_nats_jwt, encode_nats_jwt, open_answer
from tests.service import Service
from tests.waiting import PATIENCE_SECONDS, until

NOT_TAKEN = "changed file not taken; the last one stays in force"


async def until_replaced(service: Service, before: list[int]) -> None:
    """Wait until none of these workers is left, and as many others serve."""
    await until(lambda: not set(before) & set(service.worker_pids()), PATIENCE_SECONDS, "all workers are replaced")
    await until_serving(service)


async def find_signer(environment: Environment, cluster: ChangingCluster) -> str:
    """Which key signs what clients become."""
    server = PretendServer(NatsKey.generate("server"))
    issuer = environment.keys.issuer.public
    request = server.request(issuer, now=time.time(), token=cluster.token("orders", "checkout"))
    async with await environment.injector() as injector:
        payload = await injector.ask(request.payload)
    answer = open_answer(payload, request, server=server, response_issuer=issuer)
    assert answer.user is not None
    signer: str = answer.user["iss"]
    return signer


@on(*OPERATOR_MODE)
async def test_a_signing_key_is_rotated_without_a_failed_login(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """From a signing key of the clients' account to its own key, both of which the server knows."""
    keys = environment.keys
    file = Path(environment.service_env()["NATS_ACCOUNT_SIGNING_KEY_FILE"])
    async with (
        serve(environment, cluster) as service,
        Logins(environment, cluster) as logins,
    ):
        workers = service.worker_pids()
        assert keys.clients_signing.public == await find_signer(environment, cluster)
        await logins.more()
        replace(file, keys.accounts["clients"].seed)
        await until_replaced(service, workers)
        assert keys.accounts["clients"].public == await find_signer(environment, cluster)
        await logins.more()
        assert 0 == service.metric("nats_auth_worker_restarts_total")
    assert [] == logins.refusals


@on(OPERATOR_MODE[0])
async def test_credentials_are_renewed_without_a_failed_login(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """The same user with a JWT that was issued anew, as before the old one expires."""
    keys = environment.keys
    variables = environment.service_env()
    claims = decode_nats_jwt(keys.user_jwt(CALLOUT)) | {"exp": int(time.time()) + 3600}
    renewed = encode_nats_jwt(claims, keys.accounts["callout"])
    async with (
        serve(environment, cluster) as service,
        Logins(environment, cluster) as logins,
    ):
        workers = service.worker_pids()
        replace(Path(variables["NATS_USER_CREDS_FILE"]), creds(renewed, keys.users[CALLOUT].seed))
        await until_replaced(service, workers)
        await logins.more()
    assert [] == logins.refusals


@on(OPERATOR_MODE[0])
async def test_a_broken_key_file_changes_nothing(environment: Environment, cluster: ChangingCluster) -> None:
    """A line says so, and the next content that is right is taken."""
    keys = environment.keys
    file = Path(environment.service_env()["NATS_ACCOUNT_SIGNING_KEY_FILE"])
    async with (
        serve(environment, cluster) as service,
        Logins(environment, cluster) as logins,
    ):
        workers = service.worker_pids()
        replace(file, keys.accounts["clients"].seed[:-1])
        line = await service.logged(NOT_TAKEN, files=str(file))
        assert line["error"].startswith(f"NATS_ACCOUNT_SIGNING_KEY_FILE: {file} holds no valid seed of an account")
        assert keys.accounts["clients"].seed[:-1] not in service.output()
        move_away(file)
        await service.logged("a watched file cannot be read; the last content stays in force", file=str(file))
        await logins.more()
        assert workers == service.worker_pids()
        replace(file, keys.accounts["clients"].seed)
        await until_replaced(service, workers)
        await logins.more()
    assert [] == logins.refusals


@on(OPERATOR_MODE[0])
async def test_credentials_that_nats_refuses_replace_no_worker(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """The new worker cannot start, so the old ones stay, and so do all of them when the old file is back."""
    keys = environment.keys
    file, seed = Path(environment.service_env()["NATS_USER_CREDS_FILE"]), keys.users[CALLOUT].seed
    expired = decode_nats_jwt(keys.user_jwt(CALLOUT)) | {"exp": 1}
    async with (
        serve(environment, cluster) as service,
        Logins(environment, cluster) as logins,
    ):
        workers = service.worker_pids()
        replace(file, creds(encode_nats_jwt(expired, keys.accounts["callout"]), seed))
        await until(
            lambda: len(service.log_lines("worker could not start")) == WORKERS, PATIENCE_SECONDS, "each had its try"
        )
        assert workers == service.worker_pids()
        await logins.more()
        replace(file, creds(keys.user_jwt(CALLOUT), seed))
        await until_replaced(service, workers)
        await logins.more()
    assert [] == logins.refusals


@on(OPERATOR_MODE[0])
async def test_a_key_is_rotated_whatever_the_other_files_are_like(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Key set and ServiceAccounts are gone for a while: that is no reason to hold on to a key."""
    keys = environment.keys
    file = Path(environment.service_env()["NATS_ACCOUNT_SIGNING_KEY_FILE"])
    async with serve(environment, cluster) as service:
        workers = service.worker_pids()
        move_away(cluster.jwks)
        move_away(cluster.manifests)
        replace(file, keys.accounts["clients"].seed)
        await until_replaced(service, workers)
        assert keys.accounts["clients"].public == await find_signer(environment, cluster)
