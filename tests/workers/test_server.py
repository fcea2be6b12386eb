"""workers.server: what it does with a message before and after the decision; the rest is shown against real servers."""

import asyncio
import contextlib
import json
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from nats.errors import Error

from tests.greeting_server import INFO, GreetingServer, say
from tests.minting import NatsKey, PretendServer
from tests.waiting import PATIENCE_SECONDS, until
from tests.workers.ends import writing
from tests.workers.samples import collect
from workers.authorize import Authorizer, LoginTerms
from workers.connection import MAX_ERROR_LENGTH, CalloutClient
from workers.frames import Message
from workers.logs import Log
from workers.metrics import WorkerMetrics
from workers.reasons import Reason
from workers.sa_token import TokenVerifier
from workers.server import (
    MAX_DISCONNECTED_S,
    MAX_ERROR_KINDS,
    MAX_NAME_LENGTH,
    MAX_WAIT_S,
    MAX_WAITING_REQUESTS,
    CalloutServer,
)
from workers.settings import WorkerSettings, make_signer
from workers.snapshot import SnapshotReader
from workers.status import StatusPage
from workers.user_jwt import Mode

ACCOUNT = NatsKey.generate("account")
LONG_SECONDS = 600
"""How long requests are good for: true ones live two seconds, which a busy machine may take before it decides."""


def try_out(
    folder: Path, scenario: Callable[[CalloutServer], Awaitable[None] | None], *, ready: bool = False
) -> tuple[dict[Reason, int], list[dict[str, Any]]]:
    """Let `scenario` do something with a server that is not connected; what was dropped then, and what was logged."""
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
    with writing(folder) as writer:  # LMDB opens an environment once in a process: it is closed before it is read
        if ready:
            with writer.transaction() as transaction:
                transaction.set_ready()
    written = folder / "log"

    async def run() -> dict[Reason, int]:
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
        outcome = scenario(server)
        if outcome is not None:
            await outcome
        reader.close()
        log.close()
        return dict(server._dropped)

    dropped = asyncio.run(run())
    return dropped, [json.loads(line) for line in written.read_text().splitlines()]


@contextlib.asynccontextmanager
async def running(server: CalloutServer) -> AsyncIterator[GreetingServer]:
    """Let it run against a NATS server that only greets; it is told to stop at the end, and has to."""
    stop = asyncio.Event()
    async with GreetingServer(say(INFO)) as greeting:
        server._settings = msgspec.structs.replace(server._settings, servers=(f"nats://127.0.0.1:{greeting.port}",))
        task = asyncio.create_task(server.run(stop))
        try:
            yield greeting
        finally:
            stop.set()
            await asyncio.wait_for(task, PATIENCE_SECONDS)


def receive(folder: Path, payload: bytes, waited_s: float = 0) -> tuple[dict[Reason, int], list[dict[str, Any]]]:
    """What is dropped of a message that has waited so long, and what is logged of it."""

    def scenario(server: CalloutServer) -> None:
        server._backlog.add(Message(b"1", b"", "", payload), time.monotonic() - waited_s)
        assert [] == server._take_turn()

    return try_out(folder, scenario)


def make_request(**changes: Any) -> bytes:
    """A request of a client whose token is none: it is denied, with an answer."""
    server = PretendServer(NatsKey.generate("server"))
    now = time.time()
    return server.request(ACCOUNT.public, now=now, exp=int(now) + LONG_SECONDS, token="no token", **changes).payload


def test_waiting_counts_in_how_long_a_request_took(tmp_path: Path) -> None:
    """What a client feels is the whole of it; the alert on slow decisions sees a crowd so."""
    receive(tmp_path, make_request(), waited_s=MAX_WAIT_S / 2)
    (total,) = (sample.value for sample in collect(tmp_path) if sample.name == "nats_auth_request_duration_seconds_sum")
    assert MAX_WAIT_S / 2 <= total


def test_what_has_waited_too_long_is_not_even_decoded(tmp_path: Path) -> None:
    """Its server gives up soon or has already, and somebody else's can still be answered."""
    assert ({Reason.REQUEST_EXPIRED: 1}, []) == receive(tmp_path, b"no request", MAX_WAIT_S + 0.1)


