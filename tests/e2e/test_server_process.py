"""A server of the end-to-end tests runs no longer than they do, and has its port for itself."""

import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from tests.e2e.etcd import Etcd
from tests.e2e.server_process import HeldPort, ServerProcess
from tests.pages import ROOT
from tests.waiting import until_sync

END_SECONDS = 10
STARTS_AN_ETCD = """
import sys
from pathlib import Path
from tests.e2e.etcd import Etcd

with Etcd(Path(sys.argv[1]), Path(sys.argv[2])) as etcd:
    print(etcd.pid, flush=True)
    sys.stdin.read()
"""


def _runs(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_a_server_dies_with_the_tests(tools: Path, tmp_path: Path) -> None:
    """Even if they are killed and can clear nothing up."""
    command = [sys.executable, "-c", STARTS_AN_ETCD, str(tools / "etcd"), str(tmp_path)]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as tests:
        assert tests.stdout is not None
        pid = int(tests.stdout.readline())
        assert _runs(pid)
        tests.kill()
    until_sync(lambda: not _runs(pid), END_SECONDS, "etcd ends")


def test_a_server_that_does_not_start_is_named_with_its_last_words(tmp_path: Path) -> None:
    """So that the failure can be read where it is reported."""
    server = ServerProcess("the server", tmp_path / "log")
    with pytest.raises(AssertionError, match="the server ended with 3: out of paper"):
        server.start(["sh", "-c", "echo out of paper; exit 3"], lambda: False)
    server.stop()  # nothing is left to stop


def test_a_held_port_is_nobody_elses_but_the_servers() -> None:
    """Another socket cannot have it; one that reuses addresses, as Go's do, listens beside it."""
    with HeldPort() as port, socket.socket() as stranger, socket.socket() as server:
        with pytest.raises(OSError, match="in use"):
            stranger.bind(("127.0.0.1", port.number))
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", port.number))
        server.listen()


def test_etcd_forgets_when_compacted(tools: Path, tmp_path: Path) -> None:
    """The revision it returns is the last one written; after the block it is gone."""
    with Etcd(tools / "etcd", tmp_path) as etcd:
        etcd.put("colour", "red")
        etcd.put("colour", "blue")
        assert 3 == etcd.compact()
        pid = etcd.pid
    assert not _runs(pid)
    with pytest.raises(OSError, match="refused"):
        urllib.request.urlopen(etcd.url)
