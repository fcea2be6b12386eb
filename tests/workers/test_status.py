"""The page on which a worker shows that it lives, seen from both sides and from two processes."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.status import FIELDS, SIZE, State, StatusPage

WORKER = """
import sys
from pathlib import Path
from workers.status import State, StatusPage

page = StatusPage(Path(sys.argv[1]))
assert page.state is State.STARTING
page.state = State.SERVING
page.stamp_ns = 2**63 + 5
for _ in range(3):
    page.count_unknown_key()
print("written", flush=True)
sys.stdin.readline()
page.stamp_ns += 1
print("written", flush=True)
sys.stdin.readline()
"""


def test_a_new_page_says_nothing_yet(tmp_path: Path) -> None:
    """A worker that has not started has never stamped."""
    page = StatusPage.create(tmp_path / "0")
    assert (State.STARTING, 0, 0) == (page.state, page.stamp_ns, page.unknown_keys)
    assert SIZE == (tmp_path / "0").stat().st_size == 8 * len(FIELDS)
    page.close()


def test_what_one_side_writes_the_other_side_reads(tmp_path: Path) -> None:
    """At once, between two processes, without a call of either; and it stays when the worker is killed."""
    page = StatusPage.create(tmp_path / "0")
    with subprocess.Popen(
        [sys.executable, "-c", WORKER, str(tmp_path / "0")], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as worker:
        assert worker.stdin is not None
        assert worker.stdout is not None
        assert worker.stdout.readline() == "written\n"
        assert (State.SERVING, 2**63 + 5, 3) == (page.state, page.stamp_ns, page.unknown_keys)
        worker.stdin.write("go on\n")
        worker.stdin.flush()
        assert worker.stdout.readline() == "written\n"
        assert 2**63 + 6 == page.stamp_ns
        worker.kill()
    assert (State.SERVING, 3) == (page.state, page.unknown_keys)
    page.close()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(State) | st.integers(0, 2**64 - 1) | st.none(), max_size=10))
def test_fields_do_not_touch_each_other(
    tmp_path_factory: pytest.TempPathFactory, writes: list[State | int | None]
) -> None:
    """Each keeps its last value: a state, a stamp of any size, a count."""
    path = tmp_path_factory.mktemp("status") / "0"
    mine, theirs = StatusPage.create(path), StatusPage(path)
    state, stamp, unknown = State.STARTING, 0, 0
    for write in writes:
        if write is None:
            mine.count_unknown_key()
            unknown += 1
        elif isinstance(write, State):
            mine.state = state = write
        else:
            mine.stamp_ns = stamp = write
        assert (state, stamp, unknown) == (theirs.state, theirs.stamp_ns, theirs.unknown_keys)
    mine.close()
    theirs.close()


def test_a_page_that_nobody_made_is_an_error(tmp_path: Path) -> None:
    """A worker is not to make one for itself: nobody would read it."""
    with pytest.raises(OSError, match="absent"):
        StatusPage(tmp_path / "absent")
    assert not (tmp_path / "absent").exists()


def test_creating_a_page_again_clears_it(tmp_path: Path) -> None:
    """A worker started in another's place begins anew."""
    first = StatusPage.create(tmp_path / "0")
    first.state = State.DRAINING
    first.stamp_ns = 7
    first.close()
    second = StatusPage.create(tmp_path / "0")
    assert (State.STARTING, 0) == (second.state, second.stamp_ns)
    second.close()
