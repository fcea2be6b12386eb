"""workers.repeats: an error that goes on is told again, and nobody fills the log with ever new ones."""

from workers.repeats import Repeats

INTERVAL_S = 30.0
MAX_KINDS = 4


def test_what_goes_on_is_told_once_in_a_while() -> None:
    """At once, and then when the interval is over."""
    repeats = Repeats(INTERVAL_S, MAX_KINDS)
    moments = (0.0, 1.0, INTERVAL_S, INTERVAL_S + 1, INTERVAL_S + 2)
    assert [True, False, False, True, False] == [repeats.is_due("silent", now) for now in moments]


def test_errors_that_alternate_are_told_once_each() -> None:
    """Two servers that fail, each in a way of its own, are tried in turn."""
    repeats = Repeats(INTERVAL_S, MAX_KINDS)
    kinds = ("silent", "refused") * 3
    assert [True, True, False, False, False, False] == [repeats.is_due(kind, 0.0) for kind in kinds]


def test_what_is_not_told_is_counted() -> None:
    """Whether it was told before or is one too many; each once."""
    repeats = Repeats(INTERVAL_S, MAX_KINDS)
    assert 0 == repeats.take_untold()
    for number in range(10):
        repeats.is_due(f"error {number}", 0.0)
        repeats.is_due("error 0", 0.0)
    assert 20 - MAX_KINDS == repeats.take_untold()
    assert 0 == repeats.take_untold()


def test_ever_new_errors_are_told_up_to_a_number() -> None:
    """In the same interval; after it the next are told."""
    repeats = Repeats(INTERVAL_S, MAX_KINDS)
    assert MAX_KINDS == sum(repeats.is_due(f"error {number}", 0.0) for number in range(1000))
    assert MAX_KINDS == sum(repeats.is_due(f"error {number}", INTERVAL_S + 1) for number in range(1000, 2000))
    assert MAX_KINDS == len(repeats._told)
