"""What logins that were tried tell."""

import shlex

import msgspec
import pytest

from callout.doctor.attempts import (
    Attempt,
    Counted,
    find_rise,
    is_asked_elsewhere,
    judge_bare,
    judge_issuer,
    judge_junk,
    judge_listeners,
    judge_login,
    judge_patience,
    judge_round_trip,
    judge_sealing,
)
from callout.doctor.findings import Check, Severity, ok, wrong
from callout.doctor.requests import Asked
from callout.doctor.system import MAX_NAMED, Listener
from workers.reasons import Reason
from workers.server import QUEUE_GROUP
from workers.user_jwt import Mode

OURS = Asked(sealed=False, readable=True, at=1.0, ours=True, issuer="A-ours", issued_at=1, request_id="UABC")
FOREIGN = Asked(sealed=True, readable=False, at=1.0)
SEALED = Asked(sealed=True, readable=True, at=1.0, ours=True, issuer="A-ours", issued_at=1)


def attempt(
    seconds: float, *, let_in: bool, asked: tuple[Asked, ...] | None = None, counted: Counted | None = None
) -> Attempt:
    """A login that was tried."""
    return Attempt(let_in, seconds, asked, counted)


GOOD = ok(Check.TOKEN, "good")
BAD = wrong(Check.TOKEN, "bad", "mend the token")


@pytest.mark.parametrize(
    ("tried", "answered", "junk"),
    [
        (attempt(0.01, let_in=False, asked=(OURS,), counted={"token_malformed": 1}), "ok", "ok"),
        (attempt(0.01, let_in=False, asked=(OURS,), counted={"token_malformed": 2}), "ok", "ok"),
        (attempt(0.01, let_in=False, asked=(OURS,), counted=None), "ok", "unknown"),
        (attempt(0.01, let_in=False, asked=(OURS,), counted={}), "ok", "wrong"),
        (attempt(0.01, let_in=False, asked=(OURS,), counted={"allowed": 1}), "ok", "wrong"),
        (attempt(0.01, let_in=False, asked=(OURS,), counted={"request_not_sealed": 1}), "ok", "wrong"),
        (attempt(2.0, let_in=False, asked=(OURS,), counted={}), "wrong", "wrong"),
        (attempt(2.0, let_in=False, asked=(OURS,), counted={"request_unreadable": 1}), "wrong", "wrong"),
        (attempt(0.01, let_in=False, asked=(), counted=None), "wrong", "unknown"),
        (attempt(0.01, let_in=True, asked=(OURS,), counted=None), "ok", "wrong"),
        (attempt(0.01, let_in=True, asked=(), counted=None), "wrong", "wrong"),
        (attempt(0.01, let_in=False), "unknown", "unknown"),
    ],
)
def test_a_junk_token_tells_who_was_asked_and_who_answered(tried: Attempt, answered: str, junk: str) -> None:
    """The request, the time and the counters each tell a part, and what none of them tells is unknown."""
    assert [answered, junk] == [finding.severity for finding in judge_junk(tried, Mode.SERVER, 0)]


@pytest.mark.parametrize(
    ("tried", "elsewhere"),
    [
        (attempt(2.0, let_in=False, asked=()), True),
        (attempt(0.01, let_in=False, asked=(), counted={"token_malformed": 1}), True),
        (attempt(0.01, let_in=False, asked=(), counted={"token_malformed": 0}), False),
        (attempt(0.01, let_in=False, asked=()), False),
        (attempt(2.0, let_in=False, asked=(OURS,)), False),
        (attempt(2.0, let_in=False), False),
        (attempt(2.0, let_in=True, asked=()), False),
    ],
)
def test_a_request_that_is_not_heard_may_be_made_in_another_account(tried: Attempt, elsewhere: bool) -> None:
    """A server that decides by itself takes no two seconds, and no service counts that."""
    assert elsewhere == is_asked_elsewhere(tried)
    answered, junk = judge_junk(tried, Mode.SERVER, 0)
    assert elsewhere == ("it is in another account than auth_callout's" in answered.what)
    assert not elsewhere or "auth_callout names in nats.conf" in answered.mend
    assert not elsewhere or "callout serve" not in junk.mend


