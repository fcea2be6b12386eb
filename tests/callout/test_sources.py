"""callout.sources: ServiceAccounts from files, delivered and delivered again."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from callout.serviceaccounts import Change, ServiceAccount
from callout.sources import FolderSource
from tests.waiting import until
from workers.logs import Log
from workers.snapshot import SnapshotFullError

DEADLINE_S = 10
MANIFEST = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {}, namespace: orders, uid: u-1}}\n"


class Sink:
    """Remembers the lists it was given; refuses them while `is_full`."""

    def __init__(self) -> None:
        self.lists: list[list[str]] = []
        self.touched = 0
        self.is_full = False
        self.refused = 0
        self._page: list[str] = []

    def begin_list(self) -> None:
        """Start a list."""
        self._page = []

    def apply(self, changes: Sequence[Change]) -> None:
        """Take a page, if there is room."""
        if self.is_full:
            self.refused += 1
            raise SnapshotFullError("no room left")
        self._page += [change.name for change in changes if isinstance(change, ServiceAccount)]

    def end_list(self) -> None:
        """Keep the list."""
        self.lists.append(self._page)

    def touch(self) -> None:
        """Count."""
        self.touched += 1


@asynccontextmanager
async def following(path: Path, sink: Sink) -> AsyncIterator[FolderSource]:
    """A source that runs within the block."""
    log = Log("supervisor", "error")
    source = FolderSource(path, "nats.io/", sink, log)
    task = asyncio.create_task(source.run())
    try:
        yield source
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        log.close()


def test_a_folder_is_delivered_and_followed(tmp_path: Path) -> None:
    """A file that is added shows without being asked for, and an unchanged folder is confirmed."""

    async def scenario() -> None:
        sink = Sink()
        (tmp_path / "a.yaml").write_text(MANIFEST.format("a"))
        async with following(tmp_path, sink) as source:
            await until(lambda: sink.lists == [["a"]], DEADLINE_S, "the first list")
            await until(lambda: sink.touched, DEADLINE_S, "a confirmation")
            (tmp_path / "b.yaml").write_text(MANIFEST.format("b"))
            await until(lambda: sink.lists[1:] == [["a", "b"]], DEADLINE_S, "the second list")
            assert source.connected

    asyncio.run(scenario())


def test_a_list_can_be_asked_for_again(tmp_path: Path) -> None:
    """With other rules in force the same files give other permissions."""

    async def scenario() -> None:
        sink = Sink()
        (tmp_path / "a.yaml").write_text(MANIFEST.format("a"))
        async with following(tmp_path, sink) as source:
            await until(lambda: len(sink.lists) == 1, DEADLINE_S, "the first list")
            source.list_anew()
            await until(lambda: sink.lists == [["a"], ["a"]], DEADLINE_S, "the same list again")

    asyncio.run(scenario())


def test_a_full_snapshot_is_tried_again(tmp_path: Path) -> None:
    """What could not be delivered is not forgotten, and the source says that it is not up to date."""

    async def scenario() -> None:
        sink = Sink()
        sink.is_full = True
        (tmp_path / "a.yaml").write_text(MANIFEST.format("a"))
        async with following(tmp_path, sink) as source:
            await until(lambda: sink.refused > 1, DEADLINE_S, "two attempts")
            assert not source.connected
            sink.is_full = False
            await until(lambda: sink.lists == [["a"]], DEADLINE_S, "the list")
            assert source.connected

    asyncio.run(scenario())


def test_a_folder_that_cannot_be_read_is_no_empty_list(tmp_path: Path) -> None:
    """Nobody is refused because a folder is missing for a moment; what was delivered stays, unconfirmed."""

    async def scenario() -> None:
        sink, folder = Sink(), tmp_path / "serviceaccounts"
        async with following(folder, sink) as source:
            folder.mkdir()
            (folder / "a.yaml").write_text(MANIFEST.format("a"))
            await until(lambda: sink.lists == [["a"]], DEADLINE_S, "the first list")
            folder.rename(tmp_path / "away")
            await until(lambda: not source.connected, DEADLINE_S, "the loss is noticed")
            (tmp_path / "away").rename(folder)
            await until(lambda: source.connected, DEADLINE_S, "it is back")
        assert [names for names in sink.lists if names != ["a"]] == []

    asyncio.run(scenario())
