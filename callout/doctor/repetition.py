"""Logging in again and again with a good token, until each who answers has been met, or one of them has refused.

nats-server draws one member of the queue group for each login. So one replica of several that is set up wrongly refuses
every now and then, and one login tells nothing of it.

Rules kept here:
- Pure: the logins were made, one after the other, up to the first that went wrong; they are handed in.
- How often is a matter of chance, and is bounded: each login is a client's, with lines in the service's log.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from callout.doctor.attempts import Attempt, judge_login
from callout.doctor.findings import Finding

MIN_LOGINS: Final = 3  # the first may be slower than the others, and the slowest counts
# For each responder. One that refuses, of n, is missed by 3n logins in (1 - 1/n)^3n of all runs: in one of 64 where two
# answer, and never in more than one of twenty.
LOGINS_EACH: Final = 3
MAX_LOGINS: Final = 20  # so with more than six responders one that refuses is missed more often than that
UNKNOWN_RESPONDERS: Final = 2  # as many as are assumed where nobody tells
_ALIKE: Final = "all need the same keys and settings: compare what callout config says where each replica runs"
_LOOKS: Final = ("grep", "kubectl logs", "callout config")
"""How commands begin that change nothing."""


class Entry(msgspec.Struct, frozen=True):
    """A login with a good token, and the account that the client was then in; empty if that was not asked."""

    attempt: Attempt
    found_in: str = ""

    def is_good(self, account: str) -> bool:
        """Tell whether it ended as it should have: NATS_ACCOUNT is where clients belong."""
        return self.attempt.let_in and self.found_in in ("", account)


def choose_logins(responders: int | None, at_least: int = 0) -> int:
    """Return how often to log in where so many answer; None if their number is not known, but for a least one."""
    number = max(UNKNOWN_RESPONDERS, at_least) if responders is None else responders
    return min(max(MIN_LOGINS, LOGINS_EACH * number), MAX_LOGINS)


def judge_logins(
    entries: Sequence[Entry], account: str, token: Finding, responders: int | None, *, signed_rightly: bool
) -> Finding:
    """Judge logins with the token that was given, of which all but the last went well.

    Args:
        entries: at least one.
        account: where clients should be: NATS_ACCOUNT.
        token: what was found about the token beforehand.
        responders: how many answer; None if that is not known.
        signed_rightly: whether the server has asked for answers by our key, in server mode.
    """
    *before, last = entries
    signed_rightly = signed_rightly and not before  # whoever let the others in knows the account
    finding = judge_login(last.attempt, account, last.found_in, token, signed_rightly=signed_rightly)
    if last.is_good(account):
        return msgspec.structs.replace(finding, what=f"{finding.what}{_count(len(entries), responders)}")
    details = (*finding.details, *_name_pages(last.attempt))
    if not before:
        return msgspec.structs.replace(finding, details=details)
    number = f"{len(before)} login{'s' if len(before) > 1 else ''} went well, and the next did not"
    what = f"{number}: {finding.what}. Not all who answer are set up alike"
    return msgspec.structs.replace(finding, what=what, mend=_mend(finding.mend), details=details)


def _mend(mend: str) -> str:
    """Say what to do where some logins went well: to look, and to change nothing that those stand on."""
    look = mend if mend.startswith(_LOOKS) else "callout config  # for each replica"
    return f"{look}; {_ALIKE}"


def _count(number: int, responders: int | None) -> str:
    times = f", {number} times of {number}"
    if responders is None:
        return f"{times}; how many answer is not known"
    if number >= LOGINS_EACH * responders:
        return times
    met = 1 - (1 - 1 / responders) ** number
    return f"{times}; each of the {responders} who answer was met with a probability of {met:.0%}"


def _name_pages(attempt: Attempt) -> list[str]:
    """Say which pages have counted what while a login went wrong."""
    counted = {url: [reason for reason, number in rises.items() if number] for url, rises in attempt.pages.items()}
    return [f"{url}: {', '.join(reasons)}" for url, reasons in counted.items() if reasons]
