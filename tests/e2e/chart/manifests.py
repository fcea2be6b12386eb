"""k8s/base: the chart as plain manifests. `python -m tests.e2e.chart.manifests` (`make manifests`) writes them.

They are rendered for the oldest Kubernetes, so that all take them, and without what Helm alone has a use for.
"""

import re
import tempfile
from pathlib import Path
from typing import Final

from tests.e2e.chart.helm import VERSIONS, Helm
from tests.e2e.tools.build import build
from tests.pages import ROOT

BASE: Final = ROOT / "k8s/base"
BASES: Final = (BASE, BASE / "operator-mode")
MANIFEST: Final = "callout.yaml"
_HEAD: Final = "# Made by `make manifests` from k8s/chart and values.yaml: change those.\n"
_HELMS_OWN: Final = re.compile(
    r"^(?:# Source: .*| *(?:helm\.sh/chart|app\.kubernetes\.io/managed-by): .*)\n", re.MULTILINE
)


def render_base(helm: Helm, folder: Path) -> str:
    """Render the manifests of a folder."""
    return _HEAD + _HELMS_OWN.sub("", helm.render(folder / "values.yaml", version=VERSIONS[0]))


def main() -> None:
    """Write all of them anew."""
    with tempfile.TemporaryDirectory() as home:
        helm = Helm(build() / "helm", Path(home))
        for folder in BASES:
            (folder / MANIFEST).write_text(render_base(helm, folder))


if __name__ == "__main__":
    main()
