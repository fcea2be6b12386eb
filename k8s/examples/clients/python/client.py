"""A NATS connection for a pod: it logs in with the projected token, and logs in again whenever a login has ended.

Rules kept here:
- One way back for every end: expiry, refusal, a server that restarts. Each login is a new client, since nats-py closes
  one for good on `User Authentication Expired`; it shows the token that the file holds then, and subscribes anew.
- The pause before a login is drawn at random and grows with each failure, so a fleet does not come back all at once.
- What a subscription's callback does is cut off when the login ends, so callbacks only put messages into a queue.
"""

# ruff: noqa: INP001  # a script, in no package

import asyncio
import base64
import contextlib
import json
import logging
import os
import random
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from nats.aio.client import Client
from nats.errors import Error

FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 30.0
LOOK_S = 0.1
ANSWER_S = 2
CLOSE_S = 2
MAX_WAITING = 1000  # beyond these nats-py keeps some, then drops
log = logging.getLogger("pod")


class PodConnection:
    """Stays logged in as long as its `run` does.

    Args:
        servers: addresses of NATS servers.
        token_file: where the token is; the kubelet renews it.
        set_up: called with each new client, to subscribe.
        options: for nats-py's `connect`, such as `user_credentials` for a sentinel, or another `inbox_prefix`.
    """

    def __init__(
        self, servers: list[str], token_file: Path, set_up: Callable[[Client], Awaitable[object]], **options: Any
    ) -> None:
        self._token_file, self._set_up, self._client = token_file, set_up, Client()
        self._options: dict[str, Any] = {
            "servers": servers,
            "inbox_prefix": private_inbox(token_file.read_text()),
            "allow_reconnect": False,  # `run` does that
            "max_reconnect_attempts": 1,  # at each address, while nobody listens there
            "reconnect_time_wait": 0,
            "connect_timeout": 5,  # the server gives the callout two seconds
            "ping_interval": 20,  # a dead connection is noticed within a minute
            "error_cb": self._report,
        } | options

    async def run(self) -> None:
        """Log in, and again after each end, until cancelled."""
        failures = 0
        while True:
            client = Client()
            try:
                await client.connect(token=self._token_file.read_text().strip(), **self._options)
                if not client.is_connected:  # a late answer: nats-py took the server's PING for it
                    raise Error("nats: the login was not answered")
                await self._set_up(client)
                self._client, failures = client, 0
                log.info("logged in; replies come to %s", self._options["inbox_prefix"])
                while not client.is_closed:  # noqa: ASYNC110  # `closed_cb` is not called when closing fails
                    await asyncio.sleep(LOOK_S)
            except (Error, OSError) as error:
                failures += 1
                log.warning("login failed, %d in a row: %s", failures, error or type(error).__name__)
            finally:
                with contextlib.suppress(TimeoutError):  # nats-py waits for ever after a TLS handshake that has stalled
                    await asyncio.wait_for(client.close(), CLOSE_S)
            pause = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**failures)
            await asyncio.sleep(random.uniform(0, pause))  # noqa: S311  # no secret

    async def client(self) -> Client:
        """Wait for a login and return its client; ask anew each time, for it ends with the login."""
        while not self._client.is_connected:  # noqa: ASYNC110  # as above
            await asyncio.sleep(LOOK_S)
        return self._client

    async def _report(self, error: Exception) -> None:
        log.warning("%s", error or type(error).__name__)


def private_inbox(token: str) -> str:
    """The inbox prefix that is the pod's own; with NATS_RESPONSE_MAX=0 a dot follows `_INBOX_`."""
    try:
        claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
        identity = claims["kubernetes.io"]
        return f"_INBOX_{identity['namespace']}_{identity['serviceaccount']['name'].replace('.', '_')}"
    except (LookupError, TypeError, ValueError):
        raise ValueError("the token's file holds no token of a ServiceAccount") from None


async def main() -> None:
    """Ask `orders.stock` about each order."""
    orders: asyncio.Queue[Any] = asyncio.Queue(MAX_WAITING)
    options: dict[str, Any] = {}
    if creds := os.environ.get("NATS_SENTINEL_CREDS"):
        options["user_credentials"] = creds
    if prefix := os.environ.get("NATS_INBOX_PREFIX"):
        options["inbox_prefix"] = prefix

    async def set_up(client: Client) -> None:
        await client.subscribe("orders.created", cb=orders.put)

    token_file = Path(os.environ.get("NATS_TOKEN_FILE", "/var/run/secrets/nats/token"))
    servers = os.environ.get("NATS_URL", "nats://nats.nats-system.svc.cluster.local:4222").split(",")
    if any(server.startswith("tls://") for server in servers):  # `tls://` alone would not insist on it
        options["tls_handshake_first"] = True  # nats-server has to know: `handshake_first: auto`
    pod = PodConnection(servers, token_file, set_up, **options)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(pod.run())
        while True:
            order = await orders.get()
            try:
                answer = await (await pod.client()).request("orders.stock", order.data, timeout=ANSWER_S)
            except Error as error:  # nobody answers, or the login has just ended
                log.warning("order %s: %s", order.data.decode(), error)
            else:
                log.info("order %s: %s", order.data.decode(), answer.data.decode())


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    try:
        asyncio.run(main())
    except (OSError, ValueError) as error:
        sys.exit(f"pod: {error}")
