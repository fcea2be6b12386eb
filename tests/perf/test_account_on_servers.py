"""The account that may ask, in operator mode: nats-server learns of it, and forgets it again, as the command says."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription

from callout.bootstrap.loading import load
from callout.bootstrap.record import Deployment
from callout.demo.config import draw_key
from callout.doctor.nats_claims import read_account
from callout.nats_jwt import Account, Import, User, issue_account, issue_user, render_creds
from callout.secret import Secret
from perf.account import ANSWERS, ANSWERS_NO_MORE, ASKS, ASKS_NO_MORE, CREDENTIALS, FOLDER, PRELOAD, render
from perf.admission import admit
from perf.generator.requests import ASKING_SUBJECT, INBOX
from tests.interop.bootstrapped import CHANGE_SECONDS, Server, bootstrap, read_env, serve
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import REFUSED, WorkloadClient, open_client
from tests.interop.environments import BINARIES
from tests.interop.server_configs import edit_preload
from tests.perf.deployed import INCLUDE, add_account, complaint, report, run_account
from tests.waiting import PATIENCE_SECONDS, until
from workers.nkeys import KeyPair, Kind

SHORT = ("--windows=4", "--seconds=0.2")


@pytest.fixture
def cluster(tmp_path: Path) -> ChangingCluster:
    """A cluster with the ServiceAccount orders/checkout."""
    made = ChangingCluster(tmp_path)
    made.put("orders", "checkout")
    return made


@asynccontextmanager
async def running(folder: Path, cluster: ChangingCluster) -> AsyncIterator[Server]:
    """A server on what stands in a deployment's folder, with a service that decides for it, inside the block."""
    with Server(BINARIES[0].path, folder) as server:
        async with serve(server, cluster, read_env(folder)):
            yield server


def describe(server: Server, cluster: ChangingCluster, asking: dict[str, str]) -> dict[str, str]:
    """The arguments that say where to ask, and as whom."""
    tokens = server.folder.with_name("tokens")
    tokens.write_text(cluster.token("orders", "checkout"))
    return {"--nats-url": server.url, "--tokens": str(tokens)} | asking


async def ask(arguments: dict[str, str]) -> list[tuple[bool, bool]]:
    """Whether requests were let in, and whether some were not answered, at each point of a short load."""
    points = (await asyncio.to_thread(report, "load", arguments, *SHORT))["points"]
    return [(point["answered"] == point["allowed"] > 0, point["unanswered"] > 0) for point in points]


def test_a_memory_resolver_has_it_for_as_long_as_it_is_included(folder: Path, cluster: ChangingCluster) -> None:
    """One line of nats.conf, and a reload; without that line the user is refused, and clients never notice."""
    config = folder / "nats.conf"
    before = config.read_text()

    async def scenario() -> None:
        async with running(folder, cluster) as server:
            arguments = describe(server, cluster, await asyncio.to_thread(add_account, folder))
            assert await server.lets_in(cluster.token("orders", "checkout"))
            for text, known in ((before, False), (before + INCLUDE, True), (before, False)):
                config.write_text(text)
                server.reload()
                if known:
                    assert [(True, False)] * 2 == await ask(arguments)
                else:
                    line = await asyncio.to_thread(complaint, "load", arguments, *SHORT)
                    assert line.endswith("cannot be asked: -ERR 'Authorization Violation'")
                assert await server.lets_in(cluster.token("orders", "checkout"))

    asyncio.run(scenario())
    assert "nothing was changed" in bootstrap(folder)


def test_a_full_resolver_is_given_it_and_the_account_as_it_was(full: Path, cluster: ChangingCluster) -> None:
    """Two requests to the system account, and two more; then who asks is out for good, and clients never notice."""

    async def scenario() -> None:
        async with running(full, cluster) as server:
            arguments = describe(server, cluster, await asyncio.to_thread(add_account, full))
            await push(server, ASKS, ANSWERS)
            assert [(True, False)] * 2 == await ask(arguments)
            assert await server.lets_in(cluster.token("orders", "checkout"))
            async with await connect(server) as asking:
                assert f"rm -r {full / FOLDER}" in run_account(full, "--undo").stdout
                await push(server, ANSWERS_NO_MORE, ASKS_NO_MORE)
                await until(lambda: asking.is_closed, PATIENCE_SECONDS, "who asked is sent away")
            line = await asyncio.to_thread(complaint, "load", arguments, *SHORT)
            assert "maximum account active connections exceeded" in line
            assert await server.lets_in(cluster.token("orders", "checkout"))

    asyncio.run(scenario())


async def push(server: Server, *names: str) -> None:
    """Give a server these JWTs, as the command says."""
    async with await server.connect("sys") as administrator:
        for name in names:
            jwt = (server.folder / FOLDER / name).read_bytes()
            reply = await administrator.request("$SYS.REQ.CLAIMS.UPDATE", jwt, timeout=CHANGE_SECONDS)
            assert 200 == json.loads(reply.data)["data"]["code"]