def test_what_has_just_arrived_is_looked_at(tmp_path: Path) -> None:
    """And found to be no request."""
    assert ({Reason.REQUEST_MALFORMED: 1}, []) == receive(tmp_path, b"no request")


@pytest.mark.parametrize("text", ["x" * 20_000, "\u0001" * 3_000, "é😀" * 1_000], ids=["long", "control", "wide"])
def test_no_line_is_longer_than_what_a_true_request_makes(tmp_path: Path, text: str) -> None:
    """Thousands of lines may wait for whoever reads the log: what a forger puts into a request is cut off."""
    payload = make_request(server_id={"name": text}, client_info={"host": text, "user": ""})
    dropped, (line,) = receive(tmp_path, payload)
    assert dropped == {}
    assert (text[:MAX_NAME_LENGTH], text[:MAX_NAME_LENGTH]) == (line["client"], line["server"])
    assert max(len(value) for value in line.values() if isinstance(value, str)) <= MAX_NAME_LENGTH


def test_what_no_client_can_bring_about_is_worth_a_warning_once_in_a_while(tmp_path: Path) -> None:
    """With its remedy, beside the lines of each login; of what a client does there is none."""

    def scenario(server: CalloutServer) -> None:
        for payload in (make_request(aud="somebody"), make_request(aud="somebody"), make_request()):
            server._on_message(Message(b"1", b"", "", payload))
        while server._backlog:
            server._take_turn()

    _, lines = try_out(tmp_path, scenario)
    events = ["login denied", "requests refused", "login denied", "login denied"]
    assert events == [line["event"] for line in lines]
    reason = Reason.REQUEST_AUDIENCE
    assert ("warning", reason, reason.remedy) == tuple(lines[1][name] for name in ("level", "reason", "remedy"))


def test_the_answers_of_a_turn_go_together_each_to_its_own_subject(tmp_path: Path) -> None:
    """In the order of the requests; who names no subject gets none."""

    def scenario(server: CalloutServer) -> None:
        replies = [b"x.1", b"", b"x.2"]
        for reply in replies:
            server._on_message(Message(b"1", reply, "", make_request()))
        answers: list[tuple[bytes, bytes]] = []
        while server._backlog:
            answers += server._take_turn()
        assert [b"x.1", b"x.2"] == [subject for subject, _ in answers]
        assert all(answer.count(b".") == 2 for _, answer in answers)

    _, lines = try_out(tmp_path, scenario)
    assert ["login denied"] * 3 == [line["event"] for line in lines]


def test_the_loop_turns_while_more_waits(tmp_path: Path) -> None:
    """Answers leave, pings are answered, and what comes meanwhile is read."""

    def scenario(server: CalloutServer) -> None:
        for _ in range(MAX_WAITING_REQUESTS):
            server._on_message(Message(b"1", b"", "", b"no request"))
        server._take_turn()
        assert 0 < len(server._backlog) < MAX_WAITING_REQUESTS

    try_out(tmp_path, scenario)


def test_what_overflows_is_counted(tmp_path: Path) -> None:
    """More than may wait: the rest is dropped, and nothing of it is lost from sight."""

    def scenario(server: CalloutServer) -> None:
        for _ in range(MAX_WAITING_REQUESTS + 3):
            server._on_message(Message(b"1", b"", "", b"no request"))
        assert MAX_WAITING_REQUESTS == len(server._backlog)

    assert ({Reason.REQUEST_OVERFLOW: 3}, []) == try_out(tmp_path, scenario)


@pytest.mark.parametrize(("away_s", "expected"), [(MAX_DISCONNECTED_S - 1, False), (MAX_DISCONNECTED_S + 1, True)])
def test_a_client_that_has_had_no_connection_for_long_is_given_up(
    tmp_path: Path,
    away_s: float,
    expected: bool,
) -> None:
    """It may have stopped trying, for whatever reason; a new one is made then."""

    def scenario(server: CalloutServer) -> None:
        server._watch_connection(server._connected_at + away_s)
        assert expected == server._over.is_set()

    try_out(tmp_path, scenario)


