"""Findings on a terminal."""

from hypothesis import given, settings
from hypothesis import strategies as st

from callout.doctor.findings import Check, Finding, Severity, notice, ok, unknown, wrong
from callout.doctor.text import WIDTH, render, summarize

FINDINGS = st.builds(
    Finding, st.sampled_from(Check), st.sampled_from(Severity), st.text(), st.text(), st.text(), st.tuples(st.text())
)


def test_a_wrong_finding_says_what_why_and_how() -> None:
    """In that order, and the command stands on a line of its own."""
    lines = render([wrong(Check.BYPASS, "everybody is let in", "mend it")])
    assert lines[0] == "WRONG  bypass           everybody is let in"
    assert Check.BYPASS.why.split()[0] in lines[1]
    assert "> mend it" == lines[-3].strip()
    assert "1 wrong." == lines[-1]


def test_the_verdict_never_calls_well_what_was_not_looked_at() -> None:
    """All well means that all was looked at."""
    assert "All well." == summarize([ok(Check.LOGIN, "x")])
    assert "All well, 1 worth knowing." == summarize([ok(Check.LOGIN, "x"), notice(Check.CLOCKS, "x", "y")])
    assert "Nothing wrong was found, 1 could not be checked." == summarize([unknown(Check.XKEY, "x", "y")])


def test_the_verdict_says_that_no_login_was_tried() -> None:
    """That is what most would take it for, and without a token there was none."""
    assert "Nothing wrong was found, 1 could not be checked, no login was tried." == summarize(
        [unknown(Check.LOGIN, "x", "y")]
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(FINDINGS, max_size=5))
def test_whatever_is_found_can_be_shown(findings: list[Finding]) -> None:
    """On printable lines, none wider than the terminal unless it holds a word or a command that is."""
    for line in render(findings):
        assert line.isprintable()
        assert len(line) <= WIDTH or max(map(len, line.split())) > WIDTH - 30 or "> " in line or "? " in line
