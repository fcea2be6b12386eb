"""callout.directory: the snapshot is in step with what a source reports."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from callout.directory import MAX_LOGGED, SWEEP_STEP, Directory
from callout.policy.ceiling import Ceiling
from callout.policy.decision import Rules
from callout.policy.verdict import SEVERAL, DropReason, Side
from callout.serviceaccounts import Change, Removed, ServiceAccount
from tests.snapshots import look_up
from workers.logs import Log
from workers.snapshot import MAP_SIZE, SnapshotFullError, SnapshotWriter
from workers.user_jwt import ResponsePermission

RULES = Rules("nats.io/", shared_inbox=True, response=ResponsePermission(1, 0), account="APP")
NOW = 1_000_000.0
SMALL = 1 << 18
"""Bytes: room for some hundred ServiceAccounts."""
MANY = 2000
CHANGES_LOGGED = ("ServiceAccount added", "permissions changed")


class Bench:
    """A directory on a real snapshot, with its log in a file."""

    def __init__(self, folder: Path, map_size: int = MAP_SIZE) -> None:
        self._log_file = folder / "log"
        fd = os.open(self._log_file, os.O_CREAT | os.O_WRONLY)
        self._log = Log("supervisor", "debug", fd)
        self.snapshot = SnapshotWriter(folder, map_size)
        self.directory = Directory(self.snapshot, RULES, self._log, self._count_list, clock=lambda: NOW)
        self.listed = 0

    def remedies(self) -> list[str]:
        """What was said to be done."""
        return [line["remedy"] for line in self._read_log() if "remedy" in line]

    def events(self) -> list[tuple[str, str | int]]:
        """What was logged: event, and subject or annotation."""
        found = self._read_log()
        return [(line["event"], line.get("subject", line.get("annotation", line.get("count", "")))) for line in found]

    def _read_log(self) -> list[dict[str, Any]]:
        self._log.close()  # it is written by a thread of its own
        return [msgspec.json.decode(line) for line in self._log_file.read_bytes().splitlines()]

    def _count_list(self) -> None:
        self.listed += 1

    def held_bytes(self) -> int:
        """How much the directory keeps of what it has reported."""
        return sum(measure(kept) for kept in self.directory._reported.values())


def measure(kept: object) -> int:
    """The size in bytes of a value and all that it holds."""
    inner = kept.__struct_fields__ if isinstance(kept, msgspec.Struct) else ()
    values = kept if isinstance(kept, tuple) else [getattr(kept, name) for name in inner]
    return sys.getsizeof(kept) + sum(measure(value) for value in values)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A bench of its own."""
    made = Bench(tmp_path)
    yield made
    made.snapshot.close()


def account(name: str, uid: str = "u-1", pub: str = "", **annotations: str) -> ServiceAccount:
    """A ServiceAccount of the namespace `orders`."""
    wishes = {"nats.io/allowed-pub-subjects": pub} if pub else {}
    return ServiceAccount("orders", name, uid, wishes | annotations)


def test_what_is_listed_can_be_looked_up(bench: Bench) -> None:
    """After a list each ServiceAccount stands in the snapshot, with its permissions rendered."""
    bench.directory.begin_list()
    bench.directory.apply([account("checkout", "u-7", pub="events.>")])
    assert bench.listed == 0
    bench.directory.end_list()
    record = look_up(bench.snapshot, "orders", "checkout")
    assert record is not None
    assert (record.uid, record.account) == ("u-7", "APP")
    assert b'"pub":{"allow":["orders.>","events.>"]}' in record.permissions
    assert bench.listed == 1


def test_who_is_not_in_a_new_list_is_gone(bench: Bench) -> None:
    """What was deleted while nobody watched does not stay."""
    for names in (["a", "b"], ["b"]):
        bench.directory.begin_list()
        bench.directory.apply([account(name) for name in names])
        bench.directory.end_list()
    assert list(bench.snapshot.identities()) == [("orders", "b")]


def test_what_vanished_is_removed_in_steps(bench: Bench) -> None:
    """However many are gone, each step looks at a bounded number of names; the list ends with the last one."""
    everybody = [account(f"a{number:05}") for number in range(2 * SWEEP_STEP + 1)]
    for named in (everybody, everybody[-1:]):
        bench.directory.begin_list()
        bench.directory.apply(named)
        left = []
        while bench.directory.end_list():
            left.append(bench.snapshot.stats().entries)
        left.append(bench.snapshot.stats().entries)
    assert [SWEEP_STEP + 1, 1, 1] == left
    assert bench.listed == 2


