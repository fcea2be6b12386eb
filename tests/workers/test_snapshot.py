"""The snapshot: what is written is what is read, and a transaction happens as a whole or not at all."""

from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.snapshots import look_up
from tests.workers.ends import RECORD, fill, reading, writing
from workers.record import Record
from workers.snapshot import SnapshotStats, SnapshotWriter

# --- what is written is what is read ---------------------------------------------------------------------------------

plain = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=20)
namespaces = st.text("abz019-", min_size=1, max_size=10)
names = st.text("abz019-.", min_size=1, max_size=30)
records = st.builds(Record, uid=plain, account=plain, permissions=st.binary(max_size=300))
changes = st.lists(st.tuples(namespaces, names, st.none() | records), max_size=8)


@settings(max_examples=100, deadline=None)
@given(transactions=st.lists(changes, max_size=5))
def test_both_ends_see_what_was_written(
    tmp_path_factory: pytest.TempPathFactory, transactions: list[list[tuple[str, str, Record | None]]]
) -> None:
    """A dictionary is the oracle: for the writer within and after each transaction, and for a reader at the end."""
    directory = tmp_path_factory.mktemp("snapshot")
    expected: dict[tuple[str, str], Record] = {}
    generation = 0
    with writing(directory) as writer:
        for wanted in transactions:
            before = dict(expected)
            written = False
            with writer.transaction() as transaction:
                for namespace, name, record in wanted:
                    if record is None:
                        assert ((namespace, name) in expected) is transaction.delete(namespace, name)
                        written |= expected.pop((namespace, name), None) is not None
                    else:
                        transaction.put(namespace, name, record)
                        expected[namespace, name] = record
                        written = True
                    assert expected.get((namespace, name)) == transaction.look_up(namespace, name)
                assert before == {identity: look_up(writer, *identity) for identity in writer.identities()}
            generation += written
            assert expected == {identity: look_up(writer, *identity) for identity in writer.identities()}
            stats = writer.stats()
            assert (len(expected), generation) == (stats.entries, stats.generation)
    with reading(directory) as reader, reader.view() as view:
        assert expected == {identity: view.look_up(*identity) for identity in expected}
        assert view.look_up("absent", "absent") is None


@pytest.mark.parametrize(("namespace", "name"), [("a", "b.c"), ("a.b", "c"), ("a", "b/c"), ("a" * 63, "b" * 253)])
def test_no_two_identities_share_a_place(tmp_path: Path, namespace: str, name: str) -> None:
    """Dots and slashes of a name, and the longest names that there can be."""
    with writing(tmp_path) as writer:
        fill(writer, "x")
        with writer.transaction() as transaction:
            transaction.put(namespace, name, RECORD)
        assert {("shop", "x"), (namespace, name)} == set(writer.identities())
        assert RECORD == look_up(writer, namespace, name)
        assert look_up(writer, name, namespace) is None


def test_identities_come_in_order(tmp_path: Path) -> None:
    """As the sink of a list compares them."""
    with writing(tmp_path) as writer:
        fill(writer, "b", "a", "c")
        assert [("shop", "a"), ("shop", "b"), ("shop", "c")] == list(writer.identities())


def test_identities_can_be_had_in_parts(tmp_path: Path) -> None:
    """Those after one, whether it is there or not; after the last there are none."""
    with writing(tmp_path) as writer:
        fill(writer, "a", "a.b", "c")
        parts = {name: [found for _, found in writer.identities(("shop", name))] for name in ("a", "b", "c", "d")}
    assert {"a": ["a.b", "c"], "b": ["c"], "c": [], "d": []} == parts


def test_a_name_longer_than_any_key_is_just_unknown(tmp_path: Path) -> None:
    """Whatever an issuer has signed: a lookup says None, it does not raise."""
    with writing(tmp_path) as writer:
        assert look_up(writer, "n" * 3000, "n" * 1000) is None
    with reading(tmp_path) as reader, reader.view() as view:
        assert view.look_up("n" * 3000, "é\0" * 1000) is None


# --- trust, freshness, readiness -------------------------------------------------------------------------------------


def test_an_empty_snapshot_trusts_nobody_and_is_not_ready(tmp_path: Path) -> None:
    """What a worker finds that was quicker than the first list."""
    with writing(tmp_path) as writer:
        assert (0, 0) == (writer.stats().entries, writer.stats().generation)
    with reading(tmp_path) as reader, reader.view() as view:
        found = (view.keyset_version, view.jwks, view.issuers, view.audiences, view.ready)
    assert (0, b"", frozenset(), frozenset(), False) == found


def test_a_key_set_comes_with_whom_it_is_for(tmp_path: Path) -> None:
    """Each change has a number of its own, so that readers parse a key set once."""
    with writing(tmp_path) as writer:
        for jwks in (b'{"keys":[1]}', b'{"keys":[2]}'):
            with writer.transaction() as transaction:
                transaction.set_trust(jwks, ["https://a", "https://é"], {"nats", 'q"'})
        with writer.transaction() as transaction:
            transaction.set_ready()
        fill(writer, "a")
        found = writer.stats()
        expected = SnapshotStats(1, found.used_bytes, found.limit_bytes, generation=4)
        assert expected == found
        assert expected.used_bytes > 0
    with reading(tmp_path) as reader, reader.view() as view:
        assert (2, b'{"keys":[2]}', True) == (view.keyset_version, view.jwks, view.ready)
        assert (frozenset({"https://a", "https://é"}), frozenset({"nats", 'q"'})) == (view.issuers, view.audiences)


def test_freshness_is_no_change(tmp_path: Path) -> None:
    """Neither is a transaction that writes nothing, or that removes what is not there."""
    with writing(tmp_path) as writer:
        fill(writer, "a")
        for moment in (1_800_000_000.25, 1_800_000_001):
            with writer.transaction() as transaction:
                transaction.set_fresh_at(moment)
        with writer.transaction() as transaction:
            assert not transaction.delete("shop", "absent")
        assert writer.stats().generation == 1
    with lmdb.open(str(tmp_path), max_dbs=2) as env, env.begin() as txn:
        assert txn.get(b"fresh", db=env.open_db(b"meta", txn)) == b"1800000001.000"


# --- transactions ----------------------------------------------------------------------------------------------------


class BrokenError(Exception):
    """Something goes wrong in the middle of a transaction."""


def write_and_break(writer: SnapshotWriter) -> None:
    """Change everything that there is, and raise before the end."""
    with writer.transaction() as transaction:
        transaction.put("shop", "c", RECORD)
        transaction.delete("shop", "a")
        transaction.set_trust(b"{}", ["i"], ["a"])
        transaction.set_ready()
        raise BrokenError


def test_a_transaction_that_raises_changes_nothing(tmp_path: Path) -> None:
    """Neither records nor keys nor numbers; and the next one works."""
    with writing(tmp_path) as writer:
        fill(writer, "a", "b")
        before = (writer.stats().generation, list(writer.identities()))
        with pytest.raises(BrokenError):
            write_and_break(writer)
        assert before == (writer.stats().generation, list(writer.identities()))
        fill(writer, "c")
        assert (3, 2) == (writer.stats().entries, writer.stats().generation)
    with reading(tmp_path) as reader, reader.view() as view:
        assert (0, False) == (view.keyset_version, view.ready)
