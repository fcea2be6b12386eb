"""callout.readiness: what has to be there before logins can be decided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.readiness import Need, Readiness, describe
from workers.status import State

needs = st.tuples(st.sampled_from(Need), st.booleans())


def everything() -> Readiness:
    """A service that is ready."""
    readiness = Readiness()
    for need in Need:
        readiness.note(need, is_met=True)
    return readiness


def test_at_the_start_all_is_missing_and_nobody_stops() -> None:
    """In the order in which an operator should look."""
    readiness = Readiness()
    assert (Need.KEY_SET, Need.SERVICEACCOUNTS, Need.WORKER) == readiness.missing
    assert (False, False) == (readiness.ready, readiness.may_begin)


def test_workers_may_begin_with_keys_and_serviceaccounts() -> None:
    """With either alone they would refuse everybody; whether they are connected is another matter."""
    readiness = Readiness()
    readiness.note(Need.SERVICEACCOUNTS, is_met=True)
    before = readiness.may_begin
    readiness.note(Need.KEY_SET, is_met=True)
    assert (False, True) == (before, readiness.may_begin)
    assert (Need.WORKER,) == readiness.missing


@pytest.mark.parametrize("need", Need)
def test_each_need_is_needed(need: Need) -> None:
    """Whatever goes is missed, and that is news once; so is its return."""
    readiness = everything()
    assert readiness.note(need, is_met=False)
    assert not readiness.note(need, is_met=False)
    assert ((need,), False) == (readiness.missing, readiness.ready)
    assert readiness.note(need, is_met=True)
    assert not readiness.note(need, is_met=True)


@pytest.mark.parametrize(
    ("states", "ready"),
    [
        ([], False),
        ([State.STARTING, State.WAITING, State.DISCONNECTED, State.DRAINING], False),
        ([State.DISCONNECTED, State.SERVING], True),
    ],
)
def test_one_worker_that_serves_is_enough(states: list[State], ready: bool) -> None:
    """The others may be on their way, or looking for a server."""
    readiness = everything()
    readiness.note(Need.WORKER, is_met=False)
    assert ready == readiness.note_workers(states)
    assert ready == readiness.ready


@given(st.lists(needs))
def test_a_change_is_told_exactly_when_there_is_one(history: list[tuple[Need, bool]]) -> None:
    """Whatever comes and goes, in whatever order."""
    readiness, there = Readiness(), {Need.RUNNING}
    for need, is_met in history:
        before = there == set(Need)
        (there.add if is_met else there.discard)(need)
        assert readiness.note(need, is_met=is_met) == (before != (there == set(Need)))
        assert set(readiness.missing) == set(Need) - there


def test_what_is_missing_is_put_into_words() -> None:
    """Names to search for, and for each what to look at."""
    told = describe((Need.KEY_SET, Need.WORKER))
    assert "key set, worker subscribed to NATS" == told["missing"]
    assert f"{Need.KEY_SET.remedy} {Need.WORKER.remedy}" == told["remedy"]
    assert {} == {name: text for name, text in describe(()).items() if text}


@pytest.mark.parametrize("need", Need)
def test_a_need_explains_itself(need: Need) -> None:
    """In sentences on one line."""
    assert all(text.endswith(".") and text.isprintable() for text in (need.meaning, need.remedy))
