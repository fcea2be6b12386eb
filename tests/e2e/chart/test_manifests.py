"""The plain manifests are the chart's."""

from pathlib import Path

import pytest

from callout.config.loading import load
from tests.e2e.chart.helm import Helm, read_objects
from tests.e2e.chart.manifests import BASES, MANIFEST, render_base
from tests.e2e.chart.test_rendered import environment_of


@pytest.mark.parametrize("folder", BASES, ids=lambda path: path.name)
def test_a_base_is_what_the_chart_renders(helm: Helm, folder: Path) -> None:
    """`make manifests` has been run since the chart changed."""
    assert (folder / MANIFEST).read_text() == render_base(helm, folder)


@pytest.mark.parametrize("folder", BASES, ids=lambda path: path.name)
def test_a_base_says_nothing_of_helm(folder: Path) -> None:
    """Nobody who applies them has a release."""
    assert "helm" not in (folder / MANIFEST).read_text().lower()


@pytest.mark.parametrize("folder", BASES, ids=lambda path: path.name)
def test_the_service_takes_the_settings_of_a_base(folder: Path) -> None:
    """Without an error and without a warning."""
    _, warnings = load(environment_of(read_objects((folder / MANIFEST).read_text())))
    assert [] == warnings
