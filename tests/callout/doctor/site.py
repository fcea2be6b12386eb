"""A page that is read over HTTP: the service's metrics, or what somebody takes for them."""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PAGE = b"""\
# TYPE nats_auth_requests counter
nats_auth_requests_total{result="allowed",reason=""} 3.0
nats_auth_requests_total{result="denied",reason="token_malformed"} 2.0
nats_auth_other_total{reason="token_malformed"} 9.0
"""


class Site:
    """A server with one page, which keeps what it was sent.

    Attributes:
        first: what it says to the first requests instead of `body`, one each.
    """

    def __init__(self) -> None:
        self.status, self.body, self.headers = 200, PAGE, dict[str, str]()
        self.first: list[bytes] = []
        self.asked: list[dict[str, str]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append({name.lower(): value for name, value in self.headers.items()})
                body = outer.first.pop(0) if outer.first else outer.body
                self.send_response_only(outer.status)
                for name, value in {"Content-Length": str(len(body)), **outer.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/metrics"
