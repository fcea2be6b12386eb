"""What logins that were tried tell: is the callout asked, who answers, who gets in, how long does it take.

Which evidence there is (tried on nats-server 2.10 to 2.15):
- The requests themselves, overheard as the service's own user: that the server asks, in whose name, and how sealed.
- The time that a refusal takes: a denial comes at once, silence takes the server's two seconds.
- The service's own counters (`--metrics-url`): that this service decided, and what. Whoever else answers moves none;
  other clients do. So what cannot be about this login counts for nothing, and where more than one was counted it is
  said that they may be others'; the request's id, if that was overheard, finds this one in the service's log.
- Who is subscribed in the callout's account, by the system account (`--sys-creds`): a second responder that gives the
  same answers can be seen in no other way, since nobody but the server can hear answers.

Rules kept here:
- Pure: each attempt was made, and is handed in. What no evidence was at hand for is `unknown`.
"""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from callout.doctor.findings import Check, Finding, Severity, notice, ok, unknown, wrong
from callout.doctor.requests import Asked
from callout.doctor.system import MAX_NAMED, Listener
from callout.doctor.users import OWN_CREDS, RELOAD, RESTART
from workers.metrics import ALLOWED
from workers.reasons import DROP_REASONS, Reason
from workers.server import MAX_WAIT_S, QUEUE_GROUP
from workers.user_jwt import Mode

SLOW_S: Final = 0.5  # a third of the budget: a burst of logins would use up the rest
PATIENCE_S: Final = 2  # nats-server's first PING comes 2.0 to 2.4 s after CONNECT
_CAUSES: Final = "grep -iE 'auth callout|user jwt|authoriz|authentication error|readloop'"
_LOG: Final = (
    f"{_CAUSES} <log of nats-server>  # it says why; in Kubernetes: "
    "kubectl logs --namespace nats-system --selector app.kubernetes.io/name=nats,app.kubernetes.io/component=nats "
    f"--container nats --tail=-1 --prefix | {_CAUSES}"
)
_LATEST: Final = (
    "kubectl logs --namespace <its namespace> --selector app.kubernetes.io/name=nats-k8s-oidc-callout "
    "--tail=-1 --since=1m"
)
_OTHER_REPLICAS: Final = (
    "kubectl get pods --all-namespaces --selector app.kubernetes.io/name=nats-k8s-oidc-callout --output wide"
    "  # give --metrics-url http://<pod>:8080/metrics for each of them; outside of Kubernetes, for each callout serve"
)
_EACH_PAGE: Final = "--metrics-url http://<pod>:8080/metrics, once for each replica"
_START: Final = (
    "callout serve  # or: kubectl rollout restart deployment/nats-k8s-oidc-callout; its /readyz says what is missing"
)
_ELSEWHERE: Final = "compare NATS_URL with the clients' address"

# Of the reasons, those for which a login of ours can be denied, and those for which a token that is none can be refused
# instead of as TOKEN_MALFORMED: before anybody looks at it, that is. A leafnode is always somebody else.
_DENIALS: Final = frozenset(Reason) - DROP_REASONS - {Reason.REQUEST_LEAFNODE}
_BEFORE_TOKENS: Final = frozenset(one for one in Reason if one.startswith("request_")) - {Reason.REQUEST_LEAFNODE}
_OF_JUNK: Final = _BEFORE_TOKENS | {Reason.INTERNAL_ERROR}

Counted = Mapping[str, float]
"""By how much the service's counter of requests rose, by reason; `workers.metrics.ALLOWED` stands for those let in."""


def find_rise(before: Mapping[str, float], after: Mapping[str, float]) -> Counted:
    """Return by how much counters rose; what fell, with a replica that was started anew, tells of nothing."""
    return {reason: max(number - before.get(reason, 0), 0) for reason, number in after.items()}


