"""A deployment that `callout bootstrap` made, in use: its folder, a nats-server on its nats.conf, who logs in there.

Only the port differs from what a user would run: any that is free.
"""

import contextlib
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, Self

import msgspec
import nats.js.errors
from nats.errors import NoRespondersError

from tests.commands import attempt, run
from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import REFUSED, WorkloadClient, open_client
from tests.service import Service
from tests.waiting import until, until_sync

COMMAND = (str(Path(sys.prefix) / "bin/callout"), "bootstrap")
START_SECONDS = 20
"""A server is up in 0.1 s; a busy machine takes longer."""
CHANGE_SECONDS = 20


def bootstrap(folder: Path, *options: str, expected: int = 0) -> str:
    """Run the command as a user does; return what it printed, on standard output and then on standard error."""
    done = attempt((*COMMAND, str(folder), *options))
    assert expected == done.returncode, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout + done.stderr


def read_env(folder: Path) -> dict[str, str]:
    """The variables of callout.env, as a shell reads them."""
    script = 'set -a; . "$1"; exec env -0'
    said = run(["sh", "-c", script, "sh", folder / "callout.env"], env={})
    pairs = (line.partition("=") for line in said.split("\0") if line)
    return {name: value for name, _, value in pairs if name.startswith("NATS_")}


class Server:
    """A nats-server on the folder's nats.conf, within a `with` block."""

    def __init__(self, binary: Path, folder: Path) -> None:
        self.folder = folder
        self._binary = binary
        self._ports = folder.with_name(folder.name + ".ports")
        self.log = self._ports / "nats.log"

    def __enter__(self) -> Self:
        self._ports.mkdir()
        command = (self._binary, "-c", self.folder / "nats.conf", "-p", "-1", "--ports_file_dir", self._ports)
        self._process = subprocess.Popen([*command, "-l", self.log])
        try:
            self.url = until_sync(self._maybe_url, START_SECONDS, "nats-server is ready")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(START_SECONDS)

    def reload(self) -> None:
        """Let it read nats.conf again."""
        done = "Reloaded server configuration"
        seen = self.log.read_text().count(done)
        self._process.send_signal(signal.SIGHUP)
        until_sync(lambda: self.log.read_text().count(done) > seen, CHANGE_SECONDS, "nats-server has reloaded")

    async def connect(self, user: str) -> WorkloadClient:
        """Log in as one of the fixed users."""
        return await open_client(self.url, {"user_credentials": str(self.folder / f"creds/{user}.creds")})

    async def log_in(self, token: str) -> WorkloadClient:
        """Log in with a ServiceAccount's token and nothing else."""
        return await open_client(self.url, {"token": token})

    async def lets_in(self, token: str) -> bool:
        """Tell whether a login with that token succeeds."""
        try:
            client = await self.log_in(token)
        except REFUSED:
            return False
        await client.close()
        return True

    async def push(self, account: str) -> None:
        """Give it an account's JWT, as the system account's administrator."""
        async with await self.connect("sys") as administrator:
            jwt = (self.folder / f"jwt/{account}.jwt").read_bytes().strip()
            reply = await administrator.request("$SYS.REQ.CLAIMS.UPDATE", jwt, timeout=CHANGE_SECONDS)
        assert 200 == json.loads(reply.data)["data"]["code"]

    def read_ports(self) -> Any:
        """The addresses it listens on, by what they are for; None as long as it has not said them."""
        listed = next(self._ports.glob("*.ports"), None)
        try:
            return msgspec.json.decode(listed.read_bytes()) if listed else None
        except msgspec.DecodeError:
            return None

    def _maybe_url(self) -> str | None:
        assert self._process.poll() is None, self.log.read_text()
        ports = self.read_ports()
        return str(ports["nats"][0]) if ports and "Server is ready" in self.log.read_text() else None


@contextlib.asynccontextmanager
async def serve(server: Server, cluster: ChangingCluster, variables: Mapping[str, str]) -> AsyncIterator[Service]:
    """Run the service with such variables, once it answers; nothing but log lines may have been printed."""
    given = {"HTTP_HOST": "127.0.0.1", "NATS_WORKERS": "1"} | cluster.variables
    with Service({**variables, "NATS_URL": server.url} | given) as service:
        await service.ready()
        yield service
        assert 0 == await service.stop()
    assert [] == service.plain_lines
    assert [] == service.log_lines(level="error")


async def is_acknowledged(client: WorkloadClient, subject: str) -> bool:
    """Publish through JetStream, and tell whether it says that the message is stored."""
    try:
        await client.jetstream().publish(subject, b"hello", timeout=1)
    except (nats.js.errors.NoStreamResponseError, NoRespondersError, TimeoutError, nats.errors.TimeoutError):
        return False
    return True


async def until_stored(nack: WorkloadClient, stream: str, messages: int) -> None:
    """Wait until a stream holds so many messages, as NACK sees it."""

    async def count() -> bool:
        return (await nack.jetstream().stream_info(stream)).state.messages == messages

    await until(count, CHANGE_SECONDS, f"the stream {stream} holds {messages} messages")
