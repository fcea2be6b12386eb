"""workers.server: what it does with a message before and after the decision; the rest is shown against real servers."""

import asyncio
import os
import time
from pathlib import Path

from tests.nats_minting import NatsKey
from workers.authorize import Authorizer, Session
from workers.connection import ArrivedMsg, CalloutClient
from workers.logs import Log
from workers.metrics import WorkerMetrics
from workers.reasons import Reason
from workers.sa_token import TokenVerifier
from workers.server import MAX_WAIT_S, CalloutServer
from workers.settings import WorkerSettings, make_signer
from workers.snapshot import SnapshotReader, SnapshotWriter
from workers.status import StatusPage
from workers.user_jwt import Mode


def receive(folder: Path, waited_s: float) -> dict[Reason, int]:
    """What is dropped of a message that is no request and has waited so long."""
    account = NatsKey.generate("account")
    settings = WorkerSettings(
        worker=1,
        metrics_id=0,
        status_file=str(folder / "status"),
        snapshot_dir=str(folder),
        metrics_dir=str(folder),
        log_level="error",
        servers=("nats://127.0.0.1:1",),
        mode=Mode.SERVER,
        callout_account=account.public,
        signing_seed=account.seed,
        user_ttl=60,
        user_ttl_jitter=0,
        user_name=False,
        drain_timeout=1,
    )
    SnapshotWriter(folder).close()  # LMDB opens an environment once in a process

    async def scenario() -> dict[Reason, int]:
        tokens = TokenVerifier()
        reader = SnapshotReader(folder)
        server = CalloutServer(
            settings,
            Authorizer(make_signer(settings), tokens, Session(60, 0, named=False), None),
            tokens,
            reader,
            StatusPage.create(folder / "status"),
            WorkerMetrics(str(folder), 0),
            None,
            Log("worker", "error", os.open(os.devnull, os.O_WRONLY)),
        )
        message = ArrivedMsg(CalloutClient(), "x", "reply", b"no request", arrived_at=time.monotonic() - waited_s)
        await server._on_request(message)
        reader.close()
        return dict(server._dropped)

    return asyncio.run(scenario())


def test_what_has_waited_too_long_is_not_even_decoded(tmp_path: Path) -> None:
    """Its server gives up soon or has already, and somebody else's can still be answered."""
    assert receive(tmp_path, MAX_WAIT_S + 0.1) == {Reason.REQUEST_EXPIRED: 1}


def test_what_has_just_arrived_is_looked_at(tmp_path: Path) -> None:
    """And found to be no request."""
    assert receive(tmp_path, 0) == {Reason.REQUEST_MALFORMED: 1}
