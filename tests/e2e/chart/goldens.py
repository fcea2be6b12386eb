"""What the chart renders for the main variants, kept as files: `python -m tests.e2e.chart.goldens` (`make goldens`).

Whoever changes a template sees in the difference what users will get.
"""

import tempfile
from pathlib import Path
from typing import Final

from tests.e2e.chart.helm import VARIANTS, Helm
from tests.e2e.tools.build import build

GOLDENS: Final = Path(__file__).parent / "goldens"


def render_golden(helm: Helm, variant: Path) -> str:
    """Render a variant for the newest Kubernetes."""
    return helm.render(variant)


def main() -> None:
    """Write all of them anew."""
    with tempfile.TemporaryDirectory() as home:
        helm = Helm(build() / "helm", Path(home))
        for variant in VARIANTS:
            (GOLDENS / variant.name).write_text(render_golden(helm, variant))


if __name__ == "__main__":
    main()
