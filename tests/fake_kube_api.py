"""A pretend API server that misbehaves when told to: `tests.fake_cluster` over HTTP.

It answers as kube-apiserver 1.34 does: lists in pages, watches as chunked JSON lines, single ServiceAccounts, the key
set and the OpenID configuration. Each request meets at most one fault from the queue of its kind (`fail`); everything
else goes by the book. It runs in threads of the test's process, on a loopback port of its own; `close` ends them all.
"""

import json
import select
import ssl
import threading
import time
from collections import defaultdict, deque
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import msgspec

from tests.authority import Authority
from tests.fake_cluster import FakeCluster, GoneError, error_line, status_object
from tests.http_serving import serving
from tests.kubeconfigs import write_kubeconfig

CHUNK = b"x" * 65_536
POLL_SECONDS = 0.02  # how soon a connection notices that the client or the server has gone


class Request(msgspec.Struct, frozen=True):
    """A request as it came. `kind` is list, watch, get, jwks, issuer or other; header names are in lower case."""

    kind: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]


class Status(msgspec.Struct, frozen=True):
    """Answer with an HTTP status, and perhaps with where to go instead."""

    code: int
    location: str = ""


class ErrorEvent(msgspec.Struct, frozen=True):
    """Begin the watch, send an ERROR event with that code, and end it."""

    code: int


class Cut(msgspec.Struct, frozen=True):
    """Cut the connection in the middle: of the body, or of the line of the watch's next event."""


class Body(msgspec.Struct, frozen=True):
    """Send this instead of the body; in a watch, a line of it before all others."""

    content: bytes


class Stall(msgspec.Struct, frozen=True):
    """Send nothing until the client has gone: no body, or not even a head."""

    head: bool = True


class Endless(msgspec.Struct, frozen=True):
    """Send a body, or a line, that never ends."""


class Drip(msgspec.Struct, frozen=True):
    """Send the body, or already the head, a byte at a time and never all of it."""

    head: bool = True


Fault = Status | ErrorEvent | Cut | Body | Stall | Endless | Drip


class FakeKubeApi:
    """The server. Use it as a context manager.

    Args:
        authority: who vouches for it; None for plain HTTP.

    Attributes:
        requests: all that came so far.
        token: the only bearer token that is let in; None lets everybody in.
        jwks: what /openid/v1/jwks answers.
        cache_control: the header that goes with it; None for none.
        issuer: what the OpenID configuration says.
        gone_by_status: whether a watch from a forgotten version gets HTTP status 410 instead of an ERROR event.
    """

    def __init__(self, authority: Authority | None = None) -> None:
        self.requests: list[Request] = []
        self.token: str | None = None
        self.jwks = b'{"keys":[]}'
        self.cache_control: str | None = "public, max-age=3600"
        self.issuer = "https://kubernetes.default.svc.cluster.local"
        self.gone_by_status = False
        self.closed = False
        self.ended_watches = 0
        self.context = authority.server_context() if authority else None
        self._cluster = FakeCluster()
        self._lock = threading.Lock()
        self._faults: defaultdict[str, deque[Fault]] = defaultdict(deque)
        self._server = _Server(self)
        self.port = int(self._server.server_address[1])
        self.url = f"{'https' if authority else 'http'}://127.0.0.1:{self.port}"
        self._at_work = ExitStack()
        self._at_work.enter_context(serving(self._server))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End all connections and all threads, and free the port."""
        self.closed = True
        self._at_work.close()

    @contextmanager
    def cluster(self) -> Iterator[FakeCluster]:
        """Lend the cluster out to be changed or looked at; open watches hear of it afterwards, all at once."""
        with self._lock:
            yield self._cluster

    def fail(self, kind: str, *faults: Fault) -> None:
        """Give each of the next requests of a kind one of these faults."""
        with self._lock:
            self._faults[kind].extend(faults)

    def end_watches(self) -> None:
        """End the open watches in good order, as when their time has run out."""
        self.ended_watches += 1

    def use(self, authority: Authority) -> None:
        """Show the certificate of another authority from now on."""
        self.context = authority.server_context()

    def count(self, kind: str) -> int:
        """Return how many requests of a kind came."""
        return sum(request.kind == kind for request in self.requests)

    def write_kubeconfig(self, path: Path, authority: Authority | None = None, **user: object) -> Path:
        """Write a kubeconfig that leads here; its user has these members, such as `token`."""
        trust = {"certificate-authority": str(authority.ca_file)} if authority else {}
        return write_kubeconfig(path, {"server": self.url, **trust}, user)

    def mount(self, directory: Path, authority: Authority, token: str) -> dict[str, str]:
        """Write what a pod finds in its ServiceAccount's directory, and return what it finds in its environment."""
        (directory / "token").write_text(token)
        (directory / "ca.crt").write_bytes(authority.ca_file.read_bytes())
        return {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(self.port)}

    def receive(self, request: Request) -> Fault | None:
        """Take note of a request and return the fault that it is to meet; for the connections' threads."""
        with self._lock:
            self.requests.append(request)
            queue = self._faults[request.kind]
            return queue.popleft() if queue else None


