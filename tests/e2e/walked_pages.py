"""The pages that are carried out from their first command to their last, and the readers that each of them has."""

import re

from tests.pages import PAGES, blocks

ELSEWHERE = ("clients.md",)
"""Its blocks need no cluster, and are run one by one: tests/e2e/clients."""
WALKED = [
    page
    for page in PAGES
    if page.name not in ELSEWHERE and any(block.run == "run: e2e" for block in blocks(page.read_text()))
]
SERVER_MODE, OPERATOR_MODE = (
    re.compile(r"signing\.key|from-file url|server-mode/"),
    re.compile("nats-setup"),
)
"""What is in blocks of one mode alone, on a page that is for both."""
WITHOUT_CLUSTER, WITH_CLUSTER = re.compile(r"\$\{DEMO:"), re.compile(r"kubectl [a-z]")
"""What is in blocks of who has none, and of who has one, on pages that are for both."""
OTHERS = {
    "kubernetes.md": {"-server-mode": OPERATOR_MODE, "-operator-mode": SERVER_MODE},
    "server-mode.md": {"": WITHOUT_CLUSTER},
    "operator-mode.md": {"": WITHOUT_CLUSTER},
}
"""The pages that are for several readers, and what is in the blocks that one of them leaves out."""
ROADS = {
    f"{page.name}{mode}": (page, other) for page in WALKED for mode, other in OTHERS.get(page.name, {"": None}).items()
}
"""Pages, and the blocks that are left out because the reader has taken the other mode, or has a cluster."""
WITH_DEMO = [page for page in WALKED if WITHOUT_CLUSTER.search(page.read_text())]
"""The guides, which can be followed without a cluster."""