class Attempt(msgspec.Struct, frozen=True):
    """A login that was tried.

    Attributes:
        let_in: how it ended.
        seconds: how long that took.
        asked: the requests that were overheard meanwhile; None if nobody could listen.
        counted: what the service counted meanwhile; None if its metrics are not at hand.
        uncounted: why they are not, though their address was given; otherwise empty.
        pages: what each of its pages counted meanwhile, by address.
    """

    let_in: bool
    seconds: float
    asked: tuple[Asked, ...] | None = None
    counted: Counted | None = None
    uncounted: str = ""
    pages: Mapping[str, Counted] = {}


def judge_bare(attempt: Attempt) -> Finding:
    """Judge a login with nothing at all."""
    if attempt.let_in:
        mend = f"sed -i '/no_auth_user/d' nats.conf  # also within websocket and mqtt; then {RESTART}"
        return wrong(Check.BYPASS, "a client without any credentials is let in: no_auth_user", mend)
    return ok(Check.BYPASS, "a client without any credentials is refused")


def is_asked_elsewhere(attempt: Attempt) -> bool:
    """Tell whether the server asks where the service's user does not hear it.

    One that decides by itself refuses a token that is none at once, and nobody counts that.
    """
    if attempt.let_in or attempt.asked != ():
        return False
    return attempt.seconds >= MAX_WAIT_S or bool((attempt.counted or {}).get(Reason.TOKEN_MALFORMED))


def judge_junk(attempt: Attempt, mode: Mode, unseen: int | None = None) -> Iterator[Finding]:
    """Judge a login with a token that is none: who was asked, who answered, and how it ended.

    Args:
        attempt: how it went.
        mode: that of the settings.
        unseen: how many workers are of no replica whose page was given; None if that is not known, and any may be.
    """
    silent = attempt.seconds >= MAX_WAIT_S
    unanswered = not attempt.let_in and silent
    elsewhere = _mend_elsewhere(mode) if is_asked_elsewhere(attempt) else ""
    if attempt.asked is None:
        yield unknown(Check.ANSWERED, "nobody could listen for requests", "a service user that can log in")
    elif elsewhere:
        how = f"the refusal took {attempt.seconds:.1f} s" if silent else "the service counts the refusal"
        what = f"the server asks ({how}), and the service's user hears nothing of it: it is in another account than"
        yield wrong(Check.ANSWERED, f"{what} auth_callout's, or may not subscribe, see service rights", elsewhere)
    elif not attempt.asked:
        what, mend = "the server decides without asking the callout", _mend_unasked(mode)
        if mode is Mode.SERVER and attempt.counted is None:  # a service that answers elsewhere would have counted it
            what += ", or the service's user is in another account than auth_callout's"
            mend += f"; if it is there: {_mend_elsewhere(mode)}"
        yield wrong(Check.ANSWERED, what, mend)
    elif unanswered:
        what = f"the server asks, and nobody answers: the refusal took {attempt.seconds:.1f} s"
        yield wrong(Check.ANSWERED, what, _START)
    else:
        yield ok(Check.ANSWERED, f"the server asks the callout, and has its answer after {_ms(attempt.seconds)}")
    yield _judge_junk_outcome(attempt, unseen, elsewhere or _START, unanswered=unanswered)