@pytest.mark.parametrize(("counted", "certain"), [(None, False), ({"token_malformed": 0}, True)])
def test_a_server_that_asks_nobody_is_called_so_only_if_no_service_counts(
    counted: Counted | None, certain: bool
) -> None:
    """A refusal at once may as well be that of a service in another account, which the service's user cannot hear."""
    answered, _ = judge_junk(attempt(0.01, let_in=False, asked=(), counted=counted), Mode.SERVER, 0)
    assert certain == (answered.what == "the server decides without asking the callout")
    assert answered.mend.startswith("add auth_callout { issuer, account, auth_users } to authorization in nats.conf")
    assert certain == ("NATS_URL" not in answered.mend)


def test_who_is_let_in_with_nothing() -> None:
    """Nobody may be."""
    assert Severity.WRONG == judge_bare(attempt(0.01, let_in=True)).severity
    assert Severity.OK == judge_bare(attempt(0.01, let_in=False)).severity


@pytest.mark.parametrize(
    ("asked", "xkey", "severity"),
    [
        ((OURS,), "", "ok"),
        ((OURS,), "X", "wrong"),
        ((FOREIGN,), "", "wrong"),
        ((FOREIGN,), "X", "wrong"),
        ((SEALED,), "X", "ok"),
    ],
)
def test_both_sides_seal_or_none(asked: tuple[Asked, ...], xkey: str, severity: str) -> None:
    """And for the same key."""
    finding = judge_sealing(asked, Mode.OPERATOR, xkey)
    assert finding is not None
    assert severity == finding.severity


def test_a_request_for_another_key_is_answered_with_that_one() -> None:
    """The server may be right, and our file wrong."""
    sealed = judge_sealing((FOREIGN,), Mode.SERVER, "X")
    assert sealed is not None
    assert sealed.mend.startswith(
        "export NATS_XKEY_FILE=<file with the seed of the server's auth_callout xkey>  # or, if"
    )
    assert "set xkey: X in auth_callout in nats.conf" in sealed.mend


@pytest.mark.parametrize(
    ("lives", "severity"), [(2, Severity.OK), (1, Severity.OK), (3, Severity.NOTICE), (11, Severity.NOTICE)]
)
def test_a_server_that_waits_too_long_is_worth_a_notice(lives: int, severity: Severity) -> None:
    """As with TLS, unless nats.conf says two seconds; by whole seconds, as requests have them."""
    finding = judge_patience((FOREIGN, msgspec.structs.replace(OURS, lives=lives)))
    assert finding is not None
    assert (Check.PATIENCE, severity) == (finding.check, finding.severity)
    assert f"for {lives} s" in finding.what
    assert ("authorization { timeout: 2 }" in finding.mend) == (severity is Severity.NOTICE)


def test_how_long_a_server_waits_is_told_by_requests_of_ours_alone() -> None:
    """Of others nothing is read."""
    assert judge_patience((FOREIGN, OURS)) is None


def test_whom_requests_are_addressed_to() -> None:
    """In server mode that is the configured issuer."""
    same, other = (judge_issuer((OURS,), Mode.SERVER, key) for key in ("A-ours", "A-other"))
    assert same is not None
    assert other is not None
    assert (Severity.OK, Severity.WRONG) == (same.severity, other.severity)
    assert other.mend.startswith("export NATS_SIGNING_KEY_FILE=<file with the seed of A-ours>  # or, if the key was")
    assert "set issuer: A-other in auth_callout in nats.conf" in other.mend
    assert judge_issuer((FOREIGN,), Mode.SERVER, "A-ours") is None


@pytest.mark.parametrize(
    ("tried", "found_in", "token", "words"),
    [
        (attempt(0.1, let_in=True), "APP", GOOD, "into APP"),
        (attempt(0.1, let_in=True), "OTHER", GOOD, "into account OTHER instead of APP"),
        (attempt(0.1, let_in=False), "", BAD, "since its token is refused, see token above"),
        (attempt(0.1, let_in=False, counted={"allowed": 1}), "", GOOD, "the server refuses the answer"),
        (attempt(0.1, let_in=False, counted={"token_audience": 1}), "", GOOD, "refuses the token (token_audience)"),
        (attempt(2.1, let_in=False), "", GOOD, "nobody answered in time"),
        (attempt(0.1, let_in=False), "", GOOD, "the answer was refused, or somebody else gave it"),
    ],
)
def test_why_a_login_failed(tried: Attempt, found_in: str, token: object, words: str) -> None:
    """The evidence decides which of the causes is named."""
    assert token in (GOOD, BAD)
    assert words in judge_login(tried, "APP", found_in, GOOD if token is GOOD else BAD).what


