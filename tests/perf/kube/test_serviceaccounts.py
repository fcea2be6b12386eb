"""ServiceAccounts of an API server that breaks every promise; what a real one does, tests/e2e/test_perf_scale.py shows.

That what was made is deleted afterwards, test_cleaning_up.py shows.
"""

from pathlib import Path

import pytest

from perf.kube import namespace
from perf.kube.marks import LABEL, MAKER, MARKER, STAMP
from perf.kube.serviceaccounts import OwnServiceAccounts
from tests.perf.hostile import Reply, describe_page, describe_token
from tests.perf.kube.store import Store, at, fail, play, settle_two

OTHERS_STAMP = "0123456789abcdef" * 2


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


def test_a_list_without_an_end_is_given_up(tmp_path: Path) -> None:
    """After as many pages as the largest one has."""
    with at(lambda _: Reply(describe_page(following="more")), tmp_path) as (found, kubeconfig):
        assert ("the list of the ServiceAccounts of namespace perf does not end",) == fail(kubeconfig)
    assert namespace.MAX_PAGES == len(found.requests)


def test_a_list_has_its_time_and_no_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever each of its pages takes."""
    monkeypatch.setattr(namespace, "LIST_S", 0.2)  # in earnest ten minutes
    monkeypatch.setattr(namespace, "MAX_PAGES", 10**9)  # which come to an end before that
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
