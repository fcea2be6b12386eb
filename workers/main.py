"""A worker process: reads its settings, serves, drains, and says by its exit code why it ended.

It leaves when it is told to (SIGTERM), and when its standard input ends: then the supervisor is gone.
"""

import asyncio
import gc
import logging
import os
import signal
import sys
from pathlib import Path

import msgspec
import uvloop

from workers.authorize import Authorizer, LoginTerms
from workers.connection import make_tls_context
from workers.dumps import forbid_dumps
from workers.exits import Exit
from workers.logs import Log
from workers.metrics import WorkerMetrics
from workers.sa_token import TokenVerifier
from workers.server import CalloutServer, CredentialsRefusedError
from workers.settings import WorkerSettings, make_sealing_key, make_signer
from workers.snapshot import LayoutMismatchError, SnapshotReader
from workers.status import StatusPage


def main() -> Exit:
    """Run one worker; the supervisor starts it as `python -P -m workers`."""
    forbid_dumps()  # before there are keys in memory
    try:
        settings = msgspec.json.decode(sys.stdin.buffer.readline(), type=WorkerSettings)
    except msgspec.MsgspecError:
        sys.stderr.write("workers are started by `callout serve`, with their settings on standard input\n")
        return Exit.BAD_SETTINGS
    log = Log("worker", settings.log_level, worker=settings.worker)
    logging.basicConfig(handlers=[_LibraryLog(log)], level=logging.WARNING)
    try:
        return uvloop.run(_serve(settings, log))
    finally:
        log.close()


async def _serve(settings: WorkerSettings, log: Log) -> Exit:
    try:
        server = _make_server(settings, log)
    except (ValueError, OSError) as error:
        log.error("worker cannot start", error=str(error))
        return Exit.BAD_SETTINGS
    except LayoutMismatchError as error:
        log.error("worker cannot start", error=str(error))
        return Exit.LAYOUT
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_reader(sys.stdin.fileno(), _watch_parent, loop, stop)
    # What was made so far lives as long as the process: the collector need not look at it again.
    gc.freeze()
    try:
        await server.run(stop)
    except CredentialsRefusedError as error:
        log.error("NATS refused the service's credentials", error=str(error))
        return Exit.REFUSED
    return Exit.DRAINED


def _make_server(settings: WorkerSettings, log: Log) -> CalloutServer:
    """Make the parts; what cannot be made would not be there the next time either."""
    snapshot = SnapshotReader(Path(settings.snapshot_dir))
    tokens = TokenVerifier()
    terms = LoginTerms(settings.user_ttl, settings.user_ttl_jitter, settings.user_name)
    return CalloutServer(
        settings,
        Authorizer(make_signer(settings), tokens, terms, make_sealing_key(settings)),
        tokens,
        snapshot,
        StatusPage(Path(settings.status_file)),
        WorkerMetrics(settings.metrics_dir, settings.metrics_id),
        make_tls_context(settings),
        log,
    )


def _watch_parent(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    if not os.read(sys.stdin.fileno(), 1):
        loop.remove_reader(sys.stdin.fileno())
        stop.set()


class _LibraryLog(logging.Handler):
    """Turns what libraries log into lines of ours."""

    def __init__(self, log: Log) -> None:
        super().__init__()
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        self._log.warning("library message", library=record.name, message=record.getMessage())
