"""Tests of `callout.fetch`."""

import time
from collections.abc import Iterator

import pytest
import urllib3

from callout.fetch import TooMuchError, TooSlowError, read_bounded
from tests.fake_kube_api import Cut, Drip, Endless, FakeKubeApi, Stall

NEVER = float("inf")


@pytest.fixture
def api() -> Iterator[FakeKubeApi]:
    """A server to fetch from."""
    with FakeKubeApi() as server:
        yield server


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    """A client that does nothing by itself and waits a moment at most."""
    with urllib3.PoolManager(retries=False, timeout=urllib3.Timeout(connect=5, read=0.5)) as manager:
        yield manager


def ask(api: FakeKubeApi, pool: urllib3.PoolManager) -> urllib3.BaseHTTPResponse:
    """Ask for the key set and leave the body unread."""
    return pool.request("GET", f"{api.url}/openid/v1/jwks", preload_content=False)


def test_a_body_is_read_to_its_end(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """A body as long as the limit is within it."""
    api.jwks = b"x" * 100_000
    assert api.jwks == read_bounded(ask(api, pool), 100_000, NEVER)


def test_a_connection_can_be_used_again(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """Reading to the end leaves the connection in the pool."""
    for _ in range(3):
        read_bounded(ask(api, pool), 100, NEVER)
    assert 1 == pool.connection_from_url(api.url).num_connections


def test_a_body_that_is_larger_than_its_limit_is_not_read(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """Whatever length was announced, what comes is counted."""
    api.jwks = b"x" * 101
    with pytest.raises(TooMuchError):
        read_bounded(ask(api, pool), 100, NEVER)


def test_an_endless_body_is_given_up(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """Memory stays bounded."""
    api.fail("jwks", Endless())
    with pytest.raises(TooMuchError):
        read_bounded(ask(api, pool), 1_000_000, NEVER)


def test_a_body_that_drips_is_given_up(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """A byte now and then keeps the time-out of each read from passing, but not the deadline of the whole."""
    api.fail("jwks", Drip())
    with pytest.raises(TooSlowError):
        read_bounded(ask(api, pool), 1_000_000, time.monotonic() + 0.2)


@pytest.mark.parametrize("fault", [Stall(), Cut()])
def test_a_body_that_stops_is_an_error(api: FakeKubeApi, pool: urllib3.PoolManager, fault: Stall | Cut) -> None:
    """A stall and a broken connection are urllib3's errors."""
    api.fail("jwks", fault)
    with pytest.raises(urllib3.exceptions.HTTPError):
        read_bounded(ask(api, pool), 100, NEVER)