def test_who_comes_while_a_list_ends_stays(bench: Bench) -> None:
    """A change between two steps is news, and no remains of the list before."""
    bench.directory.apply([account(f"a{number:05}") for number in range(SWEEP_STEP)])
    bench.directory.begin_list()
    assert bench.directory.end_list()
    bench.directory.apply([account("z")])
    assert not bench.directory.end_list()
    assert [("orders", "z")] == list(bench.snapshot.identities())


def test_a_list_that_begins_while_another_ends_counts_alone(bench: Bench) -> None:
    """It begins to look for who is gone from the first name on."""
    bench.directory.apply([account(f"a{number:05}") for number in range(SWEEP_STEP)])
    bench.directory.begin_list()
    bench.directory.apply([account("a00000")])
    assert bench.directory.end_list()
    bench.directory.begin_list()
    bench.directory.apply([account("z")])
    assert not bench.directory.end_list()
    assert [("orders", "z")] == list(bench.snapshot.identities())


def test_a_change_says_what_it_is(bench: Bench) -> None:
    """A new ServiceAccount, one made again, and other permissions are three things to whoever reads the log."""
    for uid, pub in (("u-1", ""), ("u-1", "events.>"), ("u-2", "events.>")):
        bench.directory.apply([account("a", uid, pub)])
    bench.directory.apply([Removed("orders", "a")])
    expected = ["ServiceAccount added", "permissions changed", "ServiceAccount made again", "ServiceAccount removed"]
    assert expected == [event for event, _ in bench.events()]


def test_a_list_that_breaks_off_removes_nobody(bench: Bench) -> None:
    """Only a complete list tells who is missing."""
    bench.directory.begin_list()
    bench.directory.apply([account("a"), account("b")])
    bench.directory.end_list()
    bench.directory.begin_list()
    bench.directory.apply([account("b")])
    bench.directory.begin_list()
    assert list(bench.snapshot.identities()) == [("orders", "a"), ("orders", "b")]


def test_a_list_that_does_not_fit_is_not_complete(tmp_path: Path) -> None:
    """It is as soon as there is room for all of it, and not before."""
    bench = Bench(tmp_path, map_size=SMALL)
    crowd = [account(f"sa-{number}") for number in range(MANY)]
    bench.directory.begin_list()
    with pytest.raises(SnapshotFullError):
        bench.directory.apply(crowd)
    assert (0, []) == (bench.listed, list(bench.snapshot.identities()))
    bench.directory.begin_list()
    bench.directory.apply(crowd[:1])
    assert not bench.directory.end_list()
    assert (1, [("orders", "sa-0")]) == (bench.listed, list(bench.snapshot.identities()))
    bench.snapshot.close()


def test_nothing_is_written_when_nothing_changed(bench: Bench) -> None:
    """The same list once more leaves the generation where it was."""
    generations = []
    for _ in range(2):
        bench.directory.begin_list()
        bench.directory.apply([account("a"), account("b")])
        bench.directory.end_list()
        generations.append(bench.snapshot.stats().generation)
    assert generations[0] == generations[1]


def test_a_dropped_entry_is_reported_once_for_each_change(bench: Bench) -> None:
    """A ServiceAccount listed again is not reported again; another bad entry is."""
    bench.directory.apply([account("a", pub="$SYS.>")])
    bench.directory.apply([account("a", pub="$SYS.>")])
    bench.directory.apply([account("a", pub="$SYS.x")])
    assert bench.directory.filtered == {(Side.PUB, DropReason.SYSTEM_SPACE): 2}
    dropped = [subject for event, subject in bench.events() if event == "subject dropped from permissions"]
    assert dropped == ["$SYS.>", "$SYS.x"]


def test_an_entry_is_not_reported_again_when_another_one_changes(bench: Bench) -> None:
    """Only what is new is news."""
    bench.directory.apply([account("a", pub="$SYS.>, a..b")])
    bench.directory.apply([account("a", pub="$SYS.>, a...b")])
    assert bench.directory.filtered == {(Side.PUB, DropReason.SYSTEM_SPACE): 1, (Side.PUB, DropReason.INVALID): 2}


def test_an_entry_is_reported_again_after_it_had_been_mended(bench: Bench) -> None:
    """Once mended, it is news again."""
    for pub in ("$SYS.>", "events.>", "$SYS.>"):
        bench.directory.apply([account("a", pub=pub)])
    assert bench.directory.filtered == {(Side.PUB, DropReason.SYSTEM_SPACE): 2}


