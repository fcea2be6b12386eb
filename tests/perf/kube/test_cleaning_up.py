"""What a run has made is deleted, whatever ends it and whatever the API server says; what is left behind is told."""

import asyncio
import signal
import sys
import threading
from pathlib import Path

import pytest

from callout.errors import CommandError
from perf import scale
from perf.commandline.command import Progress
from perf.kube import api_server, serviceaccounts
from perf.kube.marks import MARKER, NAMES, SELECTOR
from perf.kube.place import Place
from perf.kube.serviceaccounts import MAX_FAILURES, OwnServiceAccounts, own_serviceaccounts
from tests.commands import start
from tests.perf.hostile import Decide, Pace, Reply, Request, make_place
from tests.perf.kube.store import Store, at, fail, list_deleted, play, settle_two
from tests.waiting import PATIENCE_SECONDS, until

MAKING = """
import asyncio, sys
from perf.commandline.command import Progress, collect
from perf.commandline.ending import end_in_order
from perf.kube.serviceaccounts import own_serviceaccounts
from tests.perf.hostile import make_place

async def measure(progress):
    async with own_serviceaccounts(make_place(sys.argv[1]), progress) as own:
        await own.settle(2)
        print("two are there", flush=True)
        await asyncio.sleep(600)

sys.exit(end_in_order(lambda: len(collect(measure, Progress()))))
"""
"""A measurement that has made two, and is busy with them."""


def test_what_was_made_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    """The marker is there before the first and until the last of them."""
    store = Store()
    store.add("default")
    with at(store.answer, tmp_path) as (found, kubeconfig):
        play(kubeconfig, settle_two)
    assert ["default"] == list(store.found)
    made = [request.body["metadata"]["name"] for request in found.requests if request.method == "POST"]
    assert (MARKER, MARKER) == (made[0], list_deleted(found)[-1])


def test_what_was_made_though_the_answer_did_not_come_is_deleted(tmp_path: Path) -> None:
    """It is looked for by its name and the stamp of this run; what only has got the marks meanwhile is left alone."""

    def otherwise(request: Request) -> Reply | None:
        if request.method == "POST" and request.body["metadata"]["name"] == "perf-scale-1":
            marks = {key: request.body["metadata"][key] for key in ("labels", "annotations")}
            store.add("theirs", **marks)
            store.add("perf-scale-7", **marks)
            return Reply(b"no JSON")
        return None

    store = Store(otherwise)
    with at(store.answer, tmp_path) as (_, kubeconfig):
        assert ("what the API server says of the ServiceAccount that was made cannot be read",) == fail(
            kubeconfig, settle_two
        )
    assert ["perf-scale-7", "theirs"] == sorted(store.found)


def refuse_to_delete(*refused: str, times: int = 100) -> Decide:
    """A namespace of which these stay, so often as they are to be deleted; all others go."""
    left = dict.fromkeys(refused, times)
    store = Store()

    def decide(request: Request) -> Reply:
        name = request.path.rpartition("/")[2]
        if request.method == "DELETE" and left.get(name, 0) > 0:
            left[name] -= 1
            return Reply(status=500)
        return store.answer(request)

    return decide


def test_what_cannot_be_deleted_keeps_none_of_the_others(tmp_path: Path) -> None:
    """It is tried once more when they are gone; then it is said, how many they are, and the command that lists them."""
    decide = refuse_to_delete("perf-scale-0")
    with at(decide, tmp_path) as (found, kubeconfig):
        why, advice = fail(kubeconfig, settle_two)
    *first, second, last = list_deleted(found)
    assert (["perf-scale-0", "perf-scale-1"], "perf-scale-0", MARKER) == (sorted(first), second, last)
    assert "the server answered with status 500 when asked to delete ServiceAccounts in namespace perf" == why
    assert advice == (
        "ServiceAccounts are left behind, 1 at most; see which, and delete them: kubectl get serviceaccounts"
        f" --namespace perf --selector {SELECTOR}"
    )


def test_what_can_be_deleted_at_the_second_attempt_is_worth_no_word(tmp_path: Path) -> None:
    """An API server has its moments."""
    with at(refuse_to_delete("perf-scale-0", MARKER, times=1), tmp_path) as (found, kubeconfig):
        play(kubeconfig, settle_two)
    assert [2, 1, 2] == [list_deleted(found).count(name) for name in ("perf-scale-0", "perf-scale-1", MARKER)]


