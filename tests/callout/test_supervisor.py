"""callout.supervisor: the parts are joined, and what is missing is said. With real servers: tests/interop."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from callout.keys.own_token import OwnToken
from callout.readiness import Need
from callout.serviceaccounts import ServiceAccount
from tests.idle_service import IdleService, find_keys, idle_service
from tests.waiting import PATIENCE_SECONDS, until, until_sync
from workers.snapshot import View
from workers.status import State

CHECKOUT = ServiceAccount("orders", "checkout", "u-1", {})


@pytest.fixture
def service(tmp_path: Path) -> Iterator[IdleService]:
    """A service that a test drives by hand."""
    with idle_service(tmp_path) as made:
        yield made
        made.supervisor._snapshot.close()


def has_begun(service: IdleService) -> bool:
    """Whether workers would subscribe now."""
    snapshot = service.supervisor._snapshot
    with View(snapshot._env.begin(), snapshot._service_accounts, snapshot._meta) as view:
        return view.ready


def list_all(service: IdleService) -> None:
    """Deliver a list with one ServiceAccount."""
    directory = service.supervisor._directory
    directory.begin_list()
    directory.apply([CHECKOUT])
    assert not directory.end_list()


@pytest.mark.parametrize("keys_first", [True, False])
def test_workers_begin_when_keys_and_serviceaccounts_are_in(service: IdleService, keys_first: bool) -> None:
    """Whichever comes first; and another list or key set later changes nothing of that."""
    steps = [lambda: service.supervisor._trust(find_keys()), lambda: list_all(service)]
    begun = []
    for step in [*(steps if keys_first else reversed(steps)), *steps]:
        step()
        begun.append(has_begun(service))
    assert [False, True, True, True] == begun


@pytest.mark.parametrize(
    ("audience", "expected"),
    [("nats", 0), ("nats,https://issuer.example", 1), ("https://kubernetes.default.svc", 1)],
)
def test_an_audience_of_the_api_servers_is_warned_of_once(tmp_path: Path, audience: str, expected: int) -> None:
    """However often the key set changes; which issuer it is may be known by the API server alone."""
    with idle_service(tmp_path, JWT_AUDIENCE=audience) as service:
        for _ in range(3):
            service.supervisor._trust(find_keys())
        sets = "key set in force"
        until_sync(lambda: len(service.lines(sets)) == 3, PATIENCE_SECONDS, "the log is written")
        service.supervisor._snapshot.close()
    problems = [line["problem"] for line in service.lines("setting")]
    api = audience.rpartition(",")[2]
    said = f"JWT_AUDIENCE: {api} is for the API server, so the token that each pod has by default logs in to NATS"
    assert [f"{said}; give a name that is for NATS alone, such as nats"] * expected == problems


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        (OwnToken(), []),
        (OwnToken("https://issuer.example", ("api.example",)), []),
        (OwnToken("https://other.example", ("api.example", "nats")), ["JWT_AUDIENCE", "JWT_ISSUER"]),
        (OwnToken("https://issuer.example", ("nats",)), ["JWT_AUDIENCE"]),
    ],
)
def test_what_the_pods_own_token_tells_is_warned_of_once(tmp_path: Path, own: OwnToken, expected: list[str]) -> None:
    """It is of this cluster, as clients' tokens are, and for its API server, as they should not be."""
    with idle_service(tmp_path) as service:
        for _ in range(3):
            service.supervisor._trust(msgspec.structs.replace(find_keys(), own=own))
        sets = "key set in force"
        until_sync(lambda: len(service.lines(sets)) == 3, PATIENCE_SECONDS, "the log is written")
        service.supervisor._snapshot.close()
    assert expected == [line["problem"].partition(":")[0] for line in service.lines("setting")]


