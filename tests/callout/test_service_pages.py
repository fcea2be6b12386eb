"""callout.service_pages: what the pages show of a service, read when they are asked for."""

import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from callout.config.expiry import Credential
from callout.serviceaccounts import ServiceAccount
from tests.idle_service import IdleService, find_keys, idle_service, write
from tests.nats_minting import NatsKey, creds, encode_nats_jwt
from workers.status import State

END = 1_900_000_000  # Unix seconds


@pytest.fixture
def service(tmp_path: Path) -> Iterator[IdleService]:
    """A service that has not begun."""
    with idle_service(tmp_path) as made:
        yield made
        made.supervisor._snapshot.close()


def fill(service: IdleService) -> None:
    """Let a key set, a ServiceAccount and a worker be there."""
    service.supervisor._trust(find_keys())
    directory = service.supervisor._directory
    directory.begin_list()
    directory.apply([ServiceAccount("orders", "checkout", "u-1", {})])
    directory.end_list()
    service.supervisor._take_note_of_workers([State.SERVING])


def test_at_the_start_it_lives_and_is_not_ready(service: IdleService) -> None:
    """The pages name what is missing; ages that there are not yet are not told."""
    pages = service.supervisor._pages
    assert pages.livez().ok
    assert not pages.readyz().ok
    expected = b'{"ready":false,"missing":["key set","ServiceAccounts","worker subscribed to NATS"]}'
    assert expected == msgspec.json.encode(pages.readyz().body)
    readings = pages.read()
    assert (None, None, None) == (readings.snapshot_age, readings.keyset_age, readings.keyset_lifetime)
    assert 0 == readings.snapshot_entries


def test_what_is_there_is_read_at_the_moment(service: IdleService) -> None:
    """Nothing is kept in step: the next look sees what has changed."""
    pages = service.supervisor._pages
    fill(service)
    assert pages.readyz().ok
    assert (True, 1) == (pages.read().ready, pages.read().snapshot_entries)
    service.supervisor._take_note_of_workers([])
    assert b'{"ready":false,"missing":["worker subscribed to NATS"]}' == msgspec.json.encode(pages.readyz().body)


def test_health_is_well_and_tells_the_rest(service: IdleService) -> None:
    """As a liveness probe it must not kill a pod that waits for something."""
    health = service.supervisor._pages.health()
    assert health.ok
    body = msgspec.json.decode(msgspec.json.encode(health.body))
    assert ("ok", False) == (body["status"], body["ready"])
    assert {"version", "missing", "serviceaccounts", "snapshot_age_seconds", "keyset_age_seconds"} < set(body)


def test_pages_are_there_though_the_snapshots_folder_was_cleaned(service: IdleService) -> None:
    """Logins go on, since workers have it open; a page that fails would have the pod killed."""
    fill(service)
    for name in ("data.mdb", "lock.mdb"):
        (service.supervisor._workspace.snapshot / name).unlink()
    assert (200, 1) == (service.supervisor._pages.health().ok * 200, service.supervisor._pages.read().snapshot_entries)
    service.supervisor._announce(changed=True)
    _, body = service.supervisor._pages.metrics()()
    assert b"nats_auth_snapshot_serviceaccounts 1.0\n" in body


def test_metrics_are_those_of_the_moment_they_were_asked_for(service: IdleService) -> None:
    """The readings are taken on the loop, the page is rendered later, in a thread."""
    render = service.supervisor._pages.metrics()
    fill(service)
    _, body = render()
    assert b"nats_auth_snapshot_serviceaccounts 0.0\n" in body


def test_the_start_is_the_supervisors(service: IdleService) -> None:
    """It stays the same as long as this service runs, and another one has another."""
    pages = service.supervisor._pages
    assert 0 < pages.read().started_at == pages.read().started_at <= time.time()


def test_the_ends_are_those_of_the_files_in_force(tmp_path: Path) -> None:
    """Renewed credentials are told of when workers are given them, and not before."""
    user, account = NatsKey.generate("user"), NatsKey.generate("account")

    def renew(end: int) -> Path:
        claims = {"sub": user.public, "iss": account.public, "exp": end, "nats": {"type": "user", "version": 2}}
        return write(tmp_path / "user.creds", creds(encode_nats_jwt(claims, account), user.seed))

    with idle_service(tmp_path, NATS_USER_CREDS_FILE=str(renew(END))) as service:
        supervisor = service.supervisor
        renew(END + 1)
        ends = [supervisor._pages.read().ends]
        supervisor._files.look()
        ends.append(supervisor._pages.read().ends)
        supervisor._snapshot.close()
    assert [{Credential.USER_JWT: END}, {Credential.USER_JWT: END + 1}] == ends