class _Server(ThreadingHTTPServer):
    daemon_threads = False  # so that the end of `serving` joins them

    def __init__(self, api: FakeKubeApi) -> None:
        self.api = api
        super().__init__(("127.0.0.1", 0), _Connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: clients that go away in the middle are what is tested."""


class _Connection(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def setup(self) -> None:
        self.api = self.server.api
        self.request.settimeout(5)
        if self.api.context:
            self.request = self.api.context.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        try:
            super().finish()
        except OSError:
            pass
        finally:
            self.request.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Say nothing."""

    def handle(self) -> None:
        self.close_connection = False
        while not (self.close_connection or self.api.closed):
            if self._has_input():
                self.handle_one_request()

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = dict(parse_qsl(parts.query))
        kind, namespace, name = _classify(parts.path, query)
        headers = {key.lower(): value for key, value in self.headers.items()}
        fault = self.api.receive(Request(kind, parts.path, query, headers))
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if self.api.token is not None and (scheme.lower(), token) != ("bearer", self.api.token):
            self._refuse(401)
        elif isinstance(fault, Status):
            self._refuse(fault.code, fault.location)
        elif isinstance(fault, Stall) and not fault.head:
            self._wait_for_end()
        elif isinstance(fault, Drip) and not fault.head:
            self._drip_head()
        elif kind == "watch":
            self._watch(namespace, query, fault)
        else:
            self._answer(kind, namespace, name, query, fault)

    def _answer(self, kind: str, namespace: str, name: str, query: dict[str, str], fault: Fault | None) -> None:
        cache_control = None
        with self.api.cluster() as cluster:
            try:
                body = cluster.page(namespace, query) if kind == "list" else cluster.get(namespace, name)
            except GoneError:
                self._refuse(410)
                return
        if kind == "jwks":
            body, cache_control = self.api.jwks, self.api.cache_control
        if kind == "issuer":
            body = json.dumps({"issuer": self.api.issuer, "jwks_uri": "https://elsewhere.example/keys"}).encode()
        if body is None:
            self._refuse(404)
            return
        body = fault.content if isinstance(fault, Body) else body
        announced = 1 << 40 if isinstance(fault, Endless | Drip) else len(body)
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(announced))
        if cache_control:
            self.send_header("Cache-Control", cache_control)
        self.end_headers()
        if fault is None or isinstance(fault, Body):
            self.wfile.write(body)
        else:
            self._misbehave(fault, body, self.wfile.write)

    def _watch(self, namespace: str, query: dict[str, str], fault: Fault | None) -> None:
        version = query["resourceVersion"]
        ends_at = time.monotonic() + float(query["timeoutSeconds"])
        ended_before = self.api.ended_watches
        if self.api.gone_by_status and not self._is_known(version):
            self._refuse(410)
            return
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if isinstance(fault, Body):
            self._send_chunk(fault.content + b"\n")
        elif isinstance(fault, Stall | Endless | Drip):
            self._misbehave(fault, b"", self._send_chunk)
            return
        error = fault.code if isinstance(fault, ErrorEvent) else 0
        while not error and self.api.ended_watches == ended_before and time.monotonic() < ends_at:
            try:
                with self.api.cluster() as cluster:
                    news = cluster.lines_since(version, namespace)
            except GoneError:
                error = 410
                break
            for at, line in news:
                if isinstance(fault, Cut):
                    self._misbehave(fault, line, self._send_chunk)
                    return
                self._send_chunk(line + b"\n")
                version = at
            if self._has_input() or self.api.closed:  # an end of file: the client has gone
                self.close_connection = True
                return
        if error:
            self._send_chunk(error_line(error) + b"\n")
        self._send_chunk(b"")

    def _is_known(self, version: str) -> bool:
        try:
            with self.api.cluster() as cluster:
                cluster.lines_since(version)
        except GoneError:
            return False
        return True

    def _misbehave(self, fault: Fault, body: bytes, send: Any) -> None:
        self.close_connection = True
        if isinstance(fault, Cut):
            send(body[: len(body) // 2])
        elif isinstance(fault, Stall):
            self._wait_for_end()
        else:
            piece, pause = (CHUNK, 0.0) if isinstance(fault, Endless) else (b" ", POLL_SECONDS)
            while not self.api.closed and not self._has_input(pause):
                send(piece)

    def _refuse(self, code: int, location: str = "") -> None:
        body = json.dumps(status_object(code)).encode()
        self.send_response(code)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _send_chunk(self, data: bytes) -> None:
        self.wfile.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")

    def _drip_head(self) -> None:
        self.close_connection = True
        self.wfile.write(b"HTTP/1.1 200 OK\r\nX: ")
        while not self.api.closed and not self._has_input():
            self.wfile.write(b"x")

    def _wait_for_end(self) -> None:
        self.close_connection = True
        while not self.api.closed and not self._has_input():
            pass

    def _has_input(self, seconds: float = POLL_SECONDS) -> bool:
        """Tell whether the client has sent something, or gone; wait a moment for it."""
        if isinstance(self.request, ssl.SSLSocket) and self.request.pending():
            return True
        return bool(select.select([self.request], [], [], seconds)[0])


def _classify(path: str, query: dict[str, str]) -> tuple[str, str, str]:
    """Return kind of request, namespace and name."""
    if path == "/openid/v1/jwks":
        return "jwks", "", ""
    if path == "/.well-known/openid-configuration":
        return "issuer", "", ""
    match path.strip("/").split("/"):
        case ["api", "v1", "serviceaccounts"]:
            return ("watch" if "watch" in query else "list"), "", ""
        case ["api", "v1", "namespaces", namespace, "serviceaccounts"]:
            return ("watch" if "watch" in query else "list"), namespace, ""
        case ["api", "v1", "namespaces", namespace, "serviceaccounts", name]:
            return "get", namespace, name
    return "other", "", ""
