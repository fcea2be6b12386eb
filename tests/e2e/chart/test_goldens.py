"""The chart renders what is kept."""

from pathlib import Path

import pytest

from tests.e2e.chart.goldens import GOLDENS, render_golden
from tests.e2e.chart.helm import VARIANTS, Helm


@pytest.mark.parametrize("variant", VARIANTS, ids=lambda path: path.stem)
def test_a_variant_renders_as_kept(helm: Helm, variant: Path) -> None:
    """`make goldens` has been run since a template changed, and somebody has looked at the difference."""
    assert (GOLDENS / variant.name).read_text() == render_golden(helm, variant)


def test_there_is_a_golden_for_each_variant_and_no_other() -> None:
    """A variant that was renamed leaves none behind."""
    assert [path.name for path in VARIANTS] == sorted(path.name for path in GOLDENS.iterdir())
