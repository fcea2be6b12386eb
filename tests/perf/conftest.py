"""What tests of the measurements share: what `callout bootstrap` has made in operator mode, and a lack of room."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from perf.commandline import shared_memory
from tests.interop.bootstrapped import bootstrap


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One with the memory resolver, whose requests are sealed."""
    made = tmp_path / "nats"
    bootstrap(made, "--xkey")
    return made


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """One with a full resolver."""
    made = tmp_path / "nats"
    bootstrap(made, "--resolver", "full")
    return made


@pytest.fixture
def no_shared_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """No folder can be made where shared memory is looked for: a machine's own (/dev/shm) takes anybody's."""
    monkeypatch.setattr(shared_memory, "SHARED_MEMORY", Path("/proc"))


@pytest.fixture
def unread() -> Iterator[int]:
    """The end of a pipe that is written into, and whose reader has gone."""
    read, write = os.pipe()
    os.close(read)
    yield write
    os.close(write)
