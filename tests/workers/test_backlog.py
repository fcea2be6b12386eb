"""workers.backlog: who is next, who is given up, and that what waits is bounded."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from workers.backlog import PARTS, Backlog
from workers.frames import Message

MAX_REQUESTS = 5
MAX_BYTES = 100
MAX_WAIT_S = 1.5
IN_TURN_S = 1.2
QUICK = 0.001
SLOW = 0.45
TINY = 1e-9


def message(number: int, size: int = 1) -> Message:
    """One that can be told from others."""
    return Message(b"1", b"%d" % number, "", bytes(size))


def waiting(*sizes: int, now: float = 0) -> Backlog:
    """A backlog of messages of these sizes, numbered, that have arrived now."""
    backlog = Backlog(MAX_REQUESTS, MAX_BYTES, MAX_WAIT_S, IN_TURN_S)
    for number, size in enumerate(sizes):
        backlog.add(message(number, size), now)
    return backlog


def take_all(backlog: Backlog, decision_s: float = QUICK, now: float = 0) -> list[int]:
    """The numbers of all that wait, in the order in which they are taken, all of them now."""
    taken = []
    while backlog:
        backlog.choose_order(now, decision_s)
        taken.append(int(backlog.take().message.reply))
    return taken


def decide_all(backlog: Backlog, decision_s: float, now: float) -> dict[int, float]:
    """How long each has waited when its decision is there, by number; those that are given up have none."""
    waited = {}
    while backlog:
        backlog.choose_order(now, decision_s)
        request = backlog.take()
        now += decision_s
        waited[int(request.message.reply)] = round(now - request.arrived_at, 3)
        backlog.expire(now)
    return waited


def arrived(*moments: float) -> Backlog:
    """A backlog of messages that have arrived at these moments, numbered."""
    backlog = waiting()
    for number, moment in enumerate(moments):
        backlog.add(message(number), moment)
    return backlog


def test_first_come_first_served() -> None:
    """As long as everybody is served soon enough."""
    assert [0, 1, 2] == take_all(waiting(1, 1, 1))


def test_in_turn_as_long_as_everybody_is_served_soon_enough() -> None:
    """The first waits longest already and the last has most before it: neither is both."""
    assert {0: 0.9, 1: 0.8, 2: 0.9, 3: 0.9, 4: 1.0} == decide_all(arrived(0, 0.3, 0.4, 0.6, 0.7), 0.2, 0.7)


def test_when_more_waits_than_can_be_served_soon_enough_the_newest_comes_first() -> None:
    """And what is left is served in turn again, as soon as it is little enough."""
    assert [4, 3, 2, 0, 1] == take_all(waiting(1, 1, 1, 1, 1), SLOW)


def test_what_is_left_of_too_much_is_not_served_when_it_is_nearly_too_late() -> None:
    """Its oldest are given up: the time that they would take is the others'."""
    assert {4: 0.2, 3: 0.6, 2: 1.4} == decide_all(arrived(0, 0.2, 0.6, 1.2, 1.4), 0.2, 1.4)


def test_a_few_that_have_waited_long_are_not_passed_over() -> None:
    """A worker that stood still is behind in time and not in work: in turn, everybody is served soonest."""
    assert [0, 1, 2] == take_all(arrived(0, 0, 1.1), now=1.1)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.floats(0, MAX_WAIT_S), max_size=200),
    st.sampled_from((0.0001, 0.001, 0.01, 0.1)),
)
def test_in_turn_nobody_waits_too_long(moments: list[float], decision_s: float) -> None:
    """However many there are, and however their ages lie; and what is easily done in turn is not taken for too much."""
    backlog = Backlog(200, 200, MAX_WAIT_S, IN_TURN_S)
    for number, moment in enumerate(sorted(moments)):
        backlog.add(message(number), moment)
    waits = [MAX_WAIT_S - moment + done * decision_s for done, moment in enumerate(sorted(moments), 1)]
    backlog.choose_order(MAX_WAIT_S, decision_s)
    if backlog._in_turn:
        assert max(waits, default=0) <= IN_TURN_S + TINY
    else:
        part_s = (len(moments) // PARTS + 1) * decision_s
        assert max(waits) > IN_TURN_S - part_s - TINY


@pytest.mark.parametrize(("now", "given_up"), [(1.5, 0), (1.6, 2), (1.9, 2), (2.1, 3)])
def test_what_has_waited_too_long_is_given_up(now: float, given_up: int) -> None:
    """Its server gives up soon or has already, and somebody else's can still be answered."""
    backlog = waiting(1, 1, now=0)
    backlog.add(message(2), 0.5)
    assert given_up == backlog.expire(now)
    assert list(range(given_up, 3)) == take_all(backlog)


@pytest.mark.parametrize(
    ("sizes", "size", "given_up"),
    [((1,) * 4, 1, 0), ((1,) * 5, 1, 1), ((40, 40), 20, 0), ((40, 40), 21, 1), ((1, 50, 40), 60, 2), ((), 101, 1)],
    ids=["room", "too many", "just enough bytes", "too many bytes", "two make room", "larger than all"],
)
def test_where_there_is_no_room_the_oldest_goes(sizes: tuple[int, ...], size: int, given_up: int) -> None:
    """It is the one whose server gives up soonest; what could never fit is not kept either."""
    backlog = waiting(*sizes)
    assert given_up == backlog.add(message(len(sizes), size), 0)
    assert list(range(given_up, len(sizes) + 1)) == take_all(backlog)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.just("add"), st.integers(0, MAX_BYTES + 10))
        | st.tuples(st.sampled_from(("take", "take newest", "expire")), st.just(0)),
        max_size=40,
    )
)
def test_everything_is_taken_or_given_up_once_and_the_bounds_hold(steps: list[tuple[str, int]]) -> None:
    """Whatever comes in whatever order."""
    backlog, added, taken, given_up = waiting(), 0, set(), 0
    for now, (step, size) in enumerate(steps):
        if step == "add":
            given_up += backlog.add(message(added, size), now)
            added += 1
        elif step == "expire":
            given_up += backlog.expire(now)
        elif backlog:
            backlog.choose_order(now, SLOW if step == "take newest" else QUICK)
            taken.add(backlog.take().message.reply)
        assert len(backlog) <= MAX_REQUESTS
        assert sum(len(request.message.payload) for request in backlog._requests) == backlog._bytes <= MAX_BYTES
    assert added == len(taken) + given_up + len(backlog)
