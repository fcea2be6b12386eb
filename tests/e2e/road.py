"""A road to a server of this machine that can be closed: who goes by it is cut off from the server, and nobody else."""

import contextlib
import socket
import threading
from typing import Self

READ_BYTES = 1 << 16


class Road:
    """Carries TCP connections to a port of 127.0.0.1 within a `with` block.

    Args:
        port: where it leads to.

    Attributes:
        port: where it begins.
    """

    def __init__(self, port: int) -> None:
        self._end = port
        self._is_open = True
        self._lock = threading.Lock()
        self._travellers: set[socket.socket] = set()
        self._entrance = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._entrance.getsockname()[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._let_in, name="road", daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
        with contextlib.suppress(OSError):
            self._entrance.shutdown(socket.SHUT_RDWR)  # ends `accept`, which closing alone does not
        self._entrance.close()

    def close(self) -> None:
        """Cut all connections, and let nobody in until `open`."""
        with self._lock:
            self._is_open = False
            for traveller in self._travellers:
                _cut(traveller)

    def open(self) -> None:
        """Let new connections in."""
        with self._lock:
            self._is_open = True

    def _let_in(self) -> None:
        with contextlib.suppress(OSError):  # the road is gone
            while True:
                near, _ = self._entrance.accept()
                try:
                    far = socket.create_connection(("127.0.0.1", self._end))
                except OSError:  # the server is down
                    near.close()
                    continue
                with self._lock:
                    self._travellers |= {near, far}
                    if not self._is_open:
                        _cut(near)
                        _cut(far)
                ways = [threading.Thread(target=_carry, args=way, daemon=True) for way in ((near, far), (far, near))]
                for way in ways:
                    way.start()
                threading.Thread(target=self._see_off, args=(ways, near, far), daemon=True).start()

    def _see_off(self, ways: list[threading.Thread], *sockets: socket.socket) -> None:
        """Forget a connection when both its ways have ended."""
        for way in ways:
            way.join()
        with self._lock:
            self._travellers -= set(sockets)
        for one in sockets:
            one.close()


def _carry(source: socket.socket, target: socket.socket) -> None:
    """Carry bytes one way until either end is closed, and then close both."""
    with contextlib.suppress(OSError):
        while data := source.recv(READ_BYTES):
            target.sendall(data)
    _cut(source)
    _cut(target)


def _cut(one: socket.socket) -> None:
    with contextlib.suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