@pytest.mark.parametrize(
    ("listeners", "severity"),
    [
        (None, "unknown"),
        ([], "wrong"),
        ([Listener(QUEUE_GROUP, "N", 1)], "ok"),
        ([Listener(QUEUE_GROUP, "N", 1), Listener(QUEUE_GROUP, "N", 2)], "ok"),
        ([Listener(QUEUE_GROUP, "N", 1), Listener("", "N", 2)], "wrong"),
        ([Listener(QUEUE_GROUP, "N", 1), Listener("other", "N", 2)], "wrong"),
    ],
)
def test_who_hears_requests(listeners: list[Listener] | None, severity: str) -> None:
    """The service's queue group, and nobody else."""
    assert severity == judge_listeners(listeners, "AUTH", 0).severity


def test_a_queue_group_is_joined_by_whoever_knows_its_name() -> None:
    """Where the workers of the replicas were not counted, nobody is called one of the service's for it."""
    finding = judge_listeners([Listener(QUEUE_GROUP, "N", one) for one in range(3)], "AUTH")
    assert Severity.NOTICE == finding.severity
    assert finding.what.startswith("3 hear requests in the service's queue group, and nobody outside of it; that all")
    assert "--metrics-url http://<pod>:8080/metrics for each of them" in finding.mend


def test_workers_of_no_replica_that_was_given() -> None:
    """Nothing of what they refuse can be known; how many there are is said."""
    finding = judge_listeners([Listener(QUEUE_GROUP, "N", one) for one in range(4)], "AUTH", 3)
    assert Severity.NOTICE == finding.severity
    assert finding.what.startswith("3 of 4 workers are of no replica that was given (--metrics-url)")
    assert "--metrics-url http://<pod>:8080/metrics for each of them" in finding.mend


@pytest.mark.parametrize(("unseen", "severity"), [(None, "unknown"), (0, "wrong"), (1, "unknown")])
def test_a_worker_that_no_page_tells_of_may_have_refused_a_junk_token(unseen: int | None, severity: str) -> None:
    """Then nothing is wrong with the service, and more pages are needed to know."""
    tried = attempt(0.01, let_in=False, asked=(OURS,), counted={"token_malformed": 0})
    *_, junk = judge_junk(tried, Mode.SERVER, unseen)
    assert severity == junk.severity
    assert unseen == 0 or "--metrics-url" in junk.mend


@pytest.mark.parametrize("unseen", [None, 0])
def test_silence_is_wrong_however_many_pages_there_are(unseen: int | None) -> None:
    """Whoever was asked, nobody has refused it."""
    *_, junk = judge_junk(attempt(2.0, let_in=False, asked=(OURS,), counted={}), Mode.SERVER, unseen)
    assert Severity.WRONG == junk.severity


@pytest.mark.parametrize(
    ("seconds", "severity"), [([], "unknown"), ([0.01], "ok"), ([0.01, 0.6], "notice"), ([0.01, 1.6], "wrong")]
)
def test_the_slowest_login_counts(seconds: list[float], severity: str) -> None:
    """A third of the budget is worth a notice."""
    assert severity == judge_round_trip(seconds).severity


def test_a_count_of_nothing_is_no_evidence_for_us() -> None:
    """Counters that do not move say that somebody else refused."""
    counted: Counted = {"token_malformed": 0, "allowed": 0}
    *_, junk = judge_junk(attempt(0.01, let_in=False, asked=(OURS,), counted=counted), Mode.SERVER, 0)
    assert Severity.WRONG == junk.severity


def test_a_counter_that_fell_counts_for_nothing() -> None:
    """A replica that was started anew meanwhile counts from nothing; that takes away from no other reason."""
    before: Counted = {Reason.TOKEN_EXPIRED: 7.0, Reason.TOKEN_MALFORMED: 1.0}
    after: Counted = {Reason.TOKEN_EXPIRED: 0.0, Reason.TOKEN_MALFORMED: 2.0, Reason.TOKEN_ISSUER: 1.0}
    expected = {Reason.TOKEN_EXPIRED: 0.0, Reason.TOKEN_MALFORMED: 1.0, Reason.TOKEN_ISSUER: 1.0}
    assert expected == find_rise(before, after)


