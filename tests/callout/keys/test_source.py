"""Tests of `callout.keys.source`: key sets from a server that rotates them, misbehaves and dies, and from files."""

import asyncio
import contextlib
import functools
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Self

import pytest

from callout.keys.rules import ASK_INTERVAL_S, MAX_DOCUMENT_BYTES
from callout.keys.source import MAX_HANGING_FETCHES, KeySource, _fetch
from callout.kube.client import KubeClient
from callout.kube.errors import KubeError
from tests.authority import Authority
from tests.fake_kube_api import Body, Cut, Drip, Endless, FakeKubeApi, Fault, Stall, Status
from tests.minting import Issuer
from tests.waiting import until
from workers.logs import Log

DEADLINE_S = 20.0
PATH = "/openid/v1/jwks"
FIRST, SECOND = (Issuer.generate("ES256", kid=kid) for kid in ("first", "second"))
OLD, NEW = (json.dumps(document).encode() for document in (FIRST.jwks(), FIRST.jwks(SECOND)))


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """Return the seconds."""
        return self.now


class Bench:
    """A key source that runs, and what it has published.

    Attributes:
        published: document and issuers, each time.
        refusals: errors to raise, one from each of the next calls of `publish`.
    """

    def __init__(self, log: Log, **arguments: Any) -> None:
        self.clock = Clock()
        self.published: list[tuple[bytes, tuple[str, ...]]] = []
        self.refusals: list[Exception] = []
        self.source = KeySource(self.publish, log, clock=self.clock, draw=lambda: 0.0, **arguments)
        self.state = self.source.state

    def publish(self, document: bytes, issuers: tuple[str, ...]) -> None:
        """Take what the source has found."""
        if self.refusals:
            raise self.refusals.pop()
        self.published.append((document, issuers))

    async def loaded(self, count: int = 1) -> None:
        """Wait until so many key sets were published."""
        await until(lambda: len(self.published) >= count, DEADLINE_S, f"key set number {count}")

    async def refresh(self, condition: Callable[[], object]) -> None:
        """Let time pass and ask for a refresh, until something has come of it."""
        self.clock.now += ASK_INTERVAL_S
        self.source.ask()
        await until(condition, DEADLINE_S, "what the refresh should bring")


@asynccontextmanager
async def running(log: Log, **arguments: Any) -> AsyncIterator[Bench]:
    """Run a key source."""
    bench = Bench(log, **({"issuers": ("https://issuer.example",)} | arguments))
    task = asyncio.create_task(bench.source.run())
    try:
        yield bench
    finally:
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled()


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    """A log; what is written to it is in `logged`."""
    with (tmp_path / "log").open("wb") as file:
        made = Log("supervisor", fd=file.fileno())
        yield made
        made.close()


def logged(log: Log, tmp_path: Path) -> list[dict[str, Any]]:
    """End the log and return its lines."""
    log.close()
    return [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]


@pytest.fixture
def api() -> Iterator[FakeKubeApi]:
    """A server that speaks plain HTTP, with a key set of one key."""
    with FakeKubeApi() as server:
        server.jwks = OLD
        yield server


@pytest.fixture
def client(api: FakeKubeApi, tmp_path: Path) -> KubeClient:
    """The way to it, as an API server."""
    return KubeClient(in_cluster=False, kubeconfig=str(api.write_kubeconfig(tmp_path / "config", token="our-token")))


