"""callout.manifests.source: ServiceAccounts from files, delivered and delivered again."""

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from callout.manifests.source import FolderSource
from callout.serviceaccounts import MAX_STEP, Change, ServiceAccount
from tests.waiting import until
from workers.logs import Log
from workers.snapshot import SnapshotFullError

DEADLINE_S = 10
MANIFEST = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {{name: {}, namespace: orders, uid: u-1}}\n"


class Sink:
    """Remembers the lists it was given; refuses them while `is_full`.

    Attributes:
        lists: the names of each list that was ended.
        steps: how many changes each `apply` brought.
        turns: how often the loop had turned by then; counted by `count_turns`.
        on_step: what happens in the middle of a delivery.
    """

    def __init__(self) -> None:
        self.lists: list[list[str]] = []
        self.steps: list[int] = []
        self.turns: list[int] = []
        self.on_step: Callable[[], None] = lambda: None
        self.steps_to_end = 0
        self._turn = 0
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
        self.steps.append(len(changes))
        self.turns.append(self._turn)
        self.on_step()
        self._page += [change.name for change in changes if isinstance(change, ServiceAccount)]

    def end_list(self) -> bool:
        """Keep the list, after as many steps as are asked for."""
        if self.steps_to_end:
            self.steps_to_end -= 1
            return True
        self.lists.append(self._page)
        return False

    async def count_turns(self) -> None:
        """Count the turns of the loop until cancelled."""
        while True:
            await asyncio.sleep(0)
            self._turn += 1

    def touch(self) -> None:
        """Count."""
        self.touched += 1


@asynccontextmanager
async def following(path: Path, sink: Sink, fd: int = 2, namespace: str = "") -> AsyncIterator[FolderSource]:
    """A source that runs within the block, and logs to `fd`."""
    log = Log("supervisor", "error" if fd == 2 else "info", fd)
    source = FolderSource(path, "nats.io/", sink, log, namespace)
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


@pytest.mark.parametrize("known", [[], [["a"]]], ids=["at first", "later"])
def test_a_full_snapshot_is_tried_again(tmp_path: Path, known: list[list[str]]) -> None:
    """No list is complete before all of it is in, the first one neither; until then the source is not up to date.

    That is said once, and so is its end.
    """
    folder, log = tmp_path / "serviceaccounts", tmp_path / "log"
    folder.mkdir()
    fd = os.open(log, os.O_CREAT | os.O_WRONLY)

    async def scenario() -> None:
        sink = Sink()
        (folder / "a.yaml").write_text(MANIFEST.format("a"))
        sink.is_full = not known
        async with following(folder, sink, fd) as source:
            await until(lambda: sink.lists == known, DEADLINE_S, "what it has taken before")
            sink.is_full = True
            (folder / "b.yaml").write_text(MANIFEST.format("b"))
            await until(lambda: sink.refused > 1, DEADLINE_S, "two attempts")
            assert (False, known) == (source.connected, sink.lists)
            sink.is_full = False
            await until(lambda: source.connected, DEADLINE_S, "there is room")
            assert [*known, ["a", "b"]] == sink.lists

    asyncio.run(scenario())
    os.close(fd)
    said = [msgspec.json.decode(line)["event"] for line in log.read_bytes().splitlines()]
    full = "the snapshot has no room for all ServiceAccounts"
    assert [full, "the snapshot has room for all ServiceAccounts again"] == said


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


def test_a_large_folder_is_delivered_in_steps(tmp_path: Path) -> None:
    """The loop turns before each of them, and while the list ends."""

    async def scenario() -> None:
        sink, count = Sink(), 2 * MAX_STEP + 1
        sink.steps_to_end = 2
        manifests = [MANIFEST.format(f"a{number:03}") for number in range(count)]
        (tmp_path / "a.yaml").write_text("---\n".join(manifests))
        counting = asyncio.create_task(sink.count_turns())
        async with following(tmp_path, sink):
            await until(lambda: sink.lists, DEADLINE_S, "the list")
        counting.cancel()
        assert [MAX_STEP, MAX_STEP, 1] == sink.steps
        assert sorted(set(sink.turns)) == sink.turns
        assert [[f"a{number:03}" for number in range(count)]] == sink.lists

    asyncio.run(scenario())


def test_a_list_that_is_asked_for_in_the_middle_of_another_comes_whole(tmp_path: Path) -> None:
    """The first part of the one under way went by rules that do not hold any more."""

    async def scenario() -> None:
        sink, names = Sink(), [f"a{number:03}" for number in range(MAX_STEP + 1)]
        (tmp_path / "a.yaml").write_text("---\n".join(map(MANIFEST.format, names)))
        async with following(tmp_path, sink) as source:

            def ask_once() -> None:
                sink.on_step = lambda: None
                source.list_anew()

            sink.on_step = ask_once
            await until(lambda: len(sink.lists) == 2, DEADLINE_S, "the second list")
        assert [names, names] == sink.lists

    asyncio.run(scenario())


def test_the_end_of_a_fault_is_said(tmp_path: Path) -> None:
    """Once, when nothing is wrong with any file any more; whoever has mended it waits for that."""
    folder, log = tmp_path / "serviceaccounts", tmp_path / "log"
    folder.mkdir()
    fd = os.open(log, os.O_CREAT | os.O_WRONLY)

    async def scenario() -> None:
        sink = Sink()
        for name, text in (("a", MANIFEST.format("a")), ("b", "a: b: c"), ("c", "a: b: c")):
            (folder / f"{name}.yaml").write_text(text)
        async with following(folder, sink, fd):
            for lists, name in enumerate("bcd", start=2):
                await until(lambda lists=lists: len(sink.lists) == lists - 1, DEADLINE_S, "a list")  # type: ignore[misc]
                (tmp_path / "draft").write_text(MANIFEST.format(name))
                (tmp_path / "draft").rename(folder / f"{name}.yaml")  # in one step: an empty file is a fault, too
            await until(lambda: sink.lists[-1:] == [["a", "b", "c", "d"]], DEADLINE_S, "the last list")

    asyncio.run(scenario())
    os.close(fd)
    said = [msgspec.json.decode(line)["event"] for line in log.read_bytes().splitlines()]
    assert ["problem with a ServiceAccount file"] * 3 + ["ServiceAccount files are in order again"] == said


@pytest.mark.parametrize(
    ("namespace", "end"), [("", "kind: ServiceAccount"), ("ordres", "kind: ServiceAccount, of K8S_NAMESPACE ordres")]
)
def test_a_folder_without_serviceaccounts_is_believed_and_said_aloud(tmp_path: Path, namespace: str, end: str) -> None:
    """The list is empty, so nobody can log in: the log says which setting to look at, once until something changes."""
    folder, log = tmp_path / "serviceaccounts", tmp_path / "log"
    folder.mkdir()
    if namespace:
        (folder / "a.yaml").write_text(MANIFEST.format("a"))
    fd = os.open(log, os.O_CREAT | os.O_WRONLY)

    async def scenario() -> None:
        sink = Sink()
        async with following(folder, sink, fd, namespace) as source:
            await until(lambda: sink.touched > 1, DEADLINE_S, "the empty list is confirmed")
            assert [[]] == sink.lists
            assert source.connected

    asyncio.run(scenario())
    os.close(fd)
    (line,) = (msgspec.json.decode(line) for line in log.read_bytes().splitlines())
    assert "nobody can log in: there is no ServiceAccount in SERVICEACCOUNTS_PATH" == line["event"]
    assert (str(folder), "warning") == (line["path"], line["level"])
    assert line["remedy"].endswith(end)
