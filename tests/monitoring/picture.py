"""The picture of the dashboard in docs/images: `python -m tests.monitoring.picture`, which takes some minutes.

It needs the parts of `make e2e`, and Prometheus on PATH. Every number in the picture is an answer of that Prometheus to
a query of k8s/monitoring/dashboard.json.
"""

import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from tests.e2e.tools.build import build
from tests.monitoring.dashboard import read_dashboard
from tests.monitoring.drawing import Shown, Span, draw
from tests.monitoring.story import SCRAPE_S, running
from tests.pages import ROOT

PICTURE: Final = ROOT / "docs/images/dashboard.svg"
RATE_INTERVAL: Final = f"{4 * SCRAPE_S}s"
"""What Grafana makes of `$__rate_interval` for such a scrape interval."""


def main() -> int:
    """Let it all happen, ask, draw."""
    tools = build()
    dashboard = read_dashboard()
    with tempfile.TemporaryDirectory(prefix="dashboard-") as home:

        def make_folder(name: str) -> Path:
            folder = Path(home) / name
            folder.mkdir()
            return folder

        with running(tools, make_folder) as (story, prometheus):
            start = time.time()
            story.tell()
            length = (time.time() - start) // SCRAPE_S * SCRAPE_S
            span = Span(start, start + length, SCRAPE_S)
            shown = [
                Shown(
                    panel,
                    [
                        (query, prometheus.query_range(query.fill_in(RATE_INTERVAL), start, span.end, SCRAPE_S))
                        for query in panel.targets
                    ],
                )
                for panel in dashboard.panels
            ]
            PICTURE.parent.mkdir(exist_ok=True)
            PICTURE.write_text(draw(dashboard.title, shown, span, story.events))
    return 0


if __name__ == "__main__":
    sys.exit(main())