def test_the_key_set_and_the_issuer_come_from_the_api_server(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """From its own paths, with our token; `jwks_uri` leads elsewhere and is not followed."""

    async def run() -> None:
        async with running(log, client=client, issuers=()) as bench:
            await bench.loaded()
            assert [(OLD, (api.issuer,))] == bench.published
            assert (True, 3600.0, 0, "") == (
                bench.state.loaded,
                bench.state.max_age,
                bench.state.failures,
                bench.state.last_error,
            )

    asyncio.run(run())
    assert [("jwks", PATH), ("issuer", "/.well-known/openid-configuration")] == [
        (request.kind, request.path) for request in api.requests
    ]
    assert {"Bearer our-token"} == {request.headers["authorization"] for request in api.requests}


def test_an_issuer_that_is_set_is_not_asked_for(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """JWT_ISSUER has the last word."""

    async def run() -> None:
        async with running(log, client=client, issuers=("a", "b")) as bench:
            await bench.loaded()
            assert [(OLD, ("a", "b"))] == bench.published

    asyncio.run(run())
    assert 0 == api.count("issuer")


def test_a_rotated_key_set_is_published_when_it_is_asked_for(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """A token with a new key leads to a refresh; a key set that has not changed is confirmed and not published."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            await bench.loaded()
            api.jwks = NEW
            await bench.refresh(lambda: len(bench.published) == 2)
            assert NEW == bench.published[-1][0]
            await bench.refresh(lambda: api.count("jwks") == 3 and bench.source.age == 0.0)
            assert 2 == len(bench.published)

    asyncio.run(run())


def test_a_changed_issuer_is_published(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """With the same keys."""

    async def run() -> None:
        async with running(log, client=client, issuers=()) as bench:
            await bench.loaded()
            api.issuer = "https://new.example"
            await bench.refresh(lambda: len(bench.published) == 2)
            assert (OLD, ("https://new.example",)) == bench.published[-1]

    asyncio.run(run())


def test_asking_often_fetches_seldom(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """However many tokens with unknown keys come, the next fetch is `ASK_INTERVAL_S` after the last."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            await bench.loaded()
            for _ in range(1000):
                bench.source.ask()
                await asyncio.sleep(0)
            assert 1 == api.count("jwks")

    asyncio.run(run())


def test_the_age_is_that_of_the_last_confirmation(log: Log, client: KubeClient) -> None:
    """None before the first key set, then the seconds since it was last seen to be the current one."""

    async def run() -> None:
        assert Bench(log, client=client).source.age is None
        async with running(log, client=client) as bench:
            await bench.loaded()
            bench.clock.now += 7
            assert 7.0 == bench.source.age

    asyncio.run(run())


@pytest.mark.parametrize(
    "fault",
    [
        Status(500),
        Status(401),
        Status(403),
        Cut(),
        Endless(),
        Body(b'{"keys":[]}'),
        Body(b"garbage"),
        Body(b" " * (MAX_DOCUMENT_BYTES + 1)),
    ],
)
def test_after_a_failure_the_last_good_set_stays(log: Log, api: FakeKubeApi, client: KubeClient, fault: Fault) -> None:
    """Whatever comes instead of a key set is counted and told; with the next good one all is well."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            await bench.loaded()
            api.fail("jwks", fault)
            await bench.refresh(lambda: bench.state.failures == 1)
            assert (True, 1) == (bench.state.loaded, len(bench.published))
            assert "" != bench.state.last_error
            assert ASK_INTERVAL_S == bench.source.age
            await bench.refresh(lambda: bench.state.failures == 0)
            assert "" == bench.state.last_error

    asyncio.run(run())


@pytest.mark.parametrize("fault", [Body(b"garbage"), Endless(), Status(403)])
def test_without_an_issuer_nothing_is_published(log: Log, api: FakeKubeApi, client: KubeClient, fault: Fault) -> None:
    """Keys without knowing whose they are would verify anything."""

    async def run() -> None:
        api.fail("issuer", fault)
        async with running(log, client=client, issuers=()) as bench:
            await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
            assert [] == bench.published
            await bench.loaded()  # tried again, soon

    asyncio.run(run())


def test_a_server_that_dies_takes_nothing_with_it(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """The last good set stays, and the failures are counted."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            await bench.loaded()
            api.close()
            await bench.refresh(lambda: bench.state.failures == 1)
            assert [OLD] == [document for document, _ in bench.published]
            assert "no connection" in bench.state.last_error

    asyncio.run(run())


def test_failures_are_reported_when_they_change(log: Log, api: FakeKubeApi, client: KubeClient, tmp_path: Path) -> None:
    """The same failure many times is one line, and so is its end."""

    async def run() -> None:
        api.fail("jwks", Status(500), Status(500), Status(503))
        async with running(log, client=client) as bench:
            await bench.loaded()
            await until(lambda: bench.state.last_error == "", DEADLINE_S, "the error to be over")

    asyncio.run(run())
    assert [
        ("warning", "the server answered with status 500 when asked to read the issuer's key set"),
        ("warning", "the server answered with status 503 when asked to read the issuer's key set"),
        ("info", None),
    ] == [(line["level"], line.get("error")) for line in logged(log, tmp_path)]


def test_a_publisher_that_fails_is_asked_again(log: Log, client: KubeClient) -> None:
    """A snapshot that is full today may have room tomorrow; the error's own words are not shown."""

    async def run() -> None:
        async with running(log, client=client) as bench:
            bench.refusals = [OSError("hunter2")]
            await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
            assert "OSError while the key set was refreshed" == bench.state.last_error
            assert not bench.state.loaded
            await bench.loaded()

    asyncio.run(run())


def test_another_host_gets_no_token(log: Log, api: FakeKubeApi, client: KubeClient) -> None:
    """The token is the API server's; another port of the same host is another host."""

    async def run() -> None:
        with FakeKubeApi() as elsewhere:
            elsewhere.jwks = NEW
            async with running(log, client=client, url=elsewhere.url + PATH) as bench:
                await bench.loaded()
                assert NEW == bench.published[0][0]
            assert [False] == ["authorization" in request.headers for request in elsewhere.requests]
        assert [] == api.requests

    asyncio.run(run())


def test_without_an_api_server_a_url_is_enough(log: Log, api: FakeKubeApi) -> None:
    """ServiceAccounts from files and keys from anywhere."""

    async def run() -> None:
        async with running(log, url=api.url + PATH) as bench:
            await bench.loaded()

    asyncio.run(run())


@pytest.mark.parametrize("own", [True, False])
def test_a_redirect_is_not_followed(log: Log, api: FakeKubeApi, client: KubeClient, *, own: bool) -> None:
    """Neither with the token nor without it: who redirects could choose the keys."""

    async def run() -> None:
        with FakeKubeApi() as target:
            target.jwks = NEW
            api.fail("jwks", *[Status(302, target.url + PATH)] * 5)
            arguments = {"client": client} if own else {"url": api.url + PATH}
            async with running(log, **arguments) as bench:
                await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
                assert "302" in bench.state.last_error
            assert [] == target.requests

    asyncio.run(run())


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://keys.example/jwks", "loopback"),
        ("https://user:hunter2@keys.example/jwks", "user name or password"),
        ("keys.example", "no URL"),
    ],
)
def test_a_url_that_is_not_safe_is_refused(log: Log, url: str, words: str) -> None:
    """Without TLS beyond this machine, or with a password in it."""

    async def run() -> None:
        async with running(log, url=url) as bench:
            await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
            assert words in bench.state.last_error
            assert "hunter2" not in bench.state.last_error

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Endless(), "larger than"), (Status(401), "readable without a token"), (Cut(), "broke")],
)
def test_another_host_that_fails_is_told(log: Log, api: FakeKubeApi, fault: Fault, words: str) -> None:
    """In one line, and it is asked again."""

    async def run() -> None:
        api.fail("jwks", fault)
        async with running(log, url=api.url + PATH) as bench:
            await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
            assert words in bench.state.last_error
            await bench.loaded()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("fault", "words"),
    [(Stall(), "stopped sending"), (Stall(head=False), "stopped sending"), (Drip(), "took more than")],
)
def test_another_host_is_not_waited_for(api: FakeKubeApi, fault: Fault, words: str) -> None:
    """A host that says nothing, or too little at a time, has so many seconds and no more."""
    api.fail("jwks", fault)
    with pytest.raises((KubeError, ValueError), match=words):
        _fetch(api.url + PATH, None, 0.2)


