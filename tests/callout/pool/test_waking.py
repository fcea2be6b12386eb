"""callout.pool.waking: time for which nobody was awake does not count."""

from callout.pool.waking import LONGEST_ROUND_S, WakingClock


def test_it_keeps_the_time_of_one_who_is_awake() -> None:
    """Read often, it tells what the other clock tells."""
    times = iter([100.0, 100.1, 100.3, 101.0])
    clock = WakingClock(lambda: next(times))
    assert [0.1, 0.3, 1.0] == [round(clock.now(), 6) for _ in range(3)]


def test_a_gap_counts_as_one_round() -> None:
    """Whoever stood still for a minute has watched nothing for it."""
    times = iter([100.0, 100.5, 160.5, 160.6])
    clock = WakingClock(lambda: next(times))
    expected = [0.5, 0.5 + LONGEST_ROUND_S, 0.6 + LONGEST_ROUND_S]
    assert expected == [round(clock.now(), 6) for _ in range(3)]
