"""A server that answers as no API server and no service does, for what the real ones cannot be made to do."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import msgspec

from perf.kube.place import Place
from tests import kubeconfigs
from tests.http_serving import serving
from workers.jose import encode_segment

TOKEN = "not-a-secret"
DRIP_SECONDS = 0.02
"""Between two bytes: less than any time-out of a single read."""
UID = "00000000-0000-4000-8000-000000000000"


class Pace(Enum):
    """How an answer comes: whole, or from its head or its body on a byte at a time, and never all of it."""

    WHOLE = "whole"
    DRIPPING_HEAD = "dripping head"
    DRIPPING_BODY = "dripping body"


class Reply(msgspec.Struct, frozen=True):
    """An answer."""

    body: bytes = b"{}"
    status: int = 200
    pace: Pace = Pace.WHOLE


class Request(msgspec.Struct, frozen=True):
    """What came.

    Attributes:
        kind: what its body is said to be.
        authorization: whom it is said to come from.
    """

    method: str
    path: str
    body: Any = None
    kind: str | None = None
    authorization: str | None = None


Decide = Callable[[Request], Reply]


class Hostile:
    """A server at work.

    Attributes:
        url: where it is.
        requests: all that came so far.
    """

    def __init__(self, url: str) -> None:
        self.url = url
        self.requests: list[Request] = []

    def count(self, method: str) -> int:
        """How many requests of a method there were."""
        return sum(request.method == method for request in self.requests)


@contextmanager
def serve(decide: Decide) -> Iterator[Hostile]:
    """Answer within the block as is decided for each request."""
    ended = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        """Answers one after the other on each connection."""

        protocol_version = "HTTP/1.1"

        def answer(self) -> None:
            """Take a request down, and answer it."""
            content = self.rfile.read(int(self.headers.get("Content-Length", "0")))
            request = Request(
                self.command,
                self.path,
                json.loads(content or b"null"),
                self.headers["Content-Type"],
                self.headers["Authorization"],
            )
            hostile.requests.append(request)
            reply = decide(request)
            head = f"HTTP/1.1 {reply.status} Said\r\nContent-Length: "
            with suppress(OSError):  # whoever has asked has gone
                if reply.pace is Pace.DRIPPING_HEAD:
                    self.drip(head.encode(), b"1")
                elif reply.pace is Pace.DRIPPING_BODY:
                    self.drip(f"{head}1000000\r\n\r\n".encode(), b" ")
                else:
                    self.wfile.write(f"{head}{len(reply.body)}\r\n\r\n".encode() + reply.body)

        do_GET = do_POST = do_PATCH = do_DELETE = answer  # noqa: N815  # as the library calls them

        def drip(self, begin: bytes, byte: bytes) -> None:
            """Write a byte now and then until whoever has asked goes."""
            self.close_connection = True
            self.wfile.write(begin)
            while not ended.wait(DRIP_SECONDS):
                self.wfile.write(byte)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True  # a connection that is kept open waits for its next request
    hostile = Hostile(f"http://127.0.0.1:{server.server_port}")
    with serving(server):
        try:
            yield hostile
        finally:
            ended.set()


def write_kubeconfig(folder: Path, url: str) -> str:
    """Write one with a token, and return its path."""
    return str(kubeconfigs.write_kubeconfig(folder / "kubeconfig", {"server": url}, {"token": TOKEN}))


def make_place(kubeconfig: str, namespace: str = "perf", *, keep: bool = False) -> Place:
    """A namespace there, with the defaults of everything else."""
    return Place(
        kubeconfig=kubeconfig,
        namespace=namespace,
        audience="nats",
        annotation_prefix="nats.io/",
        metrics_urls=(),
        keep=keep,
    )


def describe_found(**metadata: Any) -> dict[str, Any]:
    """A ServiceAccount as an API server shows it."""
    return {"metadata": {"namespace": "perf", "name": "found", "uid": UID, **metadata}}


def describe_page(*items: dict[str, Any], following: str = "") -> bytes:
    """A page of a list, and how the next one is asked for."""
    return json.dumps({"kind": "ServiceAccountList", "metadata": {"continue": following}, "items": items}).encode()


def describe_token(uid: str) -> bytes:
    """The answer to a TokenRequest: a token of the ServiceAccount with that uid, signed by nobody."""
    claims = {"kubernetes.io": {"serviceaccount": {"uid": uid}}}
    token = b".".join(encode_segment(part) for part in (b"{}", json.dumps(claims).encode(), b"signed"))
    return json.dumps({"status": {"token": token.decode()}}).encode()
