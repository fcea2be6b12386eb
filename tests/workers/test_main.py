"""workers.main: a worker as a process; what it reads, and by which exit code it says why it ended."""

import json
import resource
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.minting import NatsKey
from workers.dumps import CORE_BYTES
from workers.exits import Exit
from workers.settings import WorkerSettings
from workers.snapshot import LAYOUT_VERSION, SnapshotWriter
from workers.status import State, StatusPage
from workers.user_jwt import Mode

END_SECONDS = 20  # until it has to have ended
COMMAND = (sys.executable, "-P", "-m", "workers")


@contextmanager
def worker(
    folder: Path, layout: int = LAYOUT_VERSION, changes: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """A worker for whom nobody listens at its NATS server; what it is told is right but for `changes`."""
    for part in ("snapshot", "metrics"):
        (folder / part).mkdir()
    StatusPage.create(folder / "page").close()
    with closing(SnapshotWriter(folder / "snapshot")) as writer:
        with writer._env.begin(write=True) as txn:
            txn.put(b"layout", b"%d" % layout, db=writer._meta)
        key = NatsKey.generate("account")
        told: dict[str, Any] = {
            "worker": 1,
            "metrics_id": 0,
            "status_file": str(folder / "page"),
            "snapshot_dir": str(folder / "snapshot"),
            "metrics_dir": str(folder / "metrics"),
            "log_level": "info",
            "servers": ("nats://127.0.0.1:1",),  # a port that nobody may listen on but root
            "mode": Mode.SERVER,
            "callout_account": key.public,
            "signing_seed": key.seed,
            "user_ttl": 3600.0,
            "user_ttl_jitter": 0.0,
            "user_name": False,
            "drain_timeout": 5.0,
        }
        line = msgspec.json.encode(WorkerSettings(**(told | dict(changes or {}))))
        with subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            try:
                assert process.stdin is not None
                process.stdin.write(line + b"\n")
                process.stdin.flush()
                yield process
            finally:
                process.kill()


def read_lines(process: "subprocess.Popen[bytes]") -> list[dict[str, Any]]:
    """Wait for the end of a worker; each line that it printed is one of the log."""
    assert process.stderr is not None
    lines = [json.loads(line) for line in process.stderr]
    process.wait(END_SECONDS)
    return lines


@pytest.mark.parametrize("line", [b"", b"\n", b"{}\n", b"hello\n", b"\xff\n"])
def test_a_worker_without_settings_says_who_starts_workers(line: bytes) -> None:
    """Somebody has started one by hand: one line, no traceback."""
    ended = subprocess.run(COMMAND, input=line, capture_output=True, timeout=END_SECONDS, check=False)
    expected = b"workers are started by `callout serve`, with their settings on standard input\n"
    assert (Exit.BAD_SETTINGS, b"", expected) == (ended.returncode, ended.stdout, ended.stderr)


@pytest.mark.parametrize(
    "changes",
    [
        {"signing_seed": NatsKey.generate("user").seed},
        {"xkey_seed": NatsKey.generate("account").seed},
        {"snapshot_dir": "/nowhere"},
        {"status_file": "/nowhere"},
        {"tls_ca_file": "/nowhere"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_settings_that_cannot_be_used_end_it_for_good(tmp_path: Path, changes: dict[str, str]) -> None:
    """One line says which, without the seed; the code says that starting again would end the same way."""
    with worker(tmp_path, changes=changes) as process:
        (line,) = read_lines(process)
        assert ("worker cannot start", "error") == (line["event"], line["level"])
        assert all(value not in json.dumps(line) for name, value in changes.items() if name.endswith("seed"))
        assert Exit.BAD_SETTINGS == process.returncode


def test_a_snapshot_of_another_version_ends_it_for_good(tmp_path: Path) -> None:
    """It does not guess what the other version has meant."""
    with worker(tmp_path, layout=LAYOUT_VERSION + 1) as process:
        (line,) = read_lines(process)
        assert f"layout {LAYOUT_VERSION + 1}" in line["error"]
        assert Exit.LAYOUT == process.returncode


def test_it_is_never_dumped(tmp_path: Path) -> None:
    """It holds the signing keys, however it was started."""
    with worker(tmp_path) as process:
        assert process.stderr is not None
        assert "NATS error" == json.loads(process.stderr.readline())["event"]  # so it runs by now
        assert (CORE_BYTES, CORE_BYTES) == resource.prlimit(process.pid, resource.RLIMIT_CORE)


@pytest.mark.parametrize("way", ["signal", "end of input"])
def test_it_leaves_when_it_is_told_to_and_when_the_supervisor_is_gone(tmp_path: Path, way: str) -> None:
    """Although it has not reached NATS yet; its page says that it drains."""
    with worker(tmp_path) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        assert "NATS error" == json.loads(process.stderr.readline())["event"]  # so it runs by now
        if way == "signal":
            process.send_signal(signal.SIGTERM)
        else:
            process.stdin.close()
        read_lines(process)
        assert Exit.DRAINED == process.returncode
        with closing(StatusPage(tmp_path / "page")) as page:
            assert State.DRAINING == page.state