def test_nor_is_a_count_of_those_who_got_in_meanwhile() -> None:
    """They are other clients': whoever refused this token, a service that has refused nothing was not asked."""
    *_, junk = judge_junk(attempt(0.01, let_in=False, asked=(OURS,), counted={"allowed": 3}), Mode.SERVER, 0)
    assert junk.what == "a token that is none is refused, and this service has not been asked: it has refused no such"


@pytest.mark.parametrize("reason", ["token_expired", "serviceaccount_unknown", "request_leafnode"])
def test_nor_is_what_a_junk_token_is_never_refused_for(reason: str) -> None:
    """Those are other clients' refusals; the service runs, so it is not to be started."""
    *_, junk = judge_junk(attempt(2.0, let_in=False, asked=(OURS,), counted={reason: 3}), Mode.SERVER)
    assert junk.what.endswith("this service has not been asked: it has refused no such")
    assert "callout serve" not in junk.mend


def test_what_is_dropped_was_not_answered_at_once() -> None:
    """That refusal came from somewhere else."""
    counted: Counted = {"request_expired": 3}
    *_, junk = judge_junk(attempt(0.01, let_in=False, asked=(OURS,), counted=counted), Mode.SERVER, 0)
    assert junk.what.endswith("this service has not been asked: it has refused no such")


@pytest.mark.parametrize("reason", [Reason.REQUEST_UNREADABLE, Reason.REQUEST_SUBJECT, Reason.INTERNAL_ERROR])
def test_what_a_junk_token_may_be_refused_for_too_is_told(reason: Reason) -> None:
    """Other clients' refusals beside it are left out."""
    counted: Counted = {reason: 1, "token_expired": 3, "allowed": 5}
    *_, junk = judge_junk(attempt(2.0, let_in=False, asked=(OURS,), counted=counted), Mode.SERVER)
    assert f"this service refuses a token that is none, but says {reason}" == junk.what
    assert reason.remedy in junk.mend


@pytest.mark.parametrize("signed_rightly", [True, False])
def test_others_that_log_in_meanwhile_do_not_hide_a_refusal(signed_rightly: bool) -> None:
    """The service counts all clients together: that some got in says nothing of this one, if it has refused one."""
    counted: Counted = {"allowed": 5, "token_audience": 1, "serviceaccount_unknown": 2, "token_expired": 0}
    finding = judge_login(attempt(0.1, let_in=False, counted=counted), "APP", "", GOOD, signed_rightly=signed_rightly)
    said = "the client is refused, and the running service has refused some just now (token_audience, "
    assert finding.what.startswith(f"{said}serviceaccount_unknown) while other clients logged in")
    assert "NATS_ACCOUNT" not in finding.mend
    assert Reason.TOKEN_AUDIENCE.remedy in finding.mend


@pytest.mark.parametrize("signed_rightly", [True, False])
@pytest.mark.parametrize("counted", [{"allowed": 5}, {"allowed": 1}, {"token_audience": 1}, {"request_leafnode": 2}])
def test_silence_is_no_answer_whatever_others_were_told(counted: Counted, signed_rightly: bool) -> None:
    """Who waits for two seconds was answered by nobody; the service runs, so it is not to be started."""
    finding = judge_login(attempt(2.0, let_in=False, counted=counted), "APP", "", GOOD, signed_rightly=signed_rightly)
    assert finding.what.startswith("the client is refused after 2.0 s: nobody answered in time")
    assert "NATS_ACCOUNT" not in finding.mend
    assert "callout serve" not in finding.mend


def test_silence_where_nothing_is_heard_is_told_of_above() -> None:
    """A service that is in another account is not to be started."""
    finding = judge_login(attempt(2.0, let_in=False, asked=()), "APP", "", GOOD)
    assert "see answered above" == finding.mend


def test_what_is_dropped_is_why_nobody_answers() -> None:
    """Those are the reasons that the service gives no answer for, and they explain no refusal that came at once."""
    counted: Counted = {"request_unreadable": 1, "token_audience": 2}
    silent, answered = (
        judge_login(attempt(seconds, let_in=False, counted=counted), "APP", "", GOOD) for seconds in (2.0, 0.1)
    )
    assert silent.what.endswith("nobody answered in time, and the service has dropped some (request_unreadable)")
    assert Reason.REQUEST_UNREADABLE.remedy in silent.mend
    assert "request_unreadable" not in answered.what


