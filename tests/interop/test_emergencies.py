"""A ServiceAccount is thrown out at once, and not at the end of its login, as docs/runbook.md says."""

import json
import time
from typing import Any

from nats.aio.client import Client

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import CONNECT_SECONDS
from tests.interop.environments import Environment
from tests.interop.operation import OPERATOR_MODE, REDUCED, is_let_in, on, serve, until_let_in, until_refused
from tests.interop.server_configs import EVERYBODY, amend_account
from tests.waiting import PATIENCE_SECONDS, until


async def until_thrown_out(client: Client) -> None:
    """Wait until its connection is closed."""
    await until(lambda: client.is_closed, PATIENCE_SECONDS, "the client is thrown out")


def redeclare(environment: Environment, **members: Any) -> None:
    """Put members into the JWT of the clients' account, of the server that runs."""
    in_force = (environment.folder / "nats.conf").read_text()  # rendered anew the operator's JWT would be another one
    environment.server.reload(lambda _: amend_account(in_force, environment.keys, "clients", **members))


@on(*REDUCED)
async def test_a_connection_outlives_its_serviceaccount_until_it_is_kicked(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """By the system account, by its number; the client does not come back."""
    async with serve(environment, cluster):
        token = cluster.token("orders", "checkout")
        async with await environment.connect(token) as client, await environment.connect_system() as system:
            cluster.delete("orders", "checkout")
            await until_refused(environment, token)
            await client.flush()
            assert client.is_connected
            found = await system.request("$SYS.REQ.SERVER.PING.CONNZ", b"", timeout=CONNECT_SECONDS)
            server = json.loads(found.data)["server"]["id"]
            wanted = json.dumps({"cid": client.client_id}).encode()
            await system.request(f"$SYS.REQ.SERVER.{server}.KICK", wanted, timeout=CONNECT_SECONDS)
            await until_thrown_out(client)
            assert not await is_let_in(environment, token)


@on(*OPERATOR_MODE)
async def test_a_revocation_of_everybody_ends_all_logins_so_far(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """Users have keys of their own with each login, so one cannot be named; who may come back does so at once."""
    cluster.put("orders", "other")
    async with serve(environment, cluster):
        tokens = [cluster.token("orders", name) for name in ("checkout", "other")]
        async with await environment.connect(tokens[0]) as culprit, await environment.connect(tokens[1]) as other:
            cluster.delete("orders", "checkout")
            await until_refused(environment, tokens[0])
            redeclare(environment, revocations={EVERYBODY: int(time.time())})
            await until_thrown_out(culprit)
            await until_thrown_out(other)

            await until_let_in(environment, tokens[1])
            assert not await is_let_in(environment, tokens[0])


@on(*OPERATOR_MODE)
async def test_a_signing_key_that_is_taken_away_ends_all_logins_that_it_signed(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """What `callout bootstrap --retire` does to the clients' account, as far as the server goes."""
    async with (
        serve(environment, cluster),
        await environment.connect(cluster.token("orders", "checkout")) as client,
    ):
        redeclare(environment, signing_keys=[])
        await until_thrown_out(client)
