"""The chart carries what k8s/monitoring has."""

from pathlib import Path

import pytest

from tests.monitoring.copies import COPIES


@pytest.mark.parametrize(("source", "copy"), COPIES.items(), ids=lambda path: path.name)
def test_the_charts_copy_is_the_same(source: Path, copy: Path) -> None:
    """`make manifests` has been run since it changed."""
    assert source.read_bytes() == copy.read_bytes()
