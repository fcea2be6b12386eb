"""What the process that changes ServiceAccounts says at its end.

That it changes them, tests/e2e/test_perf_scale.py shows.
"""

import json
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from callout.errors import CommandError
from perf.churning import Churned, Order
from perf.place import Place

ROOT = Path(__file__).parents[2]


def test_the_last_line_says_how_much_was_changed(tmp_path: Path) -> None:
    """Whatever stands before it."""
    output = tmp_path / "log"
    output.write_text('begun\n{"changes":12,"seconds":1.5}\n')
    assert Churned(12, 1.5) == Churned.read(output)


@pytest.mark.parametrize(("said", "reason"), [("begun\nno answer\n", "no answer"), ("", "it says nothing")])
def test_what_ended_for_another_reason_says_it(said: str, reason: str, tmp_path: Path) -> None:
    """A figure is not made up for it."""
    output = tmp_path / "log"
    output.write_text(said)
    with pytest.raises(CommandError, match=f"has failed: {reason}"):
        Churned.read(output)


def test_an_api_server_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    """On its output, where whoever has started it looks."""
    place = Place(
        kubeconfig=str(tmp_path / "none"),
        namespace="orders",
        audience="nats",
        annotation_prefix="nats.io/",
        metrics_urls=(),
        keep=False,
    )
    order = json.dumps(msgspec.to_builtins(Order(place, 1, 1)))
    done = subprocess.run(
        [sys.executable, "-m", "perf.churning", order], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (1, "") == (done.returncode, done.stderr)
    assert done.stdout.startswith("there is no kubeconfig at ")
