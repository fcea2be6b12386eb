"""One nats-server as a process: started on free ports, waited for, stopped by its pid, started again where it was.

The server says itself which ports it got: the ports file (`--ports_file_dir`) names those of clients and WebSocket,
the log those of MQTT and leaf nodes, which no version writes into the file. A second start asks for the same ports, so
that a client of the first finds the second.
"""

import contextlib
import json
import re
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import msgspec

from tests.waiting import PATIENCE_SECONDS, until_sync

ANY_PORT = -1


class Ports(msgspec.Struct, frozen=True):
    """Where a server listens on 127.0.0.1; `ANY_PORT` asks it to choose."""

    client: int = ANY_PORT
    websocket: int = ANY_PORT
    mqtt: int = ANY_PORT
    leafnode: int = ANY_PORT


class NatsProcess:
    """A nats-server with its folder: `nats.conf`, `nats.log`, the ports file, JetStream's store.

    `render_config` makes the text of nats.conf for the ports given to it; it must write the log to `log_path`.
    """

    def __init__(self, binary: Path, folder: Path, render_config: Callable[[Ports], str]) -> None:
        self.ports = Ports()
        self.log_path = folder / "nats.log"
        self._binary = binary
        self._folder = folder
        self._render_config = render_config
        self._process: subprocess.Popen[bytes] | None = None
        self._held: list[socket.socket] = []

    @property
    def pid(self) -> int:
        """The process that runs."""
        assert self._process is not None, "not started"
        return self._process.pid

    def start(self, edit: Callable[[str], str] = str) -> None:
        """Start, with the configuration as `edit` makes it, and wait until every listener is up.

        `AssertionError` with the server's own words if it does not come up.
        """
        assert self._process is None, "already running"
        config = self._folder / "nats.conf"
        config.write_text(edit(self._render_config(self.ports)))
        seen = len(self.log())
        command = [str(word) for word in (self._binary, "-c", config, "--ports_file_dir", self._folder)]
        with (self._folder / "nats.stderr").open("wb") as stderr:
            self._process = subprocess.Popen(command, stderr=stderr)
        try:
            self.ports = until_sync(lambda: self._maybe_ports(seen), PATIENCE_SECONDS, "nats-server is ready")
        except BaseException:  # an interrupt too must not leave it running
            self.stop()
            raise
        finally:
            self.release()

    def stop(self) -> None:
        """End the server if it runs."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
            raise
        self._ports_file(process.pid).unlink(missing_ok=True)
        self._hold_ports()

    def _hold_ports(self) -> None:
        """Keep the ports for the next start: others that ask for any free port would get them meanwhile.

        A socket that is bound and does not listen does that, and with SO_REUSEADDR, which Go sets too, the server can
        still bind beside it.
        """
        for port in (self.ports.client, self.ports.websocket, self.ports.mqtt, self.ports.leafnode):
            if port > 0:
                held = socket.socket()
                self._held.append(held)
                held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                with contextlib.suppress(OSError):  # taken in the very moment: only another start would miss it
                    held.bind(("127.0.0.1", port))

    def release(self) -> None:
        """Let go of the ports that are held for another start."""
        for held in self._held:
            held.close()
        self._held.clear()

    def restart(self, edit: Callable[[str], str] = str) -> None:
        """Stop, then start on the same ports, with the configuration as `edit` makes it: not all can be reloaded.

        The server's own keys (N…, X…) are new ones after that.
        """
        self.stop()
        self.start(edit)

    def reload(self, edit: Callable[[str], str]) -> None:
        """Have the server read its configuration again, as `edit` makes it; wait until it is in force."""
        done = "Reloaded server configuration"
        seen = len(self.logged(done))
        self.begin_reload(edit)
        until_sync(lambda: len(self.logged(done)) > seen, PATIENCE_SECONDS, "nats-server has reloaded")

    def begin_reload(self, edit: Callable[[str], str]) -> None:
        """Ask for that, and wait for nothing: it may be refused."""
        assert self._process is not None
        (self._folder / "nats.conf").write_text(edit(self._render_config(self.ports)))
        self._process.send_signal(signal.SIGHUP)

    def log(self) -> str:
        """All that the server has logged, over all its starts."""
        return self.log_path.read_text() if self.log_path.exists() else ""

    def logged(self, text: str) -> list[str]:
        """The lines of the log that hold `text`."""
        return [line for line in self.log().splitlines() if text in line]

    def _ports_file(self, pid: int) -> Path:
        return self._folder / f"{self._binary.name}_{pid}.ports"

    def _maybe_ports(self, seen: int) -> Ports | None:
        process = self._process
        assert process is not None
        log = self.log()[seen:]
        complaint = (self._folder / "nats.stderr").read_text()
        assert process.poll() is None, f"nats-server ended with {process.returncode}: {complaint}{log[-2000:]}"
        try:
            listed = json.loads(self._ports_file(process.pid).read_bytes())
        except (FileNotFoundError, json.JSONDecodeError):  # not yet there, or half written
            return None
        mqtt = re.search(r"Listening for MQTT clients on mqtt://127\.0\.0\.1:(\d+)", log)
        leafnode = re.search(r"Listening for leafnode connections on 127\.0\.0\.1:(\d+)", log)
        if mqtt is None or leafnode is None or "Server is ready" not in log:
            return None
        return Ports(
            client=_port_of(listed["nats"]),
            websocket=_port_of(listed["websocket"]),
            mqtt=int(mqtt[1]),
            leafnode=int(leafnode[1]),
        )


def _port_of(urls: list[str]) -> int:
    return int(urls[0].rpartition(":")[2])