def test_a_client_that_tries_no_more_is_replaced(tmp_path: Path) -> None:
    """It is neither connected nor closed, and nothing would ever happen again."""

    async def scenario(server: CalloutServer) -> None:
        async with running(server) as greeting:
            await until(lambda: server._client.is_connected, PATIENCE_SECONDS, "it is connected")
            first = server._client
            first._status = first.RECONNECTING
            server._connected_at -= MAX_DISCONNECTED_S + 1
            await until(lambda: server._client is not first, PATIENCE_SECONDS, "there is a new client")
            await until(lambda: server._client.is_connected, PATIENCE_SECONDS, "that is connected")
            assert 2 <= greeting.connections

    _, lines = try_out(tmp_path, scenario)
    assert 2 == len([line for line in lines if line["event"] == "connected to NATS"])


def test_what_a_client_reports_counts_for_nothing_once_another_is_in_its_place(tmp_path: Path) -> None:
    """Its end, say, which may come late: it is not the new one's."""

    async def scenario(server: CalloutServer) -> None:
        async with running(server):
            await until(lambda: server._client.is_connected, PATIENCE_SECONDS, "it is connected")
            first = server._client
            await first.close()
            await until(lambda: server._client is not first, PATIENCE_SECONDS, "there is a new client")
            await until(lambda: server._client.is_connected, PATIENCE_SECONDS, "that is connected")
            for callback in (first._reconnected_cb, first._disconnected_cb, first._closed_cb):
                assert callback is not None
                await callback()
            await first._error_cb(Error("late"))
            assert not server._over.is_set()

    _, lines = try_out(tmp_path, scenario)
    ours = ["connected to NATS", "the NATS client has closed; making a new one", "connected to NATS"]
    assert ours == [line["event"] for line in lines]


def test_what_a_server_says_does_not_fill_the_log(tmp_path: Path) -> None:
    """Neither by its length nor by being another each time."""

    async def scenario(server: CalloutServer) -> None:
        for number in range(1000):
            await server._on_error(Error(f"nats: {number} {'x' * 100_000}"))

    _, lines = try_out(tmp_path, scenario)
    assert MAX_ERROR_KINDS == len(lines)
    assert {MAX_ERROR_LENGTH} == {len(line["error"]) for line in lines}


def test_errors_that_are_not_logged_are_counted_in_the_next_line(tmp_path: Path) -> None:
    """Whoever reads the log knows that there was more."""

    async def scenario(server: CalloutServer) -> None:
        for word in ("one", "one", "one", "two", "three"):
            await server._on_error(Error(word))

    _, lines = try_out(tmp_path, scenario)
    assert [("one", 0), ("two", 2), ("three", 0)] == [(line["error"], line.get("unlogged", 0)) for line in lines]


def test_a_silent_server_may_be_asking_us(tmp_path: Path) -> None:
    """The one that cannot be reached is not: it is told what to look at, and what could say more."""

    async def scenario(server: CalloutServer) -> None:
        await server._on_error(TimeoutError())
        await server._on_error(OSError(111, "Connection refused"))

    _, (silent, refused) = try_out(tmp_path, scenario)
    hint = "is NATS_URL right? Is its user one of auth_users? See 'callout doctor'"
    assert f"the NATS server does not answer; {hint}" == silent["error"]
    assert "auth_users" not in refused["error"]


def test_a_stop_that_nobody_hears_of_ends_it_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """nats-py does not hand on that it was cancelled if what it waits for comes at that moment; here it never does."""
    subscribing = asyncio.Event()

    class Deaf(CalloutClient):
        async def flush(self, timeout: int = 1) -> None:  # noqa: ASYNC109  # nats-py's signature
            if subscribing.is_set():
                return await super().flush(timeout)
            subscribing.set()
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
            return None

    async def scenario(server: CalloutServer) -> None:
        async with running(server):
            await until(subscribing.is_set, PATIENCE_SECONDS, "it subscribes")

    monkeypatch.setattr("workers.server.CalloutClient", Deaf)
    _, lines = try_out(tmp_path, scenario, ready=True)
    assert [] == [line for line in lines if line["level"] != "info"]
