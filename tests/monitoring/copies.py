"""The chart's copies of k8s/monitoring: `python -m tests.monitoring.copies` (`make manifests`) makes them anew.

A chart is packaged with what is in its own folder, and symbolic links do not survive that everywhere.
"""

import shutil
from typing import Final

from tests.monitoring.alerts import ALERTS
from tests.monitoring.dashboard import DASHBOARD
from tests.pages import ROOT

COPIES: Final = {source: ROOT / "k8s/chart/files" / source.name for source in (ALERTS, DASHBOARD)}


def main() -> None:
    """Copy them."""
    for source, copy in COPIES.items():
        shutil.copyfile(source, copy)


if __name__ == "__main__":
    main()