async def connect(server: Server) -> WorkloadClient:
    """Log in as the user who asks."""
    return await open_client(server.url, {"user_credentials": str(server.folder / FOLDER / CREDENTIALS)})


async def hear_answers(client: WorkloadClient) -> Subscription:
    """Listen where answers come, from now on."""
    heard = await client.subscribe(f"{INBOX}.>")
    await client.flush()
    return heard


def issue_tenant(deployment: Deployment, key: KeyPair, perf: str) -> str:
    """Another account of the same operator, which would like to hear all that is asked and answered."""
    record = deployment.record
    service = record.account(record.choices.service_account).public
    imports = (Import(ASKING_SUBJECT, perf, "stream"), Import(f"{INBOX}.>", service, "stream"))
    operator = deployment.material.signing[record.operator.signing[-1].public]
    return issue_account(operator, key.public, Account(imports=imports), name="TENANT", issued_at=int(time.time()))


def make_creds(account: KeyPair, path: Path) -> str:
    """Credentials of a user who may do everything in an account."""
    user = draw_key(Kind.USER)
    jwt = issue_user(account, user.public, User(), name="tenant", issued_at=int(time.time()))
    path.write_text(render_creds(jwt, Secret(user.encode_seed())).reveal())
    return str(path)


def test_another_account_hears_neither_tokens_nor_answers(folder: Path, cluster: ChangingCluster) -> None:
    """Whoever may write an account's imports would otherwise read tokens that are good, and logins."""
    asking = add_account(folder)
    tenant, accounts = draw_key(Kind.ACCOUNT), folder / FOLDER / PRELOAD
    perf = read_account((folder / FOLDER / ASKS).read_text()).key
    of_tenant = {tenant.public: issue_tenant(load(folder), tenant, perf)}
    accounts.write_text(edit_preload(accounts.read_text(), lambda preload: preload | of_tenant))
    with (folder / "nats.conf").open("a") as config:
        config.write(INCLUDE)
    heard: list[str] = []

    async def note(message: Msg) -> None:
        heard.append(message.subject)

    async def scenario() -> None:
        creds = make_creds(tenant, folder / "tenant.creds")
        async with (
            running(folder, cluster) as server,
            await open_client(server.url, {"user_credentials": creds}) as curious,
            await connect(server) as entitled,
        ):
            answers = await hear_answers(entitled)
            await curious.subscribe(">", cb=note)
            await curious.flush()
            assert [(True, False)] * 2 == await ask(describe(server, cluster, asking))
            await until(lambda: answers.pending_msgs, PATIENCE_SECONDS, "who is entitled hears answers")
            await curious.publish("own", b"")
            await until(lambda: "own" in heard, PATIENCE_SECONDS, "its own message has come")

    asyncio.run(scenario())
    assert ["own"] == heard


def test_made_again_the_account_before_hears_nothing(full: Path, cluster: ChangingCluster) -> None:
    """It did before. Its activation is revoked, though its credentials are still good; the new one is answered."""

    async def scenario() -> None:
        async with running(full, cluster) as server:
            former = describe(server, cluster, await asyncio.to_thread(add_account, full))
            await push(server, ASKS, ANSWERS)
            async with await connect(server) as outdated:
                heard = await hear_answers(outdated)
                assert [(True, False)] * 2 == await ask(former)
                await until(lambda: heard.pending_msgs, PATIENCE_SECONDS, "it hears answers")
                now = describe(server, cluster, await asyncio.to_thread(add_account, full))
                await push(server, ASKS, ANSWERS)
                await outdated.flush()
                before = heard.pending_msgs
                async with await connect(server) as current:
                    answers = await hear_answers(current)
                    assert [(True, False)] * 2 == await ask(now)
                    await until(lambda: answers.pending_msgs, PATIENCE_SECONDS, "the new one hears answers")
                await outdated.flush()
                assert before == heard.pending_msgs

    asyncio.run(scenario())


def test_after_its_time_nobody_asks_and_clients_never_notice(folder: Path, cluster: ChangingCluster) -> None:
    """Account, user and activations have expired; the include is still there, and the server started again with it."""
    add_account(folder)
    gone = render(admit(load(folder), int(time.time()), lifetime_s=-1))
    for name in (PRELOAD, CREDENTIALS):
        (folder / FOLDER / name).write_text(gone[name].reveal())
    with (folder / "nats.conf").open("a") as config:
        config.write(INCLUDE)

    async def scenario() -> None:
        async with running(folder, cluster) as server:
            with pytest.raises(REFUSED):
                await connect(server)
            assert await server.lets_in(cluster.token("orders", "checkout"))
            server.reload()
            assert await server.lets_in(cluster.token("orders", "checkout"))

    asyncio.run(scenario())
