"""The examples of docs/clients.md at work: each runs as the process that a pod would run, with its token in a file.

Every example does the same: it asks `orders.stock` about each message on `orders.created`, and prints the answer. So an
answer that is printed shows that the example is logged in, subscribed, and listens on its private inbox.
"""

import asyncio
import contextlib
import json
import os
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import yaml
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from k8s.examples.clients.python.client import PodConnection
from tests.authority import Authority
from tests.greeting_server import INFO, GreetingServer, say
from tests.interop.cast import ALIKE, NEIGHBOUR, Account
from tests.interop.changing_cluster import ChangingCluster, replace
from tests.interop.deployment import Deployment, serve
from tests.interop.environments import BINARIES, Environment, Setting
from tests.interop.nats_process import NatsProcess
from tests.interop.server_configs import render_listeners
from tests.minting import Issuer
from tests.nats_minting import creds
from tests.pages import ROOT
from tests.service import Service
from tests.waiting import until

EXAMPLES = ROOT / "k8s/examples/clients"
TLS_VALUES = ROOT / "k8s/examples/tls/1-nats.yaml"
POD = next(account for account in ALIKE if "." in account.name)
"""Its name holds a dot, which its inbox must not."""
SETTINGS = (
    Setting("server", xkey=False, binary=BINARIES[0]),
    Setting("operator-creds", xkey=True, binary=BINARIES[0]),
)
"""Without a sentinel and with one; encryption is no business of clients."""
TTL = "2s"
"""Many logins end while a test runs; the shortest would hardly do on a machine that does much else."""
STEP_SECONDS = 40
"""For logins that back off, on a machine that does much else."""
ORDER_SECONDS = 0.1
"""Between two orders: those that come while nobody listens are lost, and others follow."""
HOURS_AGO = 7200


@contextlib.contextmanager
def start_environment(setting: Setting, folder: Path) -> Iterator[Environment]:
    """A server of a test's own, since it is restarted; its files are in a new folder below `folder`."""
    own = folder / "nats"
    own.mkdir()
    with Environment(setting, own) as running:
        yield running


class Shop(msgspec.Struct):
    """An example at work beside one who sends it orders and answers its questions.

    Attributes:
        deployment: the server, and the product beside it.
        folder: where the tokens of both are.
        program: the example's process.
        counter: the connection of the other one.
        orders: how many have been sent.
    """

    deployment: Deployment
    folder: Path
    program: Service
    counter: PodConnection
    orders: int = 0

    def hand_out(self, **claims: Any) -> None:
        """Give both a token of their own, as the kubelet would."""
        for account in (POD, NEIGHBOUR):
            hand_out(self.deployment, account, self.folder, **claims)

    async def until_served(self) -> None:
        """Wait until an order that is sent from now on has been asked about, and the answer has come."""
        first = self.orders + 1

        async def order() -> list[int]:
            self.orders += 1
            with contextlib.suppress(Error):  # the login ends in this moment
                await (await self.counter.client()).publish("orders.created", str(self.orders).encode())
            assert self.program.exit_code is None, f"the example has ended: {self.program.plain_lines}"
            return [number for number in range(first, self.orders + 1) if self.heard(str(number))]

        await until(order, STEP_SECONDS, f"an answer in {self.program.plain_lines}", ORDER_SECONDS)

    def heard(self, order: str) -> bool:
        """Tell whether the example has printed the answer to an order."""
        return any(line.endswith(f"order {order}: in stock") for line in list(self.program.plain_lines))

    async def until_logged(self, event: str, number: int, **fields: str) -> None:
        """Wait until the service has logged so many such lines about the example."""
        service = self.deployment.service
        pod = {"namespace": POD.namespace, "serviceaccount": POD.name}
        await until(
            lambda: len(service.log_lines(event, **pod, **fields)) >= number,
            STEP_SECONDS,
            f"{number} times {event!r}; the example says {self.program.plain_lines}",
        )


@contextlib.asynccontextmanager
async def open_shop(
    environment: Environment,
    folder: Path,
    command: Sequence[str],
    *,
    static: bool = False,
    ttl: str = TTL,
    **claims: Any,
) -> AsyncIterator[Shop]:
    """Start the product, an example and its counterpart; `claims` are those of the example's first token.

    Without response permissions (`static`) the inbox prefix has another form, which the example is told.
    """
    responses = "0" if static else "1"
    with serve(
        environment, folder, NATS_USER_TTL=ttl, NATS_SHARED_INBOX="false", NATS_RESPONSE_MAX=responses
    ) as deployment:
        await deployment.service.ready()
        sentinel = folder / "sentinel.creds"
        replace(sentinel, creds(environment.keys.sentinel_jwt(), environment.keys.sentinel.seed))
        needs_sentinel = environment.setting.mode == "operator-creds"
        variables = {"NATS_URL": environment.url(), "NATS_TOKEN_FILE": str(hand_out(deployment, POD, folder, **claims))}
        if needs_sentinel:
            variables["NATS_SENTINEL_CREDS"] = str(sentinel)
        if static:
            variables["NATS_INBOX_PREFIX"] = POD.inbox.replace("_INBOX_", "_INBOX_.")
        own_token = hand_out(deployment, NEIGHBOUR, folder)
        given = {"user_credentials": str(sentinel)} if needs_sentinel else {}
        counter = PodConnection([environment.url()], own_token, _answer_questions, **given)
        running = asyncio.create_task(counter.run())
        try:
            with Service(variables, command=command) as program:
                yield Shop(deployment, folder, program, counter)
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)