def test_an_issuer_that_is_not_the_clusters_is_named(tmp_path: Path) -> None:
    """With what is taken instead, and what to do; its tokens are refused one by one, which says less."""
    with idle_service(tmp_path) as service:
        service.supervisor._trust(msgspec.structs.replace(find_keys(), own=OwnToken("https://other.example")))
        (line,) = until_sync(lambda: service.lines("setting"), PATIENCE_SECONDS, "the log is written")
        service.supervisor._snapshot.close()
    assert line["problem"] == (
        "JWT_ISSUER: this cluster's tokens are of https://other.example, so they are refused; taken are those of "
        "https://issuer.example; name it there if clients of this cluster are to log in"
    )


@pytest.mark.parametrize(("issuers", "expected"), [("ours other", 1), ("other", 1), ("other ours other", 2)])
def test_an_issuer_that_is_taken_no_longer_is_warned_of(tmp_path: Path, issuers: str, expected: int) -> None:
    """That is when every client of this cluster is refused; once for each time that it begins."""
    with idle_service(tmp_path) as service:
        own = OwnToken("https://ours.example")
        for name in issuers.split():
            found = msgspec.structs.replace(find_keys(), issuers=(f"https://{name}.example",), own=own)
            service.supervisor._trust(found)
        sets = "key set in force"
        until_sync(lambda: len(service.lines(sets)) == len(issuers.split()), PATIENCE_SECONDS, "the log is written")
        service.supervisor._snapshot.close()
    assert expected == len(service.lines("setting"))


def test_a_change_of_readiness_is_one_line(service: IdleService) -> None:
    """When a worker serves it is ready; when none does any more the line names that, and what to look at."""
    service.supervisor._trust(find_keys())
    list_all(service)
    for states in ([State.WAITING], [State.SERVING], [State.SERVING], [State.DISCONNECTED], []):
        service.supervisor._take_note_of_workers(states)
    until_sync(lambda: service.lines("not ready"), PATIENCE_SECONDS, "the log is written")
    (ready,), (not_ready,) = service.lines("ready"), service.lines("not ready")
    assert 1 == ready["serviceaccounts"]
    assert (Need.WORKER.value, Need.WORKER.remedy) == (not_ready["missing"], not_ready["remedy"])


def test_a_start_that_hangs_says_once_what_is_missing(tmp_path: Path) -> None:
    """With nobody at NATS_URL it is the workers; the service goes on trying, and ends well when it is told to."""

    async def scenario() -> None:
        with idle_service(tmp_path, start_patience_s=1.0) as service:
            stop = asyncio.Event()
            running = asyncio.create_task(service.supervisor.run(stop))
            (line, *others) = await until(
                lambda: service.lines("still not ready"), PATIENCE_SECONDS, "the log says what is missing"
            )
            assert [] == others
            assert 1.0 == line["after_seconds"]
            assert Need.WORKER.value in line["missing"]
            assert Need.WORKER.remedy in line["remedy"]
            stop.set()
            assert 0 == await running
            await until(lambda: service.lines("stopped"), PATIENCE_SECONDS, "the end is logged")
            assert [] == service.lines("ready")

    asyncio.run(scenario())


@pytest.mark.parametrize("part", ["key set", "ServiceAccounts", "files"])
def test_a_part_that_ends_ends_the_service(tmp_path: Path, part: str) -> None:
    """That is a fault, and a fresh start the best mend: the exit code says so, and the log which part it was."""

    async def scenario() -> None:
        with idle_service(tmp_path) as service:
            running = asyncio.create_task(service.supervisor.run(asyncio.Event()))
            await until(lambda: service.lines("http listening"), PATIENCE_SECONDS, "it runs")
            (task,) = (task for task in asyncio.all_tasks() if task.get_name() == part)
            task.cancel()
            assert 1 == await running
            (line,) = await until(
                lambda: service.lines("a part of the supervisor failed"), PATIENCE_SECONDS, "the fault is logged"
            )
            assert (part, "it ended") == (line["part"], line["error"])

    asyncio.run(scenario())
