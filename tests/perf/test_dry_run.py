"""docs/measure-a-cluster.md, "A dry run": the page's command on a demo, with what the demo has printed."""

import json
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.callout.demo.test_command import INVITATION, Demo
from tests.commands import BASH, run
from tests.pages import ROOT, blocks
from tests.waiting import PATIENCE_SECONDS, until_sync

PAGE: Final = ROOT / "docs/measure-a-cluster.md"
CLIENTS: Final = 20


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    """One that waits for its end."""
    running = Demo(tmp_path)
    try:
        until_sync(lambda: running.shows(INVITATION), PATIENCE_SECONDS, "the demo is there")
        yield running
    finally:
        running.clean_up()


def find_printed(demo: Demo, pattern: str) -> str:
    """What the demo has printed of that form, the first time."""
    found = re.search(pattern, "\n".join(demo.lines))
    assert found is not None
    return found[0]


def test_the_command_of_the_page_is_let_in_by_a_demo(demo: Demo) -> None:
    """Each client, with one token for all of them; nothing but the two places is filled in."""
    [commands] = (block.commands for block in blocks(PAGE.read_text()) if "$DEMO/checkout.token" in block.commands)
    commands = commands.replace("nats://127.0.0.1:…", find_printed(demo, r"nats://127\.0\.0\.1:\d+"))
    commands = commands.replace("DEMO=/tmp/nats-demo-…", find_printed(demo, r"DEMO=\S+"))
    assert "…" not in commands.replace("# what it has printed", "")
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    said = run([*BASH, commands.rstrip() + " --json"], env=environment, timeout=PATIENCE_SECONDS)
    [row] = json.loads(said)["rows"]
    assert (CLIENTS, CLIENTS, 0) == (row["clients"], row["admitted"], row["refused"])
