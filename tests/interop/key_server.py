"""A web server with a key set, on loopback: as much of an OpenID provider as JWKS_URL needs."""

import json
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self

from tests.http_serving import serving


class KeyServer:
    """Answers every GET with `document` within a `with` block.

    Attributes:
        document: what is answered; may be replaced at any time.
        fetches: when it was asked, in monotonic seconds.
        url: for JWKS_URL.
    """

    def __init__(self, document: dict[str, Any], *, max_age: int) -> None:
        self.document = document
        self.fetches: list[float] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.fetches.append(time.monotonic())
                body = json.dumps(outer.document).encode()
                self.send_response(200)
                self.send_header("Cache-Control", f"public, max-age={max_age}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
                """Say nothing."""

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._serving = serving(server)
        self.url = f"http://127.0.0.1:{server.server_port}/keys"

    def __enter__(self) -> Self:
        self._serving.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._serving.__exit__(kind, error, traceback)