def _judge_junk_outcome(attempt: Attempt, unseen: int | None, start: str, *, unanswered: bool) -> Finding:
    check, counted = Check.JUNK_TOKEN, attempt.counted
    expected = counted.get(Reason.TOKEN_MALFORMED, 0) if counted is not None else 0
    if attempt.let_in:
        by = "somebody else who answers" if attempt.asked else "the server itself, without asking"
        mend = "nats server report connections  # find who else answers in the callout's account, and end it"
        return wrong(check, f"a token that is none is let in, by {by}", mend)
    if counted is None:
        what = f"a token that is none is refused{' by nobody answering' if unanswered else ''}; by whom is not known"
        what += f": --metrics-url {attempt.uncounted}" if attempt.uncounted else ""
        return unknown(check, what, _EACH_PAGE)
    refused = _find_reasons(counted, _OF_JUNK if unanswered else _OF_JUNK - DROP_REASONS)
    if not expected and refused:
        what = f"this service refuses a token that is none, but says {', '.join(refused)}"
        return wrong(check, what, f"callout config  # {refused[0].remedy}")
    if not expected and unseen:
        what = f"a token that is none is refused, perhaps by one of {unseen} workers whose replicas were not given"
        return unknown(check, what, _EACH_PAGE)
    if not expected and unseen is None and not unanswered:
        what = "a token that is none is refused, and by none of the replicas that were given: perhaps by another one"
        return unknown(check, what, f"{_EACH_PAGE}; --sys-creds FILE tells how many workers there are")
    if not expected:
        what = "a token that is none is refused, and this service has not been asked: it has refused no such"
        if any(counted.values()):
            return wrong(check, what, f"callout config  # {_ELSEWHERE}; give --metrics-url for each replica")
        return wrong(check, what, start if unanswered else f"{start}; and {_ELSEWHERE}")
    if expected > 1:
        return ok(check, f"a token that is none is refused by this service, which had {expected:g} such just now")
    return ok(check, "a token that is none is refused by this service: its metrics count just this one")


def _find_reasons(counted: Counted, among: frozenset[Reason]) -> list[Reason]:
    return [reason for reason in Reason if reason in among and counted.get(reason)]


def _find_denial(attempt: Attempt, remedy: str) -> str:
    """Say how the service's own line about a login is found; dropped requests have none."""
    ids = sorted({one.request_id for one in attempt.asked or () if one.request_id})
    pattern = " ".join(f"-e {one}" for one in ids) if len(ids) > 1 else "".join(ids) or "'login denied'"
    return f"{_LATEST} | grep {pattern}  # which shows none if LOG_LEVEL is above info; {remedy}"


def _mend_unasked(mode: Mode) -> str:
    if mode is Mode.OPERATOR:
        return "callout doctor --live --sentinel FILE  # or default_sentinel in nats.conf; see docs/protocol.md"
    return f"add auth_callout {{ issuer, account, auth_users }} to authorization in nats.conf, then {RESTART}"


def _mend_elsewhere(mode: Mode) -> str:
    if mode is Mode.OPERATOR:
        return OWN_CREDS
    return "put into NATS_URL a user of the account that auth_callout names in nats.conf, one of its auth_users"


def judge_issuer(asked: Sequence[Asked], mode: Mode, expected: str) -> Finding | None:
    """Judge whom requests are addressed to: in server mode the configured issuer. None if no request tells."""
    named = {one.issuer for one in asked if one.ours and one.issuer}
    if not named:
        return None
    if named == {expected}:
        return ok(Check.SIGNING_KEY, f"the server asks for answers by {expected}, and that is ours")
    other = ", ".join(sorted(named))
    if mode is Mode.OPERATOR:
        what = f"the server asks in the name of account {other}, and the service's user belongs to {expected}"
        return wrong(
            Check.SIGNING_KEY, what, "nsc generate creds --account <that account>  # into NATS_USER_CREDS_FILE"
        )
    what = f"the server takes answers from {other}, and NATS_SIGNING_KEY_FILE is {expected}"
    mend = f"export NATS_SIGNING_KEY_FILE=<file with the seed of {other}>"
    change = f"set issuer: {expected} in auth_callout in nats.conf, then {RESTART}"
    return wrong(Check.SIGNING_KEY, what, f"{mend}  # or, if the key was changed on purpose: {change}")


def judge_patience(asked: Sequence[Asked]) -> Finding | None:
    """Judge how long the server waits for an answer, which a request of ours tells by its end; None if none does."""
    lives = max((one.lives for one in asked if one.ours), default=0)
    if not lives:
        return None
    waits = f"the server waits for an answer for {lives} s"
    if lives <= PATIENCE_S:
        return ok(Check.PATIENCE, waits)
    mend = f"set authorization {{ timeout: 2 }} in nats.conf, then {RELOAD}  # with TLS it is 3 s where nothing is said"
    return notice(Check.PATIENCE, waits, mend)


