"""Requests that change something: refused in a line, asked to wait, and waited for whatever happens."""

import asyncio
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path

import pytest

from callout.errors import CommandError
from callout.kube.errors import Purpose
from perf.kube import api_server
from perf.kube.api_server import AT_ONCE, MAX_BODY, MAX_PAUSES, ApiServer, for_all
from tests.perf.hostile import TOKEN, Decide, Pace, Reply, Request, serve, write_kubeconfig
from tests.waiting import PATIENCE_SECONDS, until

PURPOSE = Purpose("make things", "be somebody else")


def answer(*statuses: int) -> Decide:
    """Answer with these, the last again and again."""
    left = list(statuses)
    return lambda _: Reply(status=left.pop(0) if len(left) > 1 else left[0])


def with_server(kubeconfig: str, scenario: Callable[[ApiServer], Coroutine[None, None, None]]) -> None:
    """Play a scenario within the block."""

    async def play() -> None:
        async with ApiServer(kubeconfig) as server:
            await scenario(server)

    asyncio.run(play())


def test_a_request_has_our_credentials_and_says_what_it_holds(tmp_path: Path) -> None:
    """A merge patch is called one; the answer comes with the moments before and after it."""

    async def scenario(server: ApiServer) -> None:
        await server.send("POST", "/things", PURPOSE, {"a": 1})
        answer = await server.send("PATCH", "/things/a?x=y", PURPOSE, {"a": None})
        assert (200, b"{}") == (answer.status, answer.body)
        assert answer.sent_at <= answer.answered_at

    with serve(answer(200)) as found:
        with_server(write_kubeconfig(tmp_path, found.url), scenario)
    bearer = f"Bearer {TOKEN}"
    assert [
        Request("POST", "/things", {"a": 1}, "application/json", bearer),
        Request("PATCH", "/things/a?x=y", {"a": None}, "application/merge-patch+json", bearer),
    ] == found.requests


def test_a_refusal_is_one_line_with_what_it_takes(tmp_path: Path) -> None:
    """Unless the caller wants to judge that status itself."""

    async def scenario(server: ApiServer) -> None:
        with pytest.raises(CommandError) as refused:
            await server.send("POST", "/things", PURPOSE, {})
        assert ("we may not make things (403): be somebody else",) == refused.value.lines
        assert 403 == (await server.send("POST", "/things", PURPOSE, {}, also={403})).status

    with serve(answer(403)) as found:
        with_server(write_kubeconfig(tmp_path, found.url), scenario)


def test_who_is_told_to_come_back_later_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """So often and no oftener."""
    monkeypatch.setattr(api_server, "PAUSE_S", 0.0)  # in earnest a second each

    async def scenario(server: ApiServer) -> None:
        assert 201 == (await server.send("POST", "/things", PURPOSE, {})).status
        with pytest.raises(CommandError, match="status 429"):
            await server.send("POST", "/things", PURPOSE, {})

    with serve(answer(*[429] * (MAX_PAUSES - 1), 201, 429)) as found:
        with_server(write_kubeconfig(tmp_path, found.url), scenario)
    assert 2 * MAX_PAUSES == len(found.requests)


def test_no_server_is_one_line(tmp_path: Path) -> None:
    """And so is a kubeconfig that is none; no line holds the token."""

    async def scenario(server: ApiServer) -> None:
        with pytest.raises(CommandError) as failed:
            await server.send("POST", "/things", PURPOSE, {})
        assert 1 == len(failed.value.lines)
        assert TOKEN not in str(failed.value)

    with_server(write_kubeconfig(tmp_path, "http://127.0.0.1:1"), scenario)
    (tmp_path / "kubeconfig").write_text(f"token: {TOKEN}")
    with_server(str(tmp_path / "kubeconfig"), scenario)


@pytest.mark.parametrize("pace", [Pace.DRIPPING_HEAD, Pace.DRIPPING_BODY])
@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_an_answer_has_its_time_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, pace: Pace
) -> None:
    """However it comes: a byte now and then keeps nobody waiting for ever. The line names all of it."""
    monkeypatch.setattr(api_server, "ANSWER_S", 0.2)  # in earnest thirty

    async def scenario(server: ApiServer) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(CommandError, match=r"^the API server took more than 0\.2 s to answer$"):
                await server.send(method, "/things", PURPOSE, {})

    with serve(lambda _: Reply(pace=pace)) as found:
        with_server(write_kubeconfig(tmp_path, found.url), scenario)
    assert len(found.requests) <= 1  # none where the time was over before it had arrived; never a second


def test_an_answer_has_its_length_and_no_more(tmp_path: Path) -> None:
    """What is longer is not kept."""

    async def scenario(server: ApiServer) -> None:
        assert MAX_BODY == len((await server.send("GET", "/short", PURPOSE)).body)
        with pytest.raises(CommandError, match=f"the API server sent more than {MAX_BODY} bytes"):
            await server.send("GET", "/a-long-one", PURPOSE)

    with serve(lambda request: Reply(b"x" * (MAX_BODY + ("long" in request.path)))) as found:
        with_server(write_kubeconfig(tmp_path, found.url), scenario)


def test_who_waits_for_the_next_attempt_is_told_when_it_is_cancelled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The pause is not waited for to its end, and no attempt follows."""
    monkeypatch.setattr(api_server, "PAUSE_S", 2.0 * PATIENCE_SECONDS)  # a real one is over before it is known

    async def scenario(server: ApiServer) -> None:
        sending = asyncio.create_task(server.send("POST", "/things", PURPOSE, {}))
        await until(lambda: found.requests, PATIENCE_SECONDS, "the request has arrived")
        sending.cancel()
        async with asyncio.timeout(PATIENCE_SECONDS):
            with pytest.raises(asyncio.CancelledError):
                await sending

    with serve(lambda _: Reply(status=429)) as found:
        with_server(write_kubeconfig(tmp_path, found.url), scenario)
        assert 1 == len(found.requests)


def test_what_was_sent_is_waited_for_when_it_is_cancelled(tmp_path: Path) -> None:
    """So that nothing arrives after the cleaning up."""
    go_on = threading.Event()

    async def scenario(server: ApiServer) -> None:
        sending = asyncio.create_task(server.send("POST", "/things", PURPOSE, {}))
        await until(lambda: found.requests, PATIENCE_SECONDS, "the request has arrived")
        sending.cancel()
        for _ in range(10):  # turns of the loop, in which it would end
            await asyncio.sleep(0)
        has_ended = sending.done()
        go_on.set()
        assert not has_ended
        with pytest.raises(asyncio.CancelledError):
            await sending

    def wait(_: Request) -> Reply:
        go_on.wait(PATIENCE_SECONDS)
        return Reply()

    with serve(wait) as found:
        with_server(write_kubeconfig(tmp_path, found.url), scenario)


def test_some_are_done_at_once_and_all_in_the_end() -> None:
    """Each once."""
    now, most, done = 0, 0, []

    async def do(item: int) -> None:
        nonlocal now, most
        now += 1
        most = max(most, now)
        await asyncio.sleep(0)
        done.append(item)
        now -= 1

    asyncio.run(for_all(range(100), do))
    assert (AT_ONCE, list(range(100))) == (most, sorted(done))


def test_the_first_that_fails_ends_it() -> None:
    """With its own error; what waits is not begun."""
    begun = []

    async def do(item: int) -> None:
        begun.append(item)
        await asyncio.sleep(0)
        raise CommandError(f"number {item}")

    with pytest.raises(CommandError, match="number 0"):
        asyncio.run(for_all(range(100), do))
    assert list(range(AT_ONCE)) == begun
