"""What the replicas' pages tell: which of them is set up otherwise than nats-server is."""

import pytest

from callout.doctor.attempts import Attempt, Counted
from callout.doctor.findings import Check, Severity
from callout.doctor.replicas import (
    OF_FORGERS,
    OF_SET_UP,
    Page,
    Pages,
    add_up,
    count_workers,
    find_rises,
    is_astray,
    judge_replicas,
    miss_replicas,
)
from callout.doctor.requests import Asked
from workers.metrics import ALLOWED
from workers.reasons import Reason

OURS = Asked(sealed=False, readable=True, at=1.0, ours=True)
GOOD, BAD = "http://good/metrics", "http://bad/metrics"


def pages(good: Counted, bad: Counted) -> Pages:
    """The pages of two replicas."""
    return {GOOD: Page(good), BAD: Page(bad)}


def refused(rises: dict[str, Counted], asked: tuple[Asked, ...] | None = (OURS,)) -> Attempt:
    """A login that was refused, while this was counted."""
    return Attempt(let_in=False, seconds=0.1, asked=asked, counted=add_up(rises), pages=rises)


@pytest.mark.parametrize("reason", OF_SET_UP)
def test_a_replica_that_refuses_the_servers_requests_is_wrong(reason: Reason) -> None:
    """It has refused a login of ours for that; it is named, with what it wants, and the others are not."""
    astray = [refused({GOOD: {}, BAD: {reason: 1.0}})]
    finding = judge_replicas(pages({}, {reason: 4.0}), pages({ALLOWED: 3.0}, {reason: 6.0}), astray)
    assert (Check.REPLICAS, Severity.WRONG) == (finding.check, finding.severity)
    assert "1 of 2 replicas refuses what nats-server asks about clients" == finding.what
    assert (f"{BAD}: {reason}, 2 just now and 4 before, since it was started. {reason.meaning}",) == finding.details
    assert finding.mend.endswith(reason.remedy)


@pytest.mark.parametrize("reason", [*OF_SET_UP, *OF_FORGERS])
@pytest.mark.parametrize(
    ("before", "when"), [(2.0, "2 before, since it was started"), (0.0, "2 just now"), (1.0, "1 just now and 1 before")]
)
def test_what_is_not_about_our_logins_is_worth_a_notice(reason: Reason, before: float, when: str) -> None:
    """A counter has no date; what rose just now may be a stranger's, or about another client's login."""
    finding = judge_replicas(pages({}, {reason: before}), pages({}, {reason: 2.0}), [])
    assert Severity.NOTICE == finding.severity
    assert f"{BAD}: {reason}, {when}" in finding.details[0]
    assert reason.remedy in finding.mend


@pytest.mark.parametrize("reason", OF_FORGERS)
def test_what_only_forgers_cause_makes_no_replica_wrong(reason: Reason) -> None:
    """Not even while a login of ours goes wrong: no replica refuses a true request for it."""
    astray = [refused({GOOD: {}, BAD: {reason: 1.0}})]
    finding = judge_replicas(pages({}, {}), pages({}, {reason: 1.0}), astray)
    assert Severity.NOTICE == finding.severity


@pytest.mark.parametrize("reason", sorted(set(Reason) - {*OF_SET_UP, *OF_FORGERS}))
def test_what_clients_cause_is_no_matter_of_replicas(reason: Reason) -> None:
    """Tokens, names, storms: any client's login can be refused for those, however good the service is."""
    astray = [refused({GOOD: {}, BAD: {reason: 1.0}})]
    finding = judge_replicas(pages({}, {}), pages({ALLOWED: 9.0}, {reason: 7.0}), astray)
    assert (Severity.OK, "2 replicas have refused no true request") == (finding.severity, finding.what)


def test_one_replica_is_spoken_of_as_one() -> None:
    """Most installations that are tried out have no more."""
    assert "1 replica has refused no true request" == judge_replicas({}, {GOOD: Page({})}, []).what


@pytest.mark.parametrize(
    ("attempt", "expected", "astray"),
    [
        (refused({BAD: {"request_subject": 1.0}}), Reason.TOKEN_MALFORMED, True),
        (refused({BAD: {"token_malformed": 1.0, "request_subject": 1.0}}), Reason.TOKEN_MALFORMED, False),
        (refused({BAD: {"token_malformed": 0.0, "request_subject": 1.0}}), Reason.TOKEN_MALFORMED, True),
        (refused({BAD: {ALLOWED: 1.0}}), ALLOWED, True),
        (refused({BAD: {"request_subject": 1.0}}, asked=()), Reason.TOKEN_MISSING, False),
        (refused({BAD: {"request_subject": 1.0}}, asked=None), ALLOWED, False),
        (Attempt(let_in=False, seconds=0.1, asked=(OURS,)), ALLOWED, False),
        (Attempt(let_in=True, seconds=0.1, asked=(OURS,), counted={}), ALLOWED, False),
    ],
)
def test_which_logins_went_astray(attempt: Attempt, expected: str, astray: bool) -> None:
    """Those that the server asked about, and which nobody counted as they should have been."""
    assert astray == is_astray(attempt, expected)


def test_counters_are_compared_page_by_page() -> None:
    """A replica that was started anew takes nothing away from another."""
    before = pages({"token_malformed": 5.0}, {"token_malformed": 1.0})
    rises = find_rises(before, pages({"token_malformed": 1.0}, {"token_malformed": 3.0, ALLOWED: 1.0}))
    assert {GOOD: {"token_malformed": 0.0}, BAD: {"token_malformed": 2.0, ALLOWED: 1.0}} == rises
    assert {"token_malformed": 2.0, ALLOWED: 1.0} == add_up(rises)


@pytest.mark.parametrize(("numbers", "expected"), [((1, 2), 3), ((0,), 0), ((1, None), None), ((None,), None), ((), 0)])
def test_workers_are_counted_if_every_page_tells(numbers: tuple[int | None, ...], expected: int | None) -> None:
    """Otherwise their number is not known."""
    assert expected == count_workers({f"http://{place}/": Page({}, number) for place, number in enumerate(numbers)})


@pytest.mark.parametrize(
    ("problem", "words"), [("", "is not known"), ("x is no page", "not known: --metrics-url x is no")]
)
def test_without_pages_nothing_is_known(problem: str, words: str) -> None:
    """And it is said what is needed, and why what was given is of no use."""
    finding = miss_replicas(problem)
    assert Severity.UNKNOWN == finding.severity
    assert words in finding.what
    assert "--metrics-url" in finding.mend