def judge_sealing(asked: Sequence[Asked], mode: Mode, xkey: str) -> Finding | None:
    """Judge whether requests come as we expect them; `xkey` is the public key of NATS_XKEY_FILE. None if none came."""
    if not asked:
        return None
    check = Check.XKEY
    sealed, readable = any(one.sealed for one in asked), all(one.readable for one in asked)
    mend = f"set xkey: {xkey} in auth_callout in nats.conf, then {RESTART}"
    if mode is Mode.OPERATOR:
        mend = f"nsc edit authcallout --account <callout's account> --curve {xkey} && nsc push -A"
    if not sealed and not xkey:
        return ok(check, "requests are not sealed, and NATS_XKEY_FILE is not set")
    if not sealed:
        return wrong(check, f"NATS_XKEY_FILE is {xkey}, and requests are not sealed: the service refuses them", mend)
    needed = "export NATS_XKEY_FILE=<file with the seed of the server's auth_callout xkey>"
    if not xkey:
        return wrong(check, "requests are sealed, and NATS_XKEY_FILE is not set", needed)
    if not readable:
        what = f"requests are sealed for another key than NATS_XKEY_FILE, which is {xkey}"
        return wrong(check, what, f"{needed}  # or, if the key was changed on purpose: {mend}")
    return ok(check, f"requests are sealed for {xkey}, which is NATS_XKEY_FILE")


def judge_listeners(listeners: Sequence[Listener] | None, account: str, unseen: int | None = None) -> Finding:
    """Judge who hears requests.

    Args:
        listeners: all of them; None if the system account could not be asked.
        account: where they are.
        unseen: how many in the service's queue group are of no replica whose page was given; None if that is not known.
            The group's name is no secret, so they need not be the service's.
    """
    check = Check.RESPONDERS
    if listeners is None:
        return unknown(
            check, "who else hears requests is not known", "--sys-creds FILE of a user of the system account"
        )
    ours = count_ours(listeners)
    others = [one for one in listeners if one.queue_group != QUEUE_GROUP]
    if others:
        details = [
            f"connection {one.connection} ({one.name or 'without a name'}) on {one.server}, "
            f"{f'queue group {one.queue_group}' if one.queue_group else 'no queue group'}"
            for one in others[:MAX_NAMED]
        ]
        mend = f"nats server report connections --account {shlex.quote(account)}  # find these, and end them"
        return wrong(check, f"{len(others)} more hear requests outside of the service's queue group", mend, *details)
    if not ours:
        return wrong(check, "nobody hears requests: the service is not running, or in another account", _START)
    hear = f"{ours} hear{'' if ours > 1 else 's'} requests in the service's queue group, and nobody outside of it"
    if unseen is None:
        what = f"{hear}; that all of them are the service's workers tells --metrics-url of each replica alone"
        return notice(check, what, _OTHER_REPLICAS)
    if unseen:
        known = f"{unseen} of {ours} workers are of no replica that was given (--metrics-url)"
        return notice(
            check, f"{known}: what they refuse is not known, nor whether they are the service's", _OTHER_REPLICAS
        )
    return ok(check, f"{hear}: no more than the replicas that were given have workers")


def judge_elsewhere(account: str, mode: Mode) -> Finding:
    """Say that requests are made where the service's user, which is in this account, is not."""
    what = f"the service's user is in account {account} and hears no request there"
    why = "the server asks in another account, or the user may not subscribe, see service rights"
    return wrong(Check.RESPONDERS, f"{what}: {why}", _mend_elsewhere(mode))


def count_ours(listeners: Sequence[Listener]) -> int:
    """Count those in the service's own queue group."""
    return sum(one.queue_group == QUEUE_GROUP for one in listeners)