def hand_out(deployment: Deployment, account: Account, folder: Path, **claims: Any) -> Path:
    """Write a token of that ServiceAccount into its file; return where that is."""
    path = folder / f"{account.name}.token"
    replace(path, deployment.token(account, **claims) + "\n")
    return path


async def outlive_expiries(environment: Environment, folder: Path, command: Sequence[str], *, static: bool) -> None:
    """An example that begins with a token of yesterday gets in when it has a new one, and is served over expiries."""
    async with open_shop(environment, folder, command, static=static, now=time.time() - HOURS_AGO) as shop:
        await shop.until_logged("login denied", 3, reason="token_expired")
        shop.hand_out()
        await shop.until_served()
        for logins in (2, 3, 4):
            await shop.until_logged("login allowed", logins)
            await shop.until_served()


async def outlive_changes(environment: Environment, folder: Path, command: Sequence[str]) -> None:
    """An example is served after the cluster's key, the NATS server and the service have been replaced."""
    async with open_shop(environment, folder, command) as shop:
        await shop.until_served()

        shop.deployment.cluster.signer = Issuer.generate("ES256", "another")
        shop.deployment.cluster.publish(shop.deployment.cluster.signer)
        await shop.until_logged("login denied", 2, reason="token_unknown_key")
        shop.hand_out()
        await shop.until_served()

        environment.server.restart()
        await shop.until_served()

        assert 0 == await shop.deployment.service.stop()
        with Service(shop.deployment.service.variables) as another:
            await another.ready()
            await shop.until_served()


def refuse_a_strange_token(folder: Path, command: Sequence[str]) -> None:
    """An example whose file holds something else ends with a line that says so, without that something in it."""
    path = folder / "token"
    for content in ("", "hunter2", "hunter2.hunter2.hunter2", "e30.e30.e30", "e30.eyJrdWJlcm5ldGVzLmlvIjpbXX0.e30"):
        replace(path, content)
        variables = {"PATH": os.defpath, "NATS_TOKEN_FILE": str(path)}
        ended = subprocess.run(
            command, env=variables, capture_output=True, text=True, check=False, timeout=STEP_SECONDS
        )
        [line] = (ended.stdout + ended.stderr).splitlines()
        assert (1, True) == (ended.returncode, line.endswith("the token's file holds no token of a ServiceAccount"))


async def insist_on_tls(folder: Path, command: Sequence[str]) -> None:
    """With `tls://` an example says nothing in the clear to a server without TLS, and comes again."""
    token = ChangingCluster(folder).token(POD.namespace, POD.name)
    replace(folder / "token", token)
    async with GreetingServer(say(INFO)) as server:
        variables = {"NATS_URL": f"tls://127.0.0.1:{server.port}", "NATS_TOKEN_FILE": str(folder / "token")}
        with Service(variables, command=command):
            await until(lambda: server.connections > 1, STEP_SECONDS, "the example has come again")
        assert [] == [word for word in (b"CONNECT", token.encode()) if word in server.heard]


async def speak_tls(folder: Path, command: Sequence[str]) -> None:
    """With `tls://` an example is served by a nats-server with what k8s/examples/tls says of TLS."""
    token = ChangingCluster(folder).token(POD.namespace, POD.name)
    replace(folder / "token", token)
    authority = Authority(folder, "nats")
    files = dict.fromkeys(("cert_file", "key_file"), str(authority.chain_file))
    tls = files | yaml.safe_load(TLS_VALUES.read_text())["config"]["nats"]["tls"]["merge"]
    more = json.dumps({"tls": tls, "authorization": {"token": token}})
    log = folder / "nats.log"
    server = NatsProcess(
        BINARIES[0].path, folder, lambda ports: f"{render_listeners(ports, folder, log)}\n{more[1:-1]}\n"
    )
    server.start()
    try:
        url = f"tls://localhost:{server.ports.client}"
        variables = {
            "NATS_URL": url,
            "NATS_TOKEN_FILE": str(folder / "token"),
            **dict.fromkeys(("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS"), str(authority.ca_file)),
        }
        counter = Client()
        await counter.connect(url, token=token, tls=ssl.create_default_context(cafile=authority.ca_file))
        await _answer_questions(counter)
        with Service(variables, command=command) as program:

            async def order() -> bool:
                await counter.publish("orders.created", b"hello")
                return any(line.endswith("order hello: in stock") for line in list(program.plain_lines))

            await until(order, STEP_SECONDS, f"an answer in {program.plain_lines}", ORDER_SECONDS)
        await counter.close()
    finally:
        server.stop()
        server.release()


async def _answer_questions(client: Client) -> None:
    async def answer(question: Msg) -> None:
        await question.respond(b"in stock")

    await client.subscribe("orders.stock", cb=answer)