def test_an_unknown_annotation_is_reported(bench: Bench) -> None:
    """A misspelt annotation grants nothing, so its owner has to hear of it."""
    bench.directory.apply([account("a", **{"nats.io/allowed-pub-subject": "x"})])
    assert ("unknown annotation", "nats.io/allowed-pub-subject") in bench.events()
    assert "was nats.io/allowed-pub-subjects meant?" in bench.remedies()


def test_subjects_without_commas_are_reported_with_what_to_write(bench: Bench) -> None:
    """A semicolon and a blank are no separators."""
    bench.directory.apply([account("a", pub="events.a; events.b")])
    assert [SEVERAL] == bench.remedies()


def test_a_semicolon_in_a_subject_is_reported_once(bench: Bench) -> None:
    """It is granted as it is written, and was hardly meant so."""
    for _ in range(2):
        bench.directory.apply([account("a", pub="events.a;events.b")])
    assert ("subject granted as one", "events.a;events.b") in bench.events()
    assert ["it holds a ';': subjects are separated by commas"] == bench.remedies()
    record = look_up(bench.snapshot, "orders", "a")
    assert record is not None
    assert b'"events.a;events.b"' in record.permissions


def test_a_change_is_reported_in_a_limited_number_of_lines(bench: Bench) -> None:
    """The first findings are named, the others counted, those that the verdict does not name among them."""
    wishes = ",".join(f"*.{number}" for number in range(150))
    for _ in range(2):
        bench.directory.apply([account("a", pub=wishes, **{"nats.io/typo": ""})])
    assert bench.directory.filtered == {(Side.PUB, DropReason.LEADING_WILDCARD): MAX_LOGGED}
    events = [found for found in bench.events() if found[0] != "ServiceAccount added"]
    named = [("subject dropped from permissions", f"*.{number}") for number in range(MAX_LOGGED)]
    assert events == [*named, ("further findings; callout explain tells more", 151 - MAX_LOGGED)]


def test_what_was_counted_is_named_when_there_is_room(bench: Bench) -> None:
    """A finding that was mended makes room for the next; those named before are not named again."""
    for first in (0, 2):
        wishes = ",".join(f"*.{number}" for number in range(first, MAX_LOGGED + 3))
        bench.directory.apply([account("a", pub=wishes)])
    expected = [f"*.{number}" for number in range(MAX_LOGGED)] + [3]
    expected += [f"*.{number}" for number in range(MAX_LOGGED, MAX_LOGGED + 2)] + [1]
    assert [what for event, what in bench.events() if event not in CHANGES_LOGGED] == expected


def test_little_is_kept_of_what_was_reported(bench: Bench) -> None:
    """Whoever may edit a ServiceAccount cannot make the service keep much of it."""
    misspelt = {f"nats.io/{'x' * 100}{number}": "" for number in range(500)}
    wishes = ",".join(f"*.{'x' * 60}{number}" for number in range(200))
    bench.directory.apply([account("a", pub=wishes, **misspelt)])
    assert 0 < bench.held_bytes() < 4096
    bench.directory.apply([account("a")])
    assert bench.held_bytes() == 0


def test_other_rules_hold_from_the_next_list_on(bench: Bench) -> None:
    """A new ceiling cuts what the old one granted, as soon as everything is listed anew."""
    for rules in (RULES, msgspec.structs.replace(RULES, ceiling=Ceiling(pub=()))):
        bench.directory.use_rules(rules)
        bench.directory.begin_list()
        bench.directory.apply([account("a", pub="events.>")])
        bench.directory.end_list()
    record = look_up(bench.snapshot, "orders", "a")
    assert record is not None
    assert b"events" not in record.permissions


CHANGES: st.SearchStrategy[Change] = st.one_of(
    st.builds(account, st.sampled_from("abc"), st.sampled_from(["u-1", "u-2"]), st.sampled_from(["", "x.>", "$SYS.>"])),
    st.builds(Removed, st.just("orders"), st.sampled_from("abc")),
)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.lists(CHANGES, max_size=4), max_size=6))
def test_the_snapshot_holds_what_the_changes_leave(tmp_path: Path, batches: list[list[Change]]) -> None:
    """Whatever is put and removed, the last word on each name counts."""
    bench = Bench(tmp_path)
    expected: dict[tuple[str, str], str] = {}
    for batch in batches:
        bench.directory.apply(batch)
        for change in batch:
            expected.pop((change.namespace, change.name), None)
            if isinstance(change, ServiceAccount):
                expected[change.namespace, change.name] = change.uid
    found = {}
    for identity in bench.snapshot.identities():
        record = look_up(bench.snapshot, *identity)
        found[identity] = record.uid if record else ""
    bench.snapshot.close()
    assert found == expected