def judge_login(
    attempt: Attempt, account: str, found_in: str, token: Finding, *, signed_rightly: bool = False
) -> Finding:
    """Judge a login with the token that was given.

    Args:
        attempt: how it went.
        account: where clients should be: NATS_ACCOUNT.
        found_in: where the client is, as the system account says; empty if it was not asked.
        token: what was found about the token beforehand.
        signed_rightly: whether the server has asked for answers by our key, in server mode; then the account is left.
    """
    check = Check.LOGIN
    if attempt.let_in:
        if found_in and found_in != account:
            what = f"the client is let in, into account {found_in} instead of {account}"
            return wrong(check, what, f"export NATS_ACCOUNT={shlex.quote(found_in)}  # or find who else answers")
        where = f", into {account}" if found_in else "; into which account only --sys-creds tells"
        return ok(check, f"the client is let in{where}")
    if token.severity is Severity.WRONG:
        return wrong(check, "the client is refused, since its token is refused, see token above", token.mend)
    if attempt.seconds >= MAX_WAIT_S:
        return _judge_silence(attempt)
    counted = attempt.counted or {}
    refused = _find_reasons(counted, _DENIALS)
    reasons = ", ".join(refused)
    perhaps = "; or these were other clients'" if sum(counted.values()) > 1 else ""
    if refused and counted.get(ALLOWED):
        what = f"the client is refused, and the running service has refused some just now ({reasons}) while other"
        return wrong(check, f"{what} clients logged in", _find_denial(attempt, refused[0].remedy))
    if counted.get(ALLOWED) and signed_rightly and not perhaps:
        what = "the service lets the client in, and the server refuses the answer"
        mend = f"export NATS_ACCOUNT=<name of an account in nats.conf>  # if it is one already: {_LOG}"
        return wrong(check, f"{what}: most likely it has no account {account}", mend)
    if counted.get(ALLOWED):
        what = "the service lets the client in, and the server refuses the answer: signing key, account or its name"
        return wrong(check, f"{what}{perhaps}", _LOG)
    if refused and refused[0] in _BEFORE_TOKENS and not perhaps:
        what = (
            f"the running service refuses what the server asks ({reasons}), whatever the token: it is set up otherwise"
        )
        return wrong(check, what, f"callout config  # where it runs, and compare; {refused[0].remedy}")
    if refused:
        what = f"the running service refuses the token ({reasons}), with these settings it would be let in{perhaps}"
        mend = f"kubectl rollout restart deployment/nats-k8s-oidc-callout  # {refused[0].remedy}"
        return wrong(check, what, _find_denial(attempt, refused[0].remedy) if perhaps else mend)
    what = "the client is refused, though its token is good: the answer was refused, or somebody else gave it"
    return wrong(check, what, _LOG)


def _judge_silence(attempt: Attempt) -> Finding:
    what = f"the client is refused after {attempt.seconds:.1f} s: nobody answered in time"
    counted = attempt.counted or {}
    dropped = _find_reasons(counted, DROP_REASONS)
    if dropped:
        what += f", and the service has dropped some ({', '.join(dropped)})"
        return wrong(Check.LOGIN, what, f"callout config  # {dropped[0].remedy}")
    if any(counted.values()):
        refused = _find_reasons(counted, _DENIALS)
        what += ", while the service has decided on some" + (f" ({', '.join(refused)})" if refused else "")
        hint = f"{refused[0].remedy} " if refused else ""
        return wrong(Check.LOGIN, what, _find_denial(attempt, f"{hint}If it was not asked: {_ELSEWHERE}"))
    return wrong(Check.LOGIN, what, "see answered above" if is_asked_elsewhere(attempt) else _START)


def judge_round_trip(seconds: Sequence[float]) -> Finding:
    """Judge how long logins take that were answered; the slowest counts."""
    check = Check.ROUND_TRIP
    if not seconds:
        return unknown(check, "no login was answered, so none could be measured", "a login that is answered")
    slowest = max(seconds)
    what = f"the slowest of {len(seconds)} logins took {_ms(slowest)} of {MAX_WAIT_S:g} s"
    mend = "kubectl scale deployment/nats-k8s-oidc-callout --replicas=<more>  # or raise NATS_WORKERS"
    if slowest >= MAX_WAIT_S:
        return wrong(check, what, mend)
    return notice(check, what, mend) if slowest >= SLOW_S else ok(check, what)


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms"
