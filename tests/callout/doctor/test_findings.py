"""What can be found: a closed set, and each finding with what its reader needs."""

import pytest

from callout.doctor.findings import Check, Finding, Severity, count, notice, ok, unknown, wrong


@pytest.mark.parametrize("check", list(Check))
def test_every_check_has_a_question_and_a_reason(check: Check) -> None:
    """One sentence each: they are the documentation's table, too."""
    assert check.asks.endswith("?")
    assert check.why.endswith(".")
    assert 1 == check.asks.count("?")
    assert "|" not in check.asks + check.why


def test_no_two_checks_have_a_name_or_a_question_in_common() -> None:
    """A reader finds each by its name."""
    assert len(Check) == len({check.value for check in Check}) == len({check.asks for check in Check})
    assert all(check.value == check.value.lower() for check in Check)


def test_what_needs_a_client_comes_last() -> None:
    """The order is that of the output, and of the cause above its consequences."""
    live = [check.live for check in Check]
    assert sorted(live) == live
    assert (Check.SETTINGS, Check.STREAM) == (next(iter(Check)), list(Check)[-1])


def test_what_is_not_well_says_why_and_what_to_do() -> None:
    """What is well says neither."""
    for finding in (
        notice(Check.XKEY, "what", "do"),
        wrong(Check.XKEY, "what", "do", "a", "b"),
        unknown(Check.XKEY, "what", "do"),
    ):
        assert (Check.XKEY.why, "what", "do") == (finding.why, finding.what, finding.mend)
    assert ("a", "b") == wrong(Check.XKEY, "what", "do", "a", "b").details
    assert Finding(Check.XKEY, Severity.OK, "what", details=("a",)) == ok(Check.XKEY, "what", "a")


def test_severities_are_told_apart() -> None:
    """What is not known is neither well nor wrong."""
    made = [ok(Check.XKEY, ""), notice(Check.XKEY, "", ""), wrong(Check.XKEY, "", ""), unknown(Check.XKEY, "", "")]
    assert [Severity.OK, Severity.NOTICE, Severity.WRONG, Severity.UNKNOWN] == [finding.severity for finding in made]
    assert dict.fromkeys(Severity, 1) == count(made)
    assert dict.fromkeys(Severity, 0) == count([])
