"""Logging in again and again: how often is enough, and what a login that went wrong after others tells."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callout.doctor.attempts import Attempt, Counted
from callout.doctor.findings import Check, Severity, ok, wrong
from callout.doctor.repetition import MAX_LOGINS, MIN_LOGINS, Entry, choose_logins, judge_logins
from workers.metrics import ALLOWED

TOKEN = ok(Check.TOKEN, "good")
GOOD = Entry(Attempt(let_in=True, seconds=0.01), "A")
ELSEWHERE = Entry(Attempt(let_in=True, seconds=0.01), "OTHER")


def refused(seconds: float = 0.01, **pages: Counted) -> Entry:
    """A login that was refused, while the pages counted this."""
    counted: dict[str, float] = {}
    for rises in pages.values():
        counted |= rises
    return Entry(Attempt(let_in=False, seconds=seconds, counted=counted, pages=pages))


@pytest.mark.parametrize(
    ("responders", "logins"),
    [(None, 6), (0, MIN_LOGINS), (1, 3), (2, 6), (4, 12), (6, 18), (7, MAX_LOGINS), (10_000, MAX_LOGINS)],
)
def test_the_more_answer_the_more_logins_there_are(responders: int | None, logins: int) -> None:
    """Up to a bound; where nobody tells how many answer, two are assumed."""
    assert logins == choose_logins(responders)


@pytest.mark.parametrize(("at_least", "logins"), [(0, 6), (1, 6), (2, 6), (4, 12), (100, MAX_LOGINS)])
def test_pages_tell_only_how_many_answer_at_least(at_least: int, logins: int) -> None:
    """Those of other replicas may have been left out: never fewer logins than where nothing is known."""
    assert logins == choose_logins(None, at_least)


@given(st.integers(min_value=1, max_value=MAX_LOGINS // 3))
def test_one_that_refuses_is_seldom_missed(responders: int) -> None:
    """In fewer than one run in twenty, as long as the bound is not reached."""
    assert (1 - 1 / responders) ** choose_logins(responders) < 1 / 20


@pytest.mark.parametrize(
    ("number", "responders", "words"),
    [
        (6, 2, "the client is let in, into A, 6 times of 6"),
        (6, None, "the client is let in, into A, 6 times of 6; how many answer is not known"),
        (3, 0, "the client is let in, into A, 3 times of 3"),
        (
            20,
            10,
            "the client is let in, into A, 20 times of 20; each of the 10 who answer was met with a probability of 88%",
        ),
    ],
)
def test_how_sure_it_is_that_all_were_met_is_said(number: int, responders: int | None, words: str) -> None:
    """Where the bound was reached it is a matter of chance."""
    finding = judge_logins([GOOD] * number, "A", TOKEN, responders, signed_rightly=True)
    assert (Severity.OK, words) == (finding.severity, finding.what)


@pytest.mark.parametrize(
    ("last", "words"),
    [
        (refused(), "the client is refused, though its token is good"),
        (refused(bad={"request_subject": 1}), "the running service refuses what the server asks (request_subject)"),
        (refused(bad={ALLOWED: 1}), "the service lets the client in, and the server refuses the answer"),
        (refused(2.0, bad={"request_unreadable": 1}), "the service has dropped some (request_unreadable)"),
        (ELSEWHERE, "the client is let in, into account OTHER instead of A"),
    ],
)
@pytest.mark.parametrize("signed_rightly", [True, False])
def test_a_login_that_goes_wrong_after_others_is_wrong(last: Entry, words: str, signed_rightly: bool) -> None:
    """Those who answer differ; so it is neither the account's name nor anything that they have in common."""
    finding = judge_logins([GOOD, GOOD, last], "A", TOKEN, 2, signed_rightly=signed_rightly)
    assert (Check.LOGIN, Severity.WRONG) == (finding.check, finding.severity)
    assert finding.what.startswith("2 logins went well, and the next did not: ")
    assert words in finding.what
    assert finding.what.endswith(". Not all who answer are set up alike")
    assert finding.mend.endswith(
        "; all need the same keys and settings: compare what callout config says where each replica runs"
    )
    assert finding.mend.startswith(("callout config  # ", "grep -iE "))
    assert "no account A" not in finding.what


def test_one_login_that_went_well_is_spoken_of_as_one() -> None:
    """It is met as often as any other number."""
    finding = judge_logins([GOOD, refused()], "A", TOKEN, 2, signed_rightly=True)
    assert finding.what.startswith("1 login went well, and the next did not: ")


def test_the_first_login_speaks_for_all() -> None:
    """Nothing is known of the others, since none was tried; which pages have counted it is told."""
    finding = judge_logins([refused(good={ALLOWED: 0}, bad={ALLOWED: 1})], "A", TOKEN, 2, signed_rightly=True)
    assert finding.what.endswith("the server refuses the answer: most likely it has no account A")
    assert ("bad: allowed",) == finding.details


def test_a_token_that_is_refused_is_no_matter_of_replicas() -> None:
    """What is wrong with it was found before."""
    bad = wrong(Check.TOKEN, "bad", "mend the token")
    finding = judge_logins([refused(bad={"token_audience": 1})], "A", bad, 2, signed_rightly=True)
    assert "mend the token" == finding.mend
