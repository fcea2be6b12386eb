"""Deployments in operator mode that `callout bootstrap` has made, one of each kind of resolver."""

from pathlib import Path

import pytest

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
