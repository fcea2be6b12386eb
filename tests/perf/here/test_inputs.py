"""What the measurements decide on has a place, or one line says why there is none."""

import argparse
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from callout.errors import CommandError
from perf import ladder, load
from perf.commandline.command import Progress
from perf.here.inputs import ServiceAccounts
from tests.perf.room import limit_files

SERVICEACCOUNTS = 1000
ROOM_FOR_NONE = 40_000  # bytes: of an empty snapshot, and not of so many ServiceAccounts


def test_a_snapshot_is_kept_where_there_was_no_folder(tmp_path: Path) -> None:
    """And in one that is there already."""
    for _ in range(2):
        reader = ServiceAccounts(1).keep(tmp_path / "made", "APP")
        with reader.view() as view:
            assert view.look_up("team-0", "app-0") is not None
        reader.close()


@pytest.mark.parametrize(
    ("size", "reason"), [(32, "file too large"), (ROOM_FOR_NONE, "the snapshot could not be written; give its ")]
)
def test_no_room_for_a_snapshot_is_one_line(tmp_path: Path, size: int, reason: str) -> None:
    """Before there is one, and when it is filled; once there is room it is kept after all."""
    population = ServiceAccounts(SERVICEACCOUNTS)
    with (
        limit_files(size),
        pytest.raises(CommandError, match=f"^{re.escape(f'{tmp_path} holds no snapshot: {reason}')}"),
    ):
        population.keep(tmp_path, "APP")
    population.keep(tmp_path, "APP").close()


def test_no_place_for_a_snapshot_is_one_line(tmp_path: Path) -> None:
    """A file in the folder's place, and no folder to make it in."""
    file = tmp_path / "file"
    file.touch()
    for place, reason in ((file, "file exists"), (tmp_path / "absent" / "folder", "no such file or directory")):
        with pytest.raises(CommandError, match=f"^{re.escape(f'{place} holds no snapshot: {reason}')}$"):
            ServiceAccounts(1).keep(place, "APP")


def climb() -> object:
    """Measure what `perf.ladder` does."""
    options = argparse.Namespace(rounds=1, batch=1, serviceaccounts=1)
    return ladder.climb_in_memory(options, Progress(silent=True))


@pytest.mark.parametrize("measure", [climb, lambda: load.measure_in_process(1)])
def test_what_measures_in_process_says_that_there_is_no_room(measure: Callable[[], object]) -> None:
    """A line that leaves the other parts of a run alone."""
    with limit_files(32), pytest.raises(CommandError, match=r"^\S+ holds no snapshot: file too large$"):
        measure()
