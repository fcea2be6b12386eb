"""Tests of the pretend API server: it does what its commands say, or the tests that stand on it say nothing."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError, SSLError

from tests.authority import Authority
from tests.fake_kube_api import (
    Body,
    Cut,
    Drip,
    Endless,
    ErrorEvent,
    FakeKubeApi,
    Fault,
    Stall,
    Status,
)

PATIENCE = urllib3.Timeout(connect=5, read=5)
SHORT = urllib3.Timeout(connect=5, read=0.2)
LIST = "/api/v1/serviceaccounts"


@pytest.fixture
def api() -> Iterator[FakeKubeApi]:
    """A server that speaks plain HTTP."""
    with FakeKubeApi() as server:
        yield server


@pytest.fixture
def pool() -> Iterator[urllib3.PoolManager]:
    """A client that does nothing by itself."""
    with urllib3.PoolManager(retries=False, timeout=PATIENCE) as manager:
        yield manager


def get(pool: urllib3.PoolManager, api: FakeKubeApi, path: str, **headers: str) -> urllib3.BaseHTTPResponse:
    """Ask for something and read the answer."""
    return pool.request("GET", api.url + path, headers=headers, redirect=False)


def watch(pool: urllib3.PoolManager, api: FakeKubeApi, version: str, **options: object) -> urllib3.BaseHTTPResponse:
    """Open a watch."""
    url = f"{api.url}{LIST}?watch=true&resourceVersion={version}&timeoutSeconds=60"
    return pool.request("GET", url, preload_content=False, **options)  # type: ignore[arg-type]


def version(pool: urllib3.PoolManager, api: FakeKubeApi) -> str:
    """Return the version of a list."""
    return str(get(pool, api, LIST).json()["metadata"]["resourceVersion"])


def read_events(response: urllib3.BaseHTTPResponse, count: int) -> list[tuple[str, dict[str, object]]]:
    """Read so many lines of a watch: types and objects."""
    data = b""
    while data.count(b"\n") < count:
        data += response.read1()
    events = [json.loads(line) for line in data.splitlines()]
    return [(event["type"], event["object"]) for event in events]


def test_a_list_has_all_that_exist(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """Objects come with uid, annotations and a version."""
    with api.cluster() as cluster:
        uid = cluster.put("ns", "a", {"nats.io/x": "y"})
    document = get(pool, api, LIST).json()
    assert "ServiceAccountList" == document["kind"]
    metadata = document["items"][0]["metadata"]
    assert ("ns", "a", uid, {"nats.io/x": "y"}) == (
        metadata["namespace"],
        metadata["name"],
        metadata["uid"],
        metadata["annotations"],
    )


def test_a_list_can_be_of_one_namespace(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """Other namespaces are left out, and an empty list is null."""
    with api.cluster() as cluster:
        cluster.put("one", "a")
    assert 1 == len(get(pool, api, "/api/v1/namespaces/one/serviceaccounts").json()["items"])
    assert get(pool, api, "/api/v1/namespaces/two/serviceaccounts").json()["items"] is None


def test_a_list_that_is_paged_stays_the_same(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """What happens between two pages is in neither."""
    with api.cluster() as cluster:
        for name in "abc":
            cluster.put("ns", name)
    first = get(pool, api, f"{LIST}?limit=2").json()
    with api.cluster() as cluster:
        cluster.put("ns", "d")
    second = get(pool, api, f"{LIST}?limit=2&continue={first['metadata']['continue']}").json()
    assert [2, 1] == [len(first["items"]), len(second["items"])]
    assert first["metadata"]["resourceVersion"] == second["metadata"]["resourceVersion"]
    assert "continue" not in second["metadata"]


def test_a_forgotten_page_is_gone(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """An expired `continue` token is answered with 410."""
    with api.cluster() as cluster:
        cluster.put("ns", "a")
        cluster.put("ns", "b")
    token = get(pool, api, f"{LIST}?limit=1").json()["metadata"]["continue"]
    with api.cluster() as cluster:
        cluster.expire_lists()
    assert 410 == get(pool, api, f"{LIST}?limit=1&continue={token}").status


def test_a_watch_tells_what_happened_since(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """Past events and new ones come in order, with bookmarks between."""
    begin = version(pool, api)
    with api.cluster() as cluster:
        cluster.put("ns", "a")
        cluster.put("ns", "a", {"x": "y"})
    with watch(pool, api, begin) as stream:
        with api.cluster() as cluster:
            cluster.bookmark()
            cluster.delete("ns", "a")
        assert ["ADDED", "MODIFIED", "BOOKMARK", "DELETED"] == [kind for kind, _ in read_events(stream, 4)]


def test_a_watch_can_be_ended(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """The end is a proper one."""
    with watch(pool, api, version(pool, api)) as stream:
        api.end_watches()
        assert b"" == stream.read()


def test_a_watch_from_a_forgotten_version_gets_an_error_event(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """An open watch gets it, and a new one from there."""
    begin = version(pool, api)
    with watch(pool, api, begin) as stream:
        with api.cluster() as cluster:
            cluster.compact()
        assert [("ERROR", 410)] == [(kind, status["code"]) for kind, status in read_events(stream, 1)]
    with watch(pool, api, begin) as stream:
        assert [("ERROR", 410)] == [(kind, status["code"]) for kind, status in read_events(stream, 1)]


def test_a_watch_from_a_forgotten_version_can_be_refused(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """The other way in which an API server says it."""
    begin = version(pool, api)
    with api.cluster() as cluster:
        cluster.compact()
    api.gone_by_status = True
    with watch(pool, api, begin) as stream:
        assert 410 == stream.status


def test_a_single_object_can_be_had(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """One that is not there is answered with 404."""
    with api.cluster() as cluster:
        cluster.put("ns", "a")
    assert "a" == get(pool, api, "/api/v1/namespaces/ns/serviceaccounts/a").json()["metadata"]["name"]
    assert 404 == get(pool, api, "/api/v1/namespaces/ns/serviceaccounts/b").status
    assert 404 == get(pool, api, "/apis").status


def test_the_key_set_and_the_issuer_can_be_had(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """They say what they were told to say."""
    api.jwks, api.cache_control, api.issuer = b'{"keys":[1]}', "max-age=7", "https://issuer.example"
    answer = get(pool, api, "/openid/v1/jwks")
    assert (b'{"keys":[1]}', "max-age=7") == (answer.data, answer.headers["Cache-Control"])
    assert "https://issuer.example" == get(pool, api, "/.well-known/openid-configuration").json()["issuer"]


def test_requests_are_recorded(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """With their kind, path, query and headers."""
    get(pool, api, f"{LIST}?limit=5", Authorization="Bearer t")
    request = api.requests[0]
    assert ("list", LIST, {"limit": "5"}) == (request.kind, request.path, request.query)
    assert "Bearer t" == request.headers["authorization"]
    assert (1, 0) == (api.count("list"), api.count("watch"))


def test_a_token_may_be_required(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """Another one, or none, is answered with 401."""
    api.token = "right"
    statuses = [get(pool, api, LIST, Authorization=value).status for value in ("Bearer right", "bearer right", "x", "")]
    assert [200, 200, 401, 401] == statuses


def test_a_status_is_sent_once(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """A fault meets one request of its kind, and a redirect says where to."""
    api.fail("list", Status(302, "https://elsewhere.example/"), Status(500))
    answer = get(pool, api, LIST)
    assert (302, "https://elsewhere.example/") == (answer.status, answer.headers["Location"])
    assert 404 == get(pool, api, "/apis").status
    assert [500, 200] == [get(pool, api, LIST).status for _ in range(2)]


def test_a_body_can_be_replaced(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """In a list it is the whole answer, in a watch the first line."""
    begin = version(pool, api)
    api.fail("list", Body(b"garbage"))
    api.fail("watch", Body(b"garbage"))
    assert b"garbage" == get(pool, api, LIST).data
    with watch(pool, api, begin) as stream:
        assert b"garbage\n" == stream.read1()


def test_an_error_event_ends_a_watch(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """With the code that was asked for."""
    begin = version(pool, api)
    api.fail("watch", ErrorEvent(500))
    with watch(pool, api, begin) as stream:
        assert [("ERROR", 500)] == [(kind, status["code"]) for kind, status in read_events(stream, 1)]
        assert b"" == stream.read()


def test_a_body_can_be_cut(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """The connection breaks in the middle."""
    api.fail("list", Cut())
    with pytest.raises(ProtocolError):
        get(pool, api, LIST)


def test_a_line_can_be_cut(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """The connection breaks in the middle of the next event."""
    begin = version(pool, api)
    api.fail("watch", Cut())
    with api.cluster() as cluster:
        cluster.put("ns", "a")
    with watch(pool, api, begin) as stream:
        assert stream.read1().startswith(b'{"type": "ADDED"')
        with pytest.raises(ProtocolError):
            stream.read1()


@pytest.mark.parametrize("fault", [Stall(), Stall(head=False)])
def test_a_server_can_keep_a_client_waiting(api: FakeKubeApi, pool: urllib3.PoolManager, fault: Fault) -> None:
    """A stall sends no byte of the body, and perhaps not even a head."""
    api.fail("list", fault)
    with pytest.raises(ReadTimeoutError):
        pool.request("GET", api.url + LIST, timeout=SHORT)


def test_a_body_can_drip(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """A byte comes now and then."""
    api.fail("list", Drip())
    with pool.request("GET", api.url + LIST, preload_content=False) as answer:
        assert [b" ", b" "] == [answer.read1(1), answer.read1(1)]


@pytest.mark.parametrize("kind", ["list", "watch"])
def test_a_head_can_drip(api: FakeKubeApi, kind: str) -> None:
    """It begins, and its bytes keep coming without an end."""
    api.fail(kind, Drip(head=False))
    query = "?watch=true&resourceVersion=9999&timeoutSeconds=60" if kind == "watch" else ""
    with socket.create_connection(("127.0.0.1", api.port), 5) as connection:
        connection.sendall(f"GET {LIST}{query} HTTP/1.1\r\nHost: a\r\n\r\n".encode())
        received = b""
        while len(received) < 30:
            received += connection.recv(100)
    assert received.startswith(b"HTTP/1.1 200 OK\r\nX: xxx")
    assert b"\r\n\r\n" not in received


def test_a_watch_can_stall(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """Its head comes, and nothing after that."""
    begin = version(pool, api)
    api.fail("watch", Stall())
    with watch(pool, api, begin, timeout=SHORT) as stream, pytest.raises(ReadTimeoutError):
        stream.read1()


@pytest.mark.parametrize("kind", ["list", "watch"])
def test_a_body_can_be_endless(api: FakeKubeApi, pool: urllib3.PoolManager, kind: str) -> None:
    """More comes than any limit allows."""
    api.fail(kind, Endless())
    url = f"{api.url}{LIST}" + ("?watch=true&resourceVersion=9999&timeoutSeconds=60" if kind == "watch" else "")
    with pool.request("GET", url, preload_content=False) as answer:
        assert 1_000_000 == len(answer.read(1_000_000))


def test_tls_shows_the_certificate_of_the_authority(tmp_path: Path) -> None:
    """A client that trusts it gets an answer, and after a change only one that trusts the other."""
    before, after = Authority(tmp_path, "before"), Authority(tmp_path, "after")
    with FakeKubeApi(before) as api:
        with urllib3.PoolManager(ca_certs=str(before.ca_file), retries=False, timeout=PATIENCE) as pool:
            assert 200 == get(pool, api, LIST).status
        api.use(after)
        distrusting = urllib3.PoolManager(ca_certs=str(before.ca_file), retries=False, timeout=PATIENCE)
        with distrusting, pytest.raises(SSLError):
            get(distrusting, api, LIST)
        with urllib3.PoolManager(ca_certs=str(after.ca_file), retries=False, timeout=PATIENCE) as pool:
            assert 200 == get(pool, api, LIST).status


def test_close_ends_what_is_open(api: FakeKubeApi, pool: urllib3.PoolManager) -> None:
    """A watch that is open, a stall and an idle connection do not keep it."""
    begin = version(pool, api)
    api.fail("list", Stall())
    with watch(pool, api, begin), pool.request("GET", api.url + LIST, preload_content=False):
        api.close()
    with pytest.raises(HTTPError):
        get(pool, api, LIST)
