"""Helm for the tests of the chart."""

from pathlib import Path

import pytest

from tests.e2e.chart.helm import Helm


@pytest.fixture(scope="session")
def helm(tools: Path, tmp_path_factory: pytest.TempPathFactory) -> Helm:
    """Helm, without a cluster."""
    return Helm(tools / "helm", tmp_path_factory.mktemp("helm"))
