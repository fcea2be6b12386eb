"""The server that others are tested against: it notes what comes, and answers as it is told, also for ever."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
import urllib3

from perf.kube.marks import read_page, read_token
from tests.perf.hostile import (
    UID,
    Decide,
    Hostile,
    Pace,
    Reply,
    Request,
    describe_found,
    describe_page,
    describe_token,
    serve,
)
from tests.waiting import PATIENCE_SECONDS


def send(found: Hostile, method: str, path: str, body: bytes | None = None) -> urllib3.BaseHTTPResponse:
    """Send a request as a client does."""
    headers = {"Content-Type": "application/json", "Authorization": "Bearer t"}
    return urllib3.request(
        method, f"{found.url}{path}", body=body, headers=headers, timeout=PATIENCE_SECONDS, retries=False
    )


@contextmanager
def connected(found: Hostile) -> Iterator[socket.socket]:
    """A connection on which a request was sent."""
    address = urlsplit(found.url)
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE_SECONDS) as connection:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
        yield connection


def read_until(connection: socket.socket, wanted: bytes) -> bytes:
    """Read until something has come."""
    received = b""
    while wanted not in received:
        data = connection.recv(1)
        assert data, received
        received += data
    return received


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH", "DELETE"])
def test_what_comes_is_noted_and_answered_as_is_decided(method: str) -> None:
    """Method, path, body and the two headers; with the status and the bytes that were told."""

    def decide(request: Request) -> Reply:
        return Reply(request.path.encode(), 418)

    with serve(decide) as found:
        answer = send(found, method, "/a?b=c", b'{"d":1}')
        assert (418, b"/a?b=c") == (answer.status, answer.data)
    assert [Request(method, "/a?b=c", {"d": 1}, "application/json", "Bearer t")] == found.requests


def test_requests_are_counted_by_their_method() -> None:
    """Several on a connection, too; one without a body has none."""
    with serve(lambda _: Reply()) as found:
        for method in ("GET", "DELETE", "GET"):
            assert b"{}" == send(found, method, "/").data
    assert [2, 1, 0] == [found.count(method) for method in ("GET", "DELETE", "POST")]
    assert [None] * 3 == [request.body for request in found.requests]


@pytest.mark.parametrize(
    ("pace", "begin", "byte"),
    [(Pace.DRIPPING_HEAD, b"Content-Length: ", b"1"), (Pace.DRIPPING_BODY, b"1000000\r\n\r\n", b" ")],
)
def test_what_drips_goes_on_and_never_ends(pace: Pace, begin: bytes, byte: bytes) -> None:
    """A byte after the other, of the head or of the body; with the server it ends, and keeps nobody."""
    decide: Decide = lambda _: Reply(pace=pace)  # noqa: E731  # a name for the type checker
    with serve(decide) as found, connected(found) as connection:
        received = read_until(connection, begin + byte * 3)
        assert received.endswith(begin + byte * 3)
    with pytest.raises(urllib3.exceptions.HTTPError):
        send(found, "GET", "/")


def test_who_goes_meanwhile_leaves_the_server_at_work() -> None:
    """The next one is answered."""
    with serve(lambda request: Reply(pace=Pace.DRIPPING_BODY if request.path == "/" else Pace.WHOLE)) as found:
        with connected(found) as connection:
            read_until(connection, b" ")
        assert b"{}" == send(found, "GET", "/next").data


def test_what_it_describes_is_what_an_api_server_says() -> None:
    """A page of a list, and a token of the ServiceAccount that is meant."""
    (found,), following = read_page(describe_page(describe_found(), following="more"), "perf")
    assert ("found", UID, "", "more") == (found.name, found.uid, found.run, following)
    assert read_token(describe_token(UID), UID)
