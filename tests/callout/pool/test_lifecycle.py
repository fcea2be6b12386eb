"""callout.pool.lifecycle: when workers are started, replaced and given up."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.pool.lifecycle import (
    BACK_OFF_LIMIT_S,
    START_LIMIT_S,
    STEADY_AFTER_S,
    STUCK_AFTER_S,
    Drain,
    Kill,
    Lifecycle,
    Start,
)
from workers.exits import Exit
from workers.status import State

DRAIN_S = 5.0
CRASH = 1


def serving(size: int = 2) -> Lifecycle:
    """A lifecycle whose workers 1 to `size` have been serving since the moment 0."""
    lifecycle = Lifecycle(size, DRAIN_S)
    lifecycle.plan(0.0)
    for number in range(1, size + 1):
        lifecycle.observe(number, State.SERVING, 0.0)
    return lifecycle


def test_each_slot_gets_a_worker() -> None:
    """The first plan starts one worker a slot, and the second nothing more."""
    lifecycle = Lifecycle(3, DRAIN_S)
    assert lifecycle.plan(0.0) == [Start(1), Start(2), Start(3)]
    assert lifecycle.plan(0.1) == []


def test_a_crashed_worker_is_started_again_after_a_back_off() -> None:
    """Another worker takes the slot, but not before its back-off is over."""
    lifecycle = serving()
    assert lifecycle.on_exit(1, CRASH, 1.0, draw=1.0) is None
    assert lifecycle.plan(1.9) == []
    assert lifecycle.plan(2.0) == [Start(3)]
    assert lifecycle.restarts == 1


def test_the_back_off_grows_to_its_limit_while_workers_keep_ending_soon() -> None:
    """Each crash doubles the pause; the limit is never passed."""
    lifecycle = Lifecycle(1, DRAIN_S)
    now, pauses = 0.0, []
    for _ in range(12):
        (start,) = lifecycle.plan(now)
        assert isinstance(start, Start)
        lifecycle.on_exit(start.worker, CRASH, now, draw=1.0)
        began = now
        while not _peek(lifecycle, now):
            now += 0.5
        pauses.append(now - began)
    assert pauses[:4] == [1.0, 2.0, 4.0, 8.0]
    assert max(pauses) == BACK_OFF_LIMIT_S


def _peek(lifecycle: Lifecycle, now: float) -> list[int]:
    """The slots that would be filled now."""
    return [index for index, slot in enumerate(lifecycle._slots) if now >= slot.start_at]


def test_a_worker_that_lived_long_is_replaced_at_once() -> None:
    """After a steady life there is no back-off."""
    lifecycle = serving(1)
    lifecycle.on_exit(1, CRASH, STEADY_AFTER_S, draw=1.0)
    assert lifecycle.plan(STEADY_AFTER_S) == [Start(2)]


def test_a_worker_that_stops_stamping_is_killed_once() -> None:
    """A loop that stands still is ended, and not again while it is ending."""
    lifecycle = serving(1)
    late = STUCK_AFTER_S + 0.1
    assert lifecycle.plan(late) == [Kill(1, "its event loop stands still")]
    assert lifecycle.plan(late + 1) == []


def test_a_worker_that_never_stamps_is_killed() -> None:
    """A start has a limit of its own."""
    lifecycle = Lifecycle(1, DRAIN_S)
    lifecycle.plan(0.0)
    assert lifecycle.plan(START_LIMIT_S) == []
    assert lifecycle.plan(START_LIMIT_S + 0.1) == [Kill(1, "it did not start in time")]


@pytest.mark.parametrize("code", [Exit.BAD_SETTINGS, Exit.REFUSED, Exit.LAYOUT])
def test_a_lasting_reason_ends_the_service_when_nobody_serves(code: Exit) -> None:
    """Starting again would end the same way."""
    lifecycle = Lifecycle(2, DRAIN_S)
    lifecycle.plan(0.0)
    assert lifecycle.on_exit(1, code, 0.5, draw=0.0) is code


def test_a_lasting_reason_leaves_those_alone_who_serve() -> None:
    """Others go on; the slot is tried again with back-off."""
    lifecycle = serving()
    assert lifecycle.on_exit(1, Exit.REFUSED, 1.0, draw=1.0) is None
    assert lifecycle.plan(2.0) == [Start(3)]


def test_workers_are_replaced_in_turn_and_drain_only_when_the_next_one_serves() -> None:
    """At every moment as many serve as before."""
    lifecycle = serving()
    lifecycle.replace_all()
    assert lifecycle.plan(1.0) == [Start(3)]
    lifecycle.observe(3, State.WAITING, 1.0)
    assert lifecycle.plan(1.1) == []
    lifecycle.observe(3, State.SERVING, 1.2)
    assert lifecycle.plan(1.2) == [Drain(1), Start(4)]
    lifecycle.observe(4, State.SERVING, 1.3)
    assert lifecycle.plan(1.3) == [Drain(2)]
    assert lifecycle.on_exit(1, Exit.DRAINED, 1.4, draw=0.0) is None
    assert lifecycle.on_exit(2, Exit.DRAINED, 1.4, draw=0.0) is None
    assert (lifecycle.plan(1.5), lifecycle.restarts) == ([], 0)


def test_a_replacement_that_cannot_start_leaves_the_old_worker_and_is_not_tried_again() -> None:
    """New credentials that NATS refuses do no harm; the next change is tried anew."""
    lifecycle = serving(1)
    lifecycle.replace_all()
    lifecycle.plan(1.0)
    assert lifecycle.on_exit(2, Exit.REFUSED, 1.5, draw=0.0) is None
    lifecycle.observe(1, State.SERVING, 99.0)
    assert lifecycle.plan(100.0) == []
    lifecycle.replace_all()
    assert lifecycle.plan(101.0) == [Start(3)]


def test_before_the_snapshot_is_ready_a_waiting_worker_replaces_a_waiting_one() -> None:
    """A replacement need not do more than the one it replaces."""
    lifecycle = Lifecycle(1, DRAIN_S)
    lifecycle.plan(0.0)
    lifecycle.observe(1, State.WAITING, 0.1)
    lifecycle.replace_all()
    lifecycle.plan(0.2)
    lifecycle.observe(2, State.WAITING, 0.3)
    assert lifecycle.plan(0.3) == [Drain(1)]


def test_stopping_drains_all_and_starts_none() -> None:
    """A worker that ends while stopping is not replaced."""
    lifecycle = serving()
    lifecycle.stop()
    assert lifecycle.plan(1.0) == [Drain(1), Drain(2)]
    assert lifecycle.plan(1.1) == []
    assert lifecycle.on_exit(1, CRASH, 1.2, draw=0.0) is None
    assert lifecycle.plan(9.0) == [Kill(2, "it did not drain in time")]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_no_history_leaves_a_slot_empty_for_ever(data: st.DataObject) -> None:
    """Whatever workers do, every slot has a living worker again once they behave."""
    lifecycle = Lifecycle(2, DRAIN_S)
    now = 0.0
    for _ in range(data.draw(st.integers(0, 40))):
        now += data.draw(st.floats(0.05, 20))
        _obey(lifecycle, now)
        living = list(lifecycle.workers)
        match data.draw(st.sampled_from(["observe", "crash", "replace"])):
            case "observe" if living:
                state = data.draw(st.sampled_from([State.WAITING, State.SERVING, State.DISCONNECTED]))
                lifecycle.observe(data.draw(st.sampled_from(living)), state, now)
            case "crash" if living:
                lifecycle.on_exit(data.draw(st.sampled_from(living)), CRASH, now, data.draw(st.floats(0, 1)))
            case "replace":
                lifecycle.replace_all()
    for _ in range(20):
        now += BACK_OFF_LIMIT_S
        for number in list(lifecycle.workers):
            lifecycle.observe(number, State.SERVING, now)
        _obey(lifecycle, now)
    assert len(lifecycle.workers) == 2
    assert set(lifecycle.workers.values()) == {State.SERVING}


def _obey(lifecycle: Lifecycle, now: float) -> None:
    """Carry out a plan: who is killed or asked to leave does so at once."""
    for action in lifecycle.plan(now):
        if isinstance(action, Drain | Kill):
            lifecycle.on_exit(action.worker, Exit.DRAINED, now, draw=0.0)
