"""A web server of a test's own at work: in a thread, for as long as a block lasts."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import HTTPServer

POLL_SECONDS = 0.02
"""How soon the server notices that it is to end."""


@contextmanager
def serving(server: HTTPServer) -> Iterator[None]:
    """Let a server answer within the block; afterwards its thread has ended and its port is free."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": POLL_SECONDS})
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