class Dripping:
    """A server whose answers have a head that never ends, one byte at a time, until it is closed.

    Attributes:
        accepted: connections so far.
    """

    def __init__(self) -> None:
        self.accepted = 0
        self._end = threading.Event()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}/keys"
        threading.Thread(target=self._serve, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                self.accepted += 1
                threading.Thread(target=self._drip, args=(connection,), daemon=True).start()

    def _drip(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not self._end.wait(0.02):
                connection.sendall(b"x")


def test_a_head_that_never_ends_is_not_waited_for(log: Log) -> None:
    """Each byte begins the read's time-out anew, so the whole has one of its own; and it is tried again."""

    async def run() -> None:
        with Dripping() as server:
            async with running(log, url=server.url, total_seconds=0.1) as bench:
                await until(lambda: bench.state.failures, DEADLINE_S, "a failure")
                assert "the key set did not arrive within 0.1 s" == bench.state.last_error
                await until(lambda: server.accepted == 2, DEADLINE_S, "another attempt")

    asyncio.run(run())


def test_attempts_that_hang_do_not_pile_up(log: Log) -> None:
    """Their threads cannot be ended; so many may hang, and no more are begun until one has ended."""

    def has_failed_since(bench: Bench, failures: int) -> bool:
        return bench.state.failures > failures

    async def run() -> None:
        with Dripping() as server:
            async with running(log, url=server.url, total_seconds=0.1) as bench:
                for _ in range(MAX_HANGING_FETCHES + 1):
                    before = bench.state.failures
                    await bench.refresh(functools.partial(has_failed_since, bench, before))
                assert bench.state.last_error.startswith(f"{MAX_HANGING_FETCHES} attempts to get the key set hang")
                await until(lambda: MAX_HANGING_FETCHES == server.accepted, DEADLINE_S, "as many connections")

    asyncio.run(run())


def test_an_exec_plugin_that_hangs_is_not_waited_for(log: Log, api: FakeKubeApi, tmp_path: Path) -> None:
    """Neither by the loop nor by the end of the source."""
    fifo = tmp_path / "never written"
    os.mkfifo(fifo)
    plugin = {"apiVersion": "client.authentication.k8s.io/v1", "command": "cat", "args": [str(fifo)]}
    kubeconfig = api.write_kubeconfig(tmp_path / "config", exec=plugin | {"interactiveMode": "Never"})
    client = KubeClient(in_cluster=False, kubeconfig=str(kubeconfig))

    async def run() -> None:
        async with running(log, client=client, total_seconds=0.1) as bench:
            await until(lambda: bench.state.failures, DEADLINE_S, "a failure")
            assert "the key set did not arrive within 0.1 s" == bench.state.last_error

    try:
        asyncio.run(run())
    finally:
        os.close(os.open(fifo, os.O_RDWR))  # `cat` ends
        with client._lock:
            pass


def test_a_host_that_is_not_there_is_told(log: Log) -> None:
    """In one line."""

    async def run() -> None:
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))  # bound and not listening: connections are refused
            async with running(log, url=f"http://127.0.0.1:{unused.getsockname()[1]}/jwks") as bench:
                await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
                assert "no connection to 127.0.0.1 (connection refused)" in bench.state.last_error

    asyncio.run(run())


