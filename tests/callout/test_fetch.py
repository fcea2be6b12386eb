"""Tests of `callout.fetch`, against a server that keeps to no rule."""

import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import urllib3

from callout.fetch import GuardedPool, read_body
from callout.fetch_errors import FetchError, TooMuchError
from tests.authority import Authority
from tests.fake_kube_api import Cut, Drip, Endless, FakeKubeApi, Fault, Stall, Status

PATH = "/openid/v1/jwks"
LONG_S = 20.0
SHORT_S = 0.2


@pytest.fixture
def api() -> Iterator[FakeKubeApi]:
    """A server to fetch from."""
    with FakeKubeApi() as server:
        yield server


@pytest.fixture
def manager() -> Iterator[urllib3.PoolManager]:
    """The connections of the client."""
    with urllib3.PoolManager() as made:
        yield made


@pytest.fixture
def pool(manager: urllib3.PoolManager) -> GuardedPool:
    """A client."""
    return GuardedPool(manager)


def ask(
    api: FakeKubeApi, pool: GuardedPool, *, head: float = LONG_S, silence: float = LONG_S
) -> urllib3.BaseHTTPResponse:
    """Ask for the key set and leave the body unread."""
    return pool.open(api.url + PATH, head_seconds=head, silence_seconds=silence)


def read(response: urllib3.BaseHTTPResponse, limit: int = 1_000_000, seconds: float = LONG_S) -> bytes:
    """Read the body."""
    return read_body(response, "host", limit=limit, seconds=seconds)


def test_a_request_says_who_asks(api: FakeKubeApi, pool: GuardedPool) -> None:
    """And for what form of answer, with credentials if there are any."""
    read(ask(api, pool))
    read(pool.open(api.url + PATH, head_seconds=LONG_S, silence_seconds=LONG_S, authorization="Bearer t"))
    assert [None, "Bearer t"] == [request.headers.get("authorization") for request in api.requests]
    assert {("nats-k8s-oidc-callout", "application/json, application/jwk-set+json")} == {
        (request.headers["user-agent"], request.headers["accept"]) for request in api.requests
    }


def test_a_body_is_read_to_its_end(api: FakeKubeApi, pool: GuardedPool) -> None:
    """A body as long as the limit is within it."""
    api.jwks = b"x" * 100_000
    assert api.jwks == read(ask(api, pool), limit=100_000)


def test_a_connection_can_be_used_again(api: FakeKubeApi, pool: GuardedPool, manager: urllib3.PoolManager) -> None:
    """Reading to the end leaves the connection in the pool, and no alarm rings afterwards."""
    for _ in range(3):
        read(ask(api, pool))
    assert 1 == manager.connection_from_url(api.url).num_connections


@pytest.mark.parametrize("status", [302, 401, 503])
def test_an_answer_is_handed_over_whatever_its_status(api: FakeKubeApi, pool: GuardedPool, status: int) -> None:
    """It is not asked for again, and a redirect is not followed."""
    with FakeKubeApi() as elsewhere:
        api.fail("jwks", Status(status, elsewhere.url + PATH))
        response = ask(api, pool)
        response.close()
        assert (status, 1, []) == (response.status, api.count("jwks"), elsewhere.requests)


def test_a_body_that_is_larger_than_its_limit_is_not_read(api: FakeKubeApi, pool: GuardedPool) -> None:
    """Whatever length was announced, what comes is counted."""
    api.jwks = b"x" * 101
    with pytest.raises(TooMuchError, match="host sent more than 100 bytes"):
        read(ask(api, pool), limit=100)


def test_an_endless_body_is_given_up(api: FakeKubeApi, pool: GuardedPool) -> None:
    """Memory stays bounded."""
    api.fail("jwks", Endless())
    with pytest.raises(TooMuchError):
        read(ask(api, pool))


