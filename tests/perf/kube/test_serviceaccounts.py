"""ServiceAccounts of an API server that breaks every promise; what a real one does, tests/e2e/test_perf_scale.py shows.

What is told to be made is there afterwards, unless a test has it otherwise.
"""

import asyncio
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from callout.errors import CommandError
from perf import scale
from perf.commandline.command import Progress
from perf.kube import api_server, namespace, serviceaccounts
from perf.kube.marks import LABEL, MAKER, MARKER, NAMES, SELECTOR, STAMP
from perf.kube.place import Place
from perf.kube.serviceaccounts import OwnServiceAccounts, own_serviceaccounts
from tests.perf.hostile import (
    Decide,
    Hostile,
    Pace,
    Reply,
    Request,
    describe_found,
    describe_page,
    describe_token,
    make_place,
    serve,
    write_kubeconfig,
)
from tests.waiting import PATIENCE_SECONDS, until

ROOT = Path(__file__).parents[3]
OTHERS_STAMP = "0123456789abcdef" * 2
Scenario = Callable[[OwnServiceAccounts], Awaitable[None]]


class Store:
    """ServiceAccounts as an API server keeps them.

    Args:
        otherwise: what is answered in place of the truth, where it is an answer.
    """

    def __init__(self, otherwise: Callable[[Request], Reply | None] = lambda _: None) -> None:
        self.found: dict[str, dict[str, Any]] = {}
        self._otherwise = otherwise
        self._made = 0

    def add(self, name: str, **metadata: Any) -> None:
        """Let there be one; every one has another uid."""
        self._made += 1
        uid = f"00000000-0000-4000-8000-{self._made:012x}"
        self.found[name] = describe_found(**{"name": name, "uid": uid, **metadata})

    def answer(self, request: Request) -> Reply:
        """Do what is asked for, and say so."""
        name = request.path.partition("?")[0].rpartition("/")[2]
        match request.method:
            case "POST" if name == "serviceaccounts":
                name = request.body["metadata"]["name"]
                self.add(**request.body["metadata"])
            case "DELETE" if self.found[name]["metadata"]["uid"] == request.body["preconditions"]["uid"]:
                del self.found[name]
        told = self._otherwise(request)
        if told is not None:
            return told
        return Reply(describe_page(*self.found.values()) if request.method == "GET" else self._describe(name))

    def _describe(self, name: str) -> bytes:
        return json.dumps(self.found.get(name, {})).encode()


def play(kubeconfig: str, scenario: Scenario, **more: Any) -> None:
    """Play a scenario with a run in the namespace; never for ever."""

    async def begin(place: Place) -> None:
        async with asyncio.timeout(PATIENCE_SECONDS), own_serviceaccounts(place, Progress(silent=True)) as own:
            await scenario(own)

    asyncio.run(begin(make_place(kubeconfig, **more)))


@contextmanager
def at(decide: Decide, folder: Path) -> Iterator[tuple[Hostile, str]]:
    """A server, and the kubeconfig for it."""
    with serve(decide) as found:
        yield found, write_kubeconfig(folder, found.url)


async def do_nothing(_: OwnServiceAccounts) -> None:
    """Measure nothing."""


async def settle_two(own: OwnServiceAccounts) -> None:
    """Let there be two."""
    await own.settle(2)


def fail(kubeconfig: str, scenario: Scenario = do_nothing, **more: Any) -> tuple[str, ...]:
    """Play a scenario that comes to nothing; return what is said of it."""
    with pytest.raises(CommandError) as failed:
        play(kubeconfig, scenario, **more)
    return failed.value.lines


def test_what_was_made_is_deleted_and_nothing_else(tmp_path: Path) -> None:
    """The marker is there before the first and until the last of them."""
    store = Store()
    store.add("default")
    with at(store.answer, tmp_path) as (found, kubeconfig):
        play(kubeconfig, settle_two)
    assert ["default"] == list(store.found)
    made = [request.body["metadata"]["name"] for request in found.requests if request.method == "POST"]
    assert (MARKER, MARKER) == (made[0], list_deleted(found)[-1])


@pytest.mark.parametrize("name", ["../../x", "", "A", "a\nb"])
def test_a_name_that_cannot_be_ends_it(name: str, tmp_path: Path) -> None:
    """No path is made of it, and no line."""
    store = Store()
    store.add(name, labels={LABEL: MAKER}, annotations={STAMP: OTHERS_STAMP})
    with at(store.answer, tmp_path) as (found, kubeconfig):
        assert ("the API server's list of ServiceAccounts cannot be read",) == fail(kubeconfig)
    assert {"GET"} == {request.method for request in found.requests}


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b"\xff", b'{"kind":"PodList","metadata":{},"items":[]}'])
def test_what_is_no_list_ends_it(body: bytes, tmp_path: Path) -> None:
    """In one line, before anything is made."""
    with at(lambda _: Reply(body), tmp_path) as (found, kubeconfig):
        assert ("the API server's list of ServiceAccounts cannot be read",) == fail(kubeconfig)
    assert {"GET"} == {request.method for request in found.requests}


