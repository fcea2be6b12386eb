"""workers.server: what it does with a message before and after the decision; the rest is shown against real servers."""

import asyncio
import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from tests.minting import NatsKey, PretendServer
from workers.authorize import Authorizer, LoginTerms
from workers.frames import Message
from workers.logs import Log
from workers.metrics import WorkerMetrics
from workers.reasons import Reason
from workers.sa_token import TokenVerifier
from workers.server import MAX_NAME_LENGTH, MAX_WAIT_S, CalloutServer
from workers.settings import WorkerSettings, make_signer
from workers.snapshot import SnapshotReader, SnapshotWriter
from workers.status import StatusPage
from workers.user_jwt import Mode

ACCOUNT = NatsKey.generate("account")


def receive(folder: Path, payload: bytes, waited_s: float = 0) -> tuple[dict[Reason, int], list[dict[str, Any]]]:
    """What is dropped of a message that has waited so long, and what is logged of it."""
    settings = WorkerSettings(
        worker=1,
        metrics_id=0,
        status_file=str(folder / "status"),
        snapshot_dir=str(folder),
        metrics_dir=str(folder),
        log_level="info",
        servers=("nats://127.0.0.1:1",),
        mode=Mode.SERVER,
        callout_account=ACCOUNT.public,
        signing_seed=ACCOUNT.seed,
        user_ttl=60,
        user_ttl_jitter=0,
        user_name=False,
        drain_timeout=1,
    )
    SnapshotWriter(folder).close()  # LMDB opens an environment once in a process
    written = folder / "log"

    async def scenario() -> dict[Reason, int]:
        tokens = TokenVerifier()
        reader = SnapshotReader(folder)
        log = Log("worker", settings.log_level, os.open(written, os.O_WRONLY | os.O_CREAT))
        server = CalloutServer(
            settings,
            Authorizer(make_signer(settings), tokens, LoginTerms(60, 0, named=False), None),
            tokens,
            reader,
            StatusPage.create(folder / "status"),
            WorkerMetrics(str(folder), 0),
            None,
            log,
        )
        server._backlog.add(Message(b"1", b"", "", payload), time.monotonic() - waited_s)
        assert [] == server._take_turn()
        reader.close()
        log.close()
        return dict(server._dropped)

    dropped = asyncio.run(scenario())
    return dropped, [json.loads(line) for line in written.read_text().splitlines()]


def test_what_has_waited_too_long_is_not_even_decoded(tmp_path: Path) -> None:
    """Its server gives up soon or has already, and somebody else's can still be answered."""
    assert ({Reason.REQUEST_EXPIRED: 1}, []) == receive(tmp_path, b"no request", MAX_WAIT_S + 0.1)


def test_what_has_just_arrived_is_looked_at(tmp_path: Path) -> None:
    """And found to be no request."""
    assert ({Reason.REQUEST_MALFORMED: 1}, []) == receive(tmp_path, b"no request")


@pytest.mark.parametrize("text", ["x" * 20_000, "\u0001" * 3_000, "é😀" * 1_000], ids=["long", "control", "wide"])
def test_no_line_is_longer_than_what_a_true_request_makes(tmp_path: Path, text: str) -> None:
    """Thousands of lines may wait for whoever reads the log: what a forger puts into a request is cut off."""
    request = PretendServer(NatsKey.generate("server")).request(
        ACCOUNT.public,
        now=time.time(),
        token="no token",
        server_id={"name": text},
        client_info={"host": text, "user": ""},
    )
    dropped, (line,) = receive(tmp_path, request.payload)
    assert dropped == {}
    assert (text[:MAX_NAME_LENGTH], text[:MAX_NAME_LENGTH]) == (line["client"], line["server"])
    assert max(len(value) for value in line.values() if isinstance(value, str)) <= MAX_NAME_LENGTH
