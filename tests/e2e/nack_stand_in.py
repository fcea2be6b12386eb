"""What NACK does, as far as the tests need it, since NACK itself cannot be had as a program here.

It reads the objects that NACK reads, from the real API, and makes what they declare, over `$JS.API` with NACK's
credentials. It neither changes nor deletes, and writes no status. `python -m tests.e2e.nack_stand_in KUBECTL KUBECONFIG
SERVER CREDS` waits for its credentials to be there, and goes on until it is killed.
"""

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

import nats
from nats.js.api import ConsumerConfig, KeyValueConfig, StreamConfig
from nats.js.client import JetStreamContext
from nats.js.errors import NotFoundError

from tests.waiting import PATIENCE_SECONDS, until_sync

POLL_SECONDS = 0.2


async def read_objects(kubectl: str, kubeconfig: str, kind: str) -> list[dict[str, Any]]:
    """Read the specs of all objects of a kind, in all namespaces."""
    cache = str(Path(kubeconfig).parent / "cache")
    words = (
        kubectl,
        "--kubeconfig",
        kubeconfig,
        "--cache-dir",
        cache,
        "get",
        f"{kind}.jetstream.nats.io",
        "-A",
        "-ojson",
    )
    process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    out, _ = await process.communicate()
    return [item["spec"] for item in json.loads(out)["items"]]


async def make_all(js: JetStreamContext, kubectl: str, kubeconfig: str) -> None:
    """Make what is declared; what exists already in the same form is left alone by the server."""
    for spec in await read_objects(kubectl, kubeconfig, "streams"):
        await js.add_stream(StreamConfig(name=spec["name"], subjects=spec["subjects"], storage=spec["storage"]))
    for spec in await read_objects(kubectl, kubeconfig, "consumers"):
        consumer = ConsumerConfig(durable_name=spec["durableName"], ack_policy=spec["ackPolicy"])
        with contextlib.suppress(NotFoundError):  # its stream is made in the next round
            await js.add_consumer(spec["streamName"], consumer)
    for spec in await read_objects(kubectl, kubeconfig, "keyvalues"):
        await js.create_key_value(KeyValueConfig(bucket=spec["bucket"], history=spec.get("history", 1)))


async def main(kubectl: str, kubeconfig: str, server: str, creds: str) -> None:
    """Go on until killed."""
    client = await nats.connect(server, user_credentials=creds, max_reconnect_attempts=-1)
    while True:
        await make_all(client.jetstream(), kubectl, kubeconfig)
        await asyncio.sleep(POLL_SECONDS)


if __name__ == "__main__":
    until_sync(Path(sys.argv[-1]).exists, PATIENCE_SECONDS, "NACK's credentials are there")
    asyncio.run(main(*sys.argv[1:]))