@pytest.mark.parametrize("fault", [Drip(), Stall()])
def test_a_body_has_its_time_and_no_more(api: FakeKubeApi, pool: GuardedPool, fault: Fault) -> None:
    """A byte now and then keeps the time-out of each read from passing, but not the alarm from ringing."""
    api.fail("jwks", fault)
    with pytest.raises(FetchError, match=r"host took more than 0\.2 s to answer"):
        read(ask(api, pool), seconds=SHORT_S)


@pytest.mark.parametrize("encrypted", [False, True])
@pytest.mark.parametrize("fault", [Drip(head=False), Stall(head=False)])
def test_a_head_has_its_time_and_no_more(tmp_path: Path, fault: Fault, *, encrypted: bool) -> None:
    """With TLS and without; the next request to the same server is answered."""
    authority = Authority(tmp_path) if encrypted else None
    with (
        FakeKubeApi(authority) as api,
        urllib3.PoolManager(ca_certs=str(authority.ca_file) if authority else None) as manager,
    ):
        pool = GuardedPool(manager)
        api.fail("jwks", fault)
        with pytest.raises(FetchError, match=r"127\.0\.0\.1 took more than 0\.2 s to answer"):
            ask(api, pool, head=SHORT_S)
        assert api.jwks == read(ask(api, pool))


def test_a_head_on_a_connection_that_was_used_before_has_its_time_too(api: FakeKubeApi, pool: GuardedPool) -> None:
    """Whether a connection is new makes no difference."""
    read(ask(api, pool))
    api.fail("jwks", Drip(head=False))
    with pytest.raises(FetchError, match="took more than"):
        ask(api, pool, head=SHORT_S)


def test_a_proxy_has_its_time_and_no_more(tmp_path: Path) -> None:
    """What it answers before the tunnel is there counts as part of the head."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        ended = threading.Event()

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not ended.wait(0.02):
                    connection.sendall(b"x")

        thread = threading.Thread(target=drip)
        thread.start()
        ca_file = str(Authority(tmp_path).ca_file)
        try:
            with urllib3.ProxyManager(f"http://127.0.0.1:{listener.getsockname()[1]}", ca_certs=ca_file) as manager:
                url = "https://keys.example/jwks"
                with pytest.raises(FetchError, match=r"keys\.example took more than 0\.2 s"):
                    GuardedPool(manager).open(url, head_seconds=SHORT_S, silence_seconds=LONG_S)
        finally:
            ended.set()
            thread.join()


def test_no_thread_is_left_behind(api: FakeKubeApi, pool: GuardedPool) -> None:
    """However many answers were given up."""
    api.fail("jwks", *[Drip(head=False)] * 3)
    before = {thread for thread in threading.enumerate() if thread.daemon}
    for _ in range(3):
        with pytest.raises(FetchError):
            ask(api, pool, head=0.05)
    for thread in {thread for thread in threading.enumerate() if thread.daemon} - before:
        thread.join(LONG_S)
        assert not thread.is_alive()


def test_silence_is_waited_for_so_long(api: FakeKubeApi, pool: GuardedPool) -> None:
    """Before the head and within the body, though there would be time left."""
    api.fail("jwks", Stall(head=False), Stall())
    with pytest.raises(FetchError, match="has stopped sending"):
        ask(api, pool, silence=SHORT_S)
    with pytest.raises(FetchError, match="has stopped sending"):
        read(ask(api, pool, silence=SHORT_S))


def test_a_body_that_breaks_off_is_an_error(api: FakeKubeApi, pool: GuardedPool) -> None:
    """Half an answer is none."""
    api.fail("jwks", Cut())
    with pytest.raises(FetchError, match="the connection to host broke"):
        read(ask(api, pool))


def test_a_refused_connection_is_an_error(api: FakeKubeApi, pool: GuardedPool) -> None:
    """It names the host."""
    api.close()
    with pytest.raises(FetchError, match=r"no connection to 127\.0\.0\.1 \(connection refused\)"):
        ask(api, pool)