def test_an_api_server_that_deletes_nothing_is_not_asked_about_all_of_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After so many failures on end it is not for single ones; all that may be there are counted."""
    monkeypatch.setattr(api_server, "AT_ONCE", 1)  # so that it is known which come first
    names = [f"perf-scale-{number}" for number in range(MAX_FAILURES + 10)]

    async def settle_all(own: OwnServiceAccounts) -> None:
        await own.settle(len(names))

    with at(refuse_to_delete(*names, MARKER), tmp_path) as (found, kubeconfig):
        _, advice = fail(kubeconfig, settle_all)
    assert [*names[:MAX_FAILURES], MARKER, MARKER] == list_deleted(found)
    assert f"left behind, {len(names) + 1} at most" in advice


@pytest.mark.parametrize("refused", [(), ("perf-scale-0",)])
def test_a_signal_during_the_cleaning_up_is_heeded_when_that_is_done(refused: tuple[str, ...], tmp_path: Path) -> None:
    """Whatever it finds of ours is deleted first; what is left behind is said all the same."""
    go_on = threading.Event()
    answer = refuse_to_delete(*refused)

    def decide(request: Request) -> Reply:
        if request.method == "DELETE":
            go_on.wait(PATIENCE_SECONDS)
        return answer(request)

    async def scenario() -> None:
        place = make_place(kubeconfig)
        running = asyncio.create_task(run(place))
        try:
            await until(lambda: found.count("DELETE"), PATIENCE_SECONDS, "the cleaning up has begun")
            running.cancel()
            for _ in range(10):  # turns of the loop, in which it would end
                await asyncio.sleep(0)
        finally:
            go_on.set()
        async with asyncio.timeout(PATIENCE_SECONDS):
            await running

    async def run(place: Place) -> None:
        async with own_serviceaccounts(place, Progress(silent=True)) as own:
            await own.settle(2)

    with at(decide, tmp_path) as (found, kubeconfig):
        with pytest.raises(CommandError if refused else asyncio.CancelledError) as ended:
            asyncio.run(scenario())
        assert {"perf-scale-0", "perf-scale-1", MARKER} == set(list_deleted(found))
    assert bool(refused) is ("ServiceAccounts are left behind, 1 at most" in str(ended.value))


def test_who_has_no_reader_any_more_cleans_up_too(tmp_path: Path) -> None:
    """`python -m perf.scale … 2>&1 | tee log`, and Ctrl-C, which ends tee as well; or a terminal that is closed."""
    store = Store()
    with at(store.answer, tmp_path) as (_, kubeconfig):
        with start([sys.executable, "-c", MAKING, kubeconfig]) as process:
            alarm = threading.Timer(PATIENCE_SECONDS, process.kill)
            alarm.start()
            try:
                assert process.stdout is not None
                assert process.stderr is not None
                assert "two are there\n" == process.stdout.readline()
                assert {"perf-scale-0", "perf-scale-1", MARKER} == set(store.found)
                process.stderr.close()
                process.send_signal(signal.SIGTERM)
                code = process.wait(PATIENCE_SECONDS)
            finally:
                alarm.cancel()
                process.kill()
        assert ({}, 128 + signal.SIGTERM) == (store.found, code)


def test_the_cleaning_up_has_its_time_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A signal has to end it at last, whatever the API server does."""
    monkeypatch.setattr(serviceaccounts, "CLEAN_UP_S", 0.2)  # in earnest three minutes
    monkeypatch.setattr(api_server, "ANSWER_S", 1.0)  # in earnest thirty
    store = Store(lambda request: Reply(pace=Pace.DRIPPING_BODY) if request.method == "DELETE" else None)
    with at(store.answer, tmp_path) as (_, kubeconfig):
        why, _ = fail(kubeconfig, settle_two)
    assert "the API server takes too long over the cleaning up" == why


def test_whoever_is_told_to_end_is_heeded_by_a_busy_api_server_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pauses are not waited for, and what was made is deleted."""
    monkeypatch.setattr(api_server, "PAUSE_S", 2.0 * PATIENCE_SECONDS)  # a real one is over before it is known
    store = Store(lambda request: Reply(status=429) if request.method == "PATCH" else None)

    async def scenario(own: OwnServiceAccounts) -> None:
        await own.settle(1)
        changing = asyncio.create_task(own.change(0, "a"))
        await until(lambda: found.count("PATCH"), PATIENCE_SECONDS, "the change has arrived")
        changing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await changing

    with at(store.answer, tmp_path) as (found, kubeconfig):
        play(kubeconfig, scenario)
    assert {} == store.found


def test_the_help_names_the_label_and_the_names() -> None:
    """Whoever cleans up by hand goes by both."""
    page = scale.__doc__ or ""
    assert SELECTOR in page
    assert NAMES in page