@pytest.mark.parametrize("signed_rightly", [True, False])
def test_of_several_that_were_let_in_none_need_be_this_one(signed_rightly: bool) -> None:
    """Then somebody else may have refused this one, and no setting is called wrong."""
    tried = attempt(0.1, let_in=False, counted={"allowed": 5})
    finding = judge_login(tried, "APP", "", GOOD, signed_rightly=signed_rightly)
    assert finding.what.endswith("; or these were other clients'")
    assert "export" not in finding.mend


def test_a_request_that_is_refused_is_no_matter_of_the_token() -> None:
    """A restart would change nothing: that replica has other keys or settings than these."""
    finding = judge_login(attempt(0.01, let_in=False, counted={"request_subject": 1}), "APP", "", GOOD)
    assert "refuses what the server asks (request_subject), whatever the token: it is set up otherwise" in finding.what
    assert finding.mend.startswith("callout config  # ")
    assert Reason.REQUEST_SUBJECT.remedy in finding.mend


def test_of_several_that_were_refused_none_need_be_this_one() -> None:
    """So the service is not to be restarted for it: its log says whose they were."""
    finding = judge_login(attempt(0.01, let_in=False, counted={"token_expired": 3}), "APP", "", GOOD)
    assert finding.what.startswith("the running service refuses the token (token_expired)")
    assert finding.what.endswith("; or these were other clients'")
    assert finding.mend.startswith("kubectl logs --namespace <its namespace> --selector ")
    assert "LOG_LEVEL" in finding.mend
    assert Reason.TOKEN_EXPIRED.remedy in finding.mend


def test_a_login_that_was_overheard_is_found_in_the_log_by_its_id() -> None:
    """The service's line of a denial has the id; without one all denials are shown."""
    heard = Attempt(let_in=False, seconds=0.01, asked=(OURS, FOREIGN), counted={"token_expired": 3})
    unheard = attempt(0.01, let_in=False, counted={"token_expired": 3})
    for tried, words in ((heard, "| grep UABC  #"), (unheard, "| grep 'login denied'  #")):
        assert words in judge_login(tried, "APP", "", GOOD).mend


def test_a_name_becomes_no_part_of_a_command() -> None:
    """An account's name is whatever the server's administrator wrote."""
    elsewhere = judge_login(attempt(0.1, let_in=True), "APP", "OTHER; id", GOOD).mend
    assert "NATS_ACCOUNT=OTHER; id" in shlex.split(elsewhere, comments=True)
    listeners = judge_listeners([Listener("", "N", 1)], "AUTH; id").mend
    assert "AUTH; id" in shlex.split(listeners, comments=True)


def test_not_all_who_listen_are_named() -> None:
    """How many there are is said."""
    finding = judge_listeners([Listener("", "N", number) for number in range(50)], "AUTH")
    assert finding.what.startswith("50 more hear requests")
    assert MAX_NAMED == len(finding.details)


def test_metrics_that_were_named_and_cannot_be_read_are_told_of() -> None:
    """They count as not known, and not as not given: the address is what has to be mended."""
    tried = Attempt(let_in=False, seconds=0.01, asked=(OURS,), uncounted="http://pod:8080/ is no page of metrics")
    *_, junk = judge_junk(tried, Mode.SERVER)
    assert Severity.UNKNOWN == junk.severity
    assert "--metrics-url http://pod:8080/ is no page of metrics" in junk.what


def test_the_log_of_every_server_is_looked_through() -> None:
    """Of the client's own, whichever that was; by itself kubectl reads one pod of a set, and ten lines of each."""
    mend = judge_login(attempt(0.1, let_in=False), "APP", "", GOOD).mend
    command = shlex.split(mend.partition("in Kubernetes: ")[2].partition(" | ")[0])
    assert ["kubectl", "logs"] == command[:2]
    options = {"--selector", "app.kubernetes.io/name=nats,app.kubernetes.io/component=nats", "--tail=-1", "--prefix"}
    assert options < set(command)


def test_an_answer_that_is_signed_rightly_and_refused_names_the_account() -> None:
    """The server knows no account of that name; what else it could be was looked at."""
    finding = judge_login(attempt(0.1, let_in=False, counted={"allowed": 1}), "APPP", "", GOOD, signed_rightly=True)
    assert finding.what.endswith("the server refuses the answer: most likely it has no account APPP")
    assert finding.mend.startswith("export NATS_ACCOUNT=<name of an account in nats.conf>")