class Pod:
    """A client in a pod of a cluster with an authority of its own, and another host outside of it."""

    def __init__(self, directory: Path) -> None:
        self.authority = Authority(directory, "cluster", hosts=("keys.auth.svc",))
        self.api = FakeKubeApi(self.authority)
        self.api.jwks = OLD
        self.client = KubeClient(
            in_cluster=True, environ=self.api.mount(directory, self.authority, "our-token"), directory=directory
        )


@pytest.fixture
def pod(tmp_path: Path) -> Iterator[Pod]:
    """A pod in a cluster."""
    made = Pod(tmp_path)
    with made.api:
        yield made


def test_the_api_server_is_trusted_by_its_own_authority(log: Log, pod: Pod) -> None:
    """In a pod, over TLS."""

    async def run() -> None:
        async with running(log, client=pod.client, issuers=()) as bench:
            await bench.loaded()

    asyncio.run(run())


def test_another_host_is_not_trusted_by_the_clusters_authority(log: Log, pod: Pod) -> None:
    """Who can have certificates from the cluster's CA could otherwise pose as any host outside."""

    async def run() -> None:
        with FakeKubeApi(pod.authority) as elsewhere:
            async with running(log, client=pod.client, url=elsewhere.url + PATH) as bench:
                await until(lambda: bench.state.failures == 1, DEADLINE_S, "a failure")
                assert "no trusted TLS connection to 127.0.0.1" in bench.state.last_error
            assert [] == elsewhere.requests

    asyncio.run(run())


