"""The chart's package, made with a real helm: the same bytes each time, and the same chart as the folder."""

import shutil
from pathlib import Path

import pytest

from tests.e2e.chart.helm import CHART, NEWEST, VARIANTS, Helm
from tests.test_packaging import DISTRIBUTION, VERSION
from tests.tools.test_release import MOMENT, copy_source
from tools.release import EPOCH, SUMS, main

PACKAGE = f"{DISTRIBUTION}-{VERSION}.tgz"


def test_the_charts_package_is_reproducible(
    tools: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two releases have the same package, which SHA256SUMS names, and which renders as the folder does."""
    monkeypatch.setenv(EPOCH, MOMENT)
    monkeypatch.setenv("HOME", str(tmp_path))
    tree = copy_source(tmp_path / "tree")
    for number in (1, 2):
        assert 0 == main(["--root", str(tree), "--helm", str(tools / "helm")])
        shutil.copy(tree / "dist" / PACKAGE, tmp_path / f"{number}.tgz")
    assert "" == capsys.readouterr().err
    assert (tmp_path / "1.tgz").read_bytes() == (tmp_path / "2.tgz").read_bytes()
    assert f"  {PACKAGE}\n" in (tree / "dist" / SUMS).read_text()
    helm = Helm(tools / "helm", tmp_path)
    common = ("--kube-version", NEWEST, "--values", str(VARIANTS[0]))
    assert helm("template", "a", str(CHART), *common) == helm("template", "a", str(tmp_path / "1.tgz"), *common)