def test_a_list_without_an_end_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After as many pages as the largest one has."""
    monkeypatch.setattr(namespace, "MAX_PAGES", 5)
    with at(lambda _: Reply(describe_page(following="more")), tmp_path) as (found, kubeconfig):
        assert ("the list of the ServiceAccounts of namespace perf does not end",) == fail(kubeconfig)
    assert 5 == len(found.requests)


def test_a_list_has_its_time_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever each of its pages takes."""
    monkeypatch.setattr(namespace, "LIST_S", 0.2)
    monkeypatch.setattr(namespace, "MAX_PAGES", 10**9)
    with at(lambda _: Reply(describe_page(following="more")), tmp_path) as (_, kubeconfig):
        assert ("the list of the ServiceAccounts of namespace perf does not end",) == fail(kubeconfig)


def test_another_run_keeps_this_one_out(tmp_path: Path) -> None:
    """Nothing is made or deleted, and the line says what to do if that run was killed."""
    store = Store()
    store.add(MARKER, labels={LABEL: MAKER}, annotations={STAMP: OTHERS_STAMP})
    with at(store.answer, tmp_path) as (found, kubeconfig):
        (line,) = fail(kubeconfig)
    assert "another run is under way in namespace perf, or was killed there" in line
    assert line.endswith("kubectl delete serviceaccount perf-scale-run --namespace perf")
    assert {"GET"} == {request.method for request in found.requests}


def test_who_comes_second_by_a_moment_deletes_nothing(tmp_path: Path) -> None:
    """The list knew of nobody, and the marker was there all the same."""
    with at(lambda request: Reply(describe_page(), 200 if request.method == "GET" else 409), tmp_path) as (
        found,
        kubeconfig,
    ):
        assert ("somebody else makes ServiceAccounts in namespace perf: perf-scale-run is there already",) == fail(
            kubeconfig
        )
    assert ["GET", "POST"] == [request.method for request in found.requests]


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


def list_deleted(found: Hostile) -> list[str]:
    """The names that were to be deleted, in their order."""
    return [request.path.rpartition("/")[2] for request in found.requests if request.method == "DELETE"]


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
    monkeypatch.setattr(serviceaccounts, "MAX_FAILURES", 3)
    monkeypatch.setattr(api_server, "AT_ONCE", 1)
    names = [f"perf-scale-{number}" for number in range(10)]

    async def settle_ten(own: OwnServiceAccounts) -> None:
        await own.settle(len(names))

    with at(refuse_to_delete(*names, MARKER), tmp_path) as (found, kubeconfig):
        _, advice = fail(kubeconfig, settle_ten)
    assert [*names[:3], MARKER, MARKER] == list_deleted(found)
    assert "left behind, 11 at most" in advice


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


def test_who_has_no_reader_any_more_cleans_up_too(tmp_path: Path) -> None:
    """`python -m perf.scale … 2>&1 | tee log`, and Ctrl-C, which ends tee as well; or a terminal that is closed."""
    store = Store()
    with at(store.answer, tmp_path) as (_, kubeconfig):
        with subprocess.Popen(
            [sys.executable, "-c", MAKING, kubeconfig],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        ) as process:
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
    monkeypatch.setattr(serviceaccounts, "CLEAN_UP_S", 0.2)
    monkeypatch.setattr(api_server, "ANSWER_S", 1.0)
    store = Store(lambda request: Reply(pace=Pace.DRIPPING_BODY) if request.method == "DELETE" else None)
    with at(store.answer, tmp_path) as (_, kubeconfig):
        why, _ = fail(kubeconfig, settle_two)
    assert "the API server takes too long over the cleaning up" == why


def test_whoever_is_told_to_end_is_heeded_by_a_busy_api_server_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its pauses are not waited for, and what was made is deleted."""
    monkeypatch.setattr(api_server, "PAUSE_S", 2.0 * PATIENCE_SECONDS)
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


@pytest.mark.parametrize("body", [b"{}", b'{"status":{}}', b'{"status":{"token":"x"}}', describe_token("another")])
def test_what_is_no_token_of_that_serviceaccount_ends_it(body: bytes, tmp_path: Path) -> None:
    """One of another, too: an API server that does not compare uids mints it."""
    store = Store(lambda request: Reply(body) if request.path.endswith("/token") else None)

    async def scenario(own: OwnServiceAccounts) -> None:
        await own.settle(1)
        await own.mint(0)

    with at(store.answer, tmp_path) as (_, kubeconfig):
        assert ("what the API server sends for perf-scale-0 is no token of that ServiceAccount",) == fail(
            kubeconfig, scenario
        )
    assert {} == store.found


def test_what_was_kept_is_met_again(tmp_path: Path) -> None:
    """Without the marker; those that are missing are made, and those that are too many deleted."""
    store = Store()
    with at(store.answer, tmp_path) as (_, kubeconfig):
        play(kubeconfig, settle_two, keep=True)
        kept = {name: one["metadata"]["uid"] for name, one in store.found.items()}
        assert ["perf-scale-0", "perf-scale-1"] == sorted(kept)
        del store.found["perf-scale-0"]
        store.add("perf-scale-5", labels={LABEL: MAKER}, annotations={STAMP: OTHERS_STAMP})
        play(kubeconfig, settle_two, keep=True)
        assert ["perf-scale-0", "perf-scale-1"] == sorted(store.found)
        assert kept["perf-scale-1"] == store.found["perf-scale-1"]["metadata"]["uid"]
        assert kept["perf-scale-0"] != store.found["perf-scale-0"]["metadata"]["uid"]


def test_the_help_names_the_label_and_the_names() -> None:
    """Whoever cleans up by hand goes by both."""
    page = scale.__doc__ or ""
    assert SELECTOR in page
    assert NAMES in page