def test_another_host_is_trusted_by_the_systems_authorities(
    log: Log, pod: Pod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that OpenSSL finds."""

    async def run() -> None:
        public = Authority(tmp_path, "public")
        monkeypatch.setenv("SSL_CERT_FILE", str(public.ca_file))
        with FakeKubeApi(public) as elsewhere:
            elsewhere.jwks = NEW
            async with running(log, client=pod.client, url=elsewhere.url + PATH) as bench:
                await bench.loaded()
            assert "authorization" not in elsewhere.requests[0].headers

    asyncio.run(run())


def test_a_name_of_the_cluster_is_trusted_by_the_clusters_authority(
    log: Log, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another service in the cluster gets no token, but the cluster's CA may vouch for it."""
    real = socket.getaddrinfo

    def resolve(host: str, *rest: Any, **options: Any) -> Any:
        return real("127.0.0.1" if host == "keys.auth.svc" else host, *rest, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)  # there is no cluster DNS here

    async def run() -> None:
        with FakeKubeApi(pod.authority) as elsewhere:
            elsewhere.jwks = NEW
            url = f"https://keys.auth.svc:{elsewhere.port}{PATH}"
            async with running(log, client=pod.client, url=url) as bench:
                await bench.loaded()
            assert "authorization" not in elsewhere.requests[0].headers

    asyncio.run(run())


def test_a_file_is_read_and_followed(log: Log, tmp_path: Path) -> None:
    """A change is seen without being asked for; what cannot be used leaves the last good set in force."""

    async def run() -> None:
        path = tmp_path / "jwks.json"
        path.write_bytes(OLD)
        async with running(log, path=path) as bench:
            await bench.loaded()
            path.write_bytes(b"half a key se")
            await bench.refresh(lambda: bench.state.failures >= 1)
            path.write_bytes(NEW)
            await bench.loaded(2)
            assert [OLD, NEW] == [document for document, _ in bench.published]
            path.unlink()
            await until(lambda: "no such file" in bench.state.last_error, DEADLINE_S, "the file to be missed")

    asyncio.run(run())


def test_an_issuer_may_come_from_the_api_server_and_the_keys_from_a_file(
    log: Log, api: FakeKubeApi, client: KubeClient, tmp_path: Path
) -> None:
    """As each is set."""
    path = tmp_path / "jwks.json"
    path.write_bytes(NEW)

    async def run() -> None:
        async with running(log, path=path, client=client, issuers=()) as bench:
            await bench.loaded()
            assert [(NEW, (api.issuer,))] == bench.published

    asyncio.run(run())


@pytest.mark.parametrize("arguments", [{}, {"url": "https://a.example"}, {"issuers": ("a",)}])
def test_what_cannot_be_found_out_must_be_given(log: Log, arguments: dict[str, Any]) -> None:
    """Without an API server to ask, both key set and issuer."""
    with pytest.raises(ValueError, match="must be given"):
        KeySource(lambda *_: None, log, **arguments)
