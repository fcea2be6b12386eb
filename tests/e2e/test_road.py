"""The road that can be closed does what the tests of outages lean on."""

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from tests.e2e.road import Road
from tests.waiting import PATIENCE_SECONDS


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that sends back what it gets."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=answer, args=(server.accept()[0],), daemon=True).start()

        def answer(client: socket.socket) -> None:
            with client:
                while data := client.recv(100):
                    client.sendall(data)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _go_by(road: Road) -> socket.socket:
    return socket.create_connection(("127.0.0.1", road.port), PATIENCE_SECONDS)


def _ask(traveller: socket.socket) -> bytes:
    """What comes back; nothing if the connection has been cut."""
    with contextlib.suppress(ConnectionError):
        traveller.sendall(b"hello")
        return traveller.recv(100)
    return b""


def test_it_is_cut_and_mended(echo: int) -> None:
    """Who is on it is thrown off, nobody comes through while it is closed, and everybody after that."""
    with Road(echo) as road:
        with _go_by(road) as first:
            assert b"hello" == _ask(first)
            road.close()
            assert b"" == _ask(first)
        with _go_by(road) as second:
            assert b"" == _ask(second)
        road.open()
        with _go_by(road) as third:
            assert b"hello" == _ask(third)


def test_a_server_that_is_down_is_down_by_road_too() -> None:
    """Whoever tries is thrown off, and may try again."""
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    with Road(port) as road:
        for _ in range(2):
            with _go_by(road) as traveller:
                assert b"" == _ask(traveller)
