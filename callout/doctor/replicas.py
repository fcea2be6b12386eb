"""What the replicas' own pages of metrics tell: which of them is set up otherwise than nats-server is.

Rules kept here:
- Pure: pages were read before and after the logins that were tried, and are handed in.
- A counter has no date. What rose within this run happened just now; what stood there before may be long past, and was
  perhaps mended since: that is worth knowing, and no more.
- No client can have a request refused for its form or for whom it is addressed to: nats-server writes that. Whoever is
  in the callout's account, or exports to it, can. So a replica is wrong only if it has refused what the server asked
  about a login of ours: one that ended otherwise than it should have, and while which just this was counted.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

import msgspec

from callout.doctor.attempts import Attempt, Counted, find_rise
from callout.doctor.findings import Check, Finding, notice, ok, unknown, wrong
from workers.metrics import ALLOWED
from workers.reasons import Reason

OF_SET_UP: Final = (
    Reason.REQUEST_SUBJECT,  # another signing key, in server mode; another callout account, in operator mode
    Reason.REQUEST_UNREADABLE,  # another curve key, or none
    Reason.REQUEST_NOT_SEALED,  # a curve key that the server knows nothing of
    Reason.REQUEST_VERSION,  # another nats-server than any that is known
)
"""What a replica refuses a true request for if it is set up otherwise than the server."""
OF_FORGERS: Final = (
    Reason.REQUEST_MALFORMED,
    Reason.REQUEST_XKEY,
    Reason.REQUEST_SIGNATURE,
    Reason.REQUEST_ISSUER,
    Reason.REQUEST_AUDIENCE,
)
"""What no request of a nats-server is refused for, however the replica is set up."""
_COMPARE: Final = "callout config  # where that replica runs, and compare it with the others'"


class _Refused(msgspec.Struct, frozen=True):
    """How often a replica has refused requests for a reason; `is_ours` if one of them was about a login of ours."""

    url: str
    reason: Reason
    now: float
    earlier: float
    is_ours: bool


class Page(msgspec.Struct, frozen=True):
    """A replica's page at one moment.

    Attributes:
        counted: requests that it has decided, by reason; `workers.metrics.ALLOWED` stands for those let in.
        workers: how many of its workers are subscribed; None if the page does not tell.
    """

    counted: Counted
    workers: int | None = None


Pages = Mapping[str, Page]
"""Pages by their address."""


def count_workers(pages: Pages) -> int | None:
    """Return how many workers all these replicas have; None if one of the pages does not tell."""
    numbers = [page.workers for page in pages.values()]
    return None if None in numbers else sum(number for number in numbers if number is not None)


def find_rises(before: Pages, after: Pages) -> dict[str, Counted]:
    """Return by how much each page's counters rose."""
    return {url: find_rise(before[url].counted if url in before else {}, page.counted) for url, page in after.items()}


def add_up(rises: Mapping[str, Counted]) -> Counted:
    """Return by how much the counters of all pages rose together."""
    total: defaultdict[str, float] = defaultdict(float)
    for counted in rises.values():
        for reason, number in counted.items():
            total[reason] += number
    return dict(total)


def is_astray(attempt: Attempt, expected: str) -> bool:
    """Tell whether the server asked about a login of ours, and nobody counted the outcome that it should have had."""
    if attempt.let_in or not attempt.asked or attempt.counted is None:
        return False
    return expected == ALLOWED or not attempt.counted.get(expected)


def judge_replicas(before: Pages, after: Pages, astray: Sequence[Attempt]) -> Finding:
    """Judge what replicas have refused.

    Args:
        before: their pages as this run began.
        after: the same pages as it ended.
        astray: logins of ours that ended otherwise than they should have.
    """
    check = Check.REPLICAS
    refused = list(_list_refused(before, after, astray))
    if ours := [one for one in refused if one.is_ours]:
        number = len({one.url for one in ours})
        what = (
            f"{number} of {len(after)} replicas refuse{'s' if number == 1 else ''} what nats-server asks about clients"
        )
        return wrong(check, what, f"{_COMPARE}; {ours[0].reason.remedy}", *map(_describe, ours))
    if refused:
        what = "requests were refused that were none about our logins: by a set-up that was wrong, or of a stranger"
        return notice(check, what, f"{_COMPARE}; {refused[0].reason.remedy}", *map(_describe, refused))
    return ok(check, f"{len(after)} replica{'s have' if len(after) > 1 else ' has'} refused no true request")


def miss_replicas(problem: str) -> Finding:
    """Say that there are no pages to look at, or why they cannot be read."""
    what = "what each replica has refused is not known" + (f": --metrics-url {problem}" if problem else "")
    return unknown(Check.REPLICAS, what, "--metrics-url http://<pod>:8080/metrics, once for each replica")


def _list_refused(before: Pages, after: Pages, astray: Sequence[Attempt]) -> Iterator[_Refused]:
    rises = find_rises(before, after)
    for reason in (*OF_SET_UP, *OF_FORGERS):
        for url, page in after.items():
            now, total = rises[url].get(reason, 0), page.counted.get(reason, 0)
            is_ours = reason in OF_SET_UP and any(one.pages.get(url, {}).get(reason) for one in astray)
            if total:
                yield _Refused(url, reason, now, total - now, is_ours)


def _describe(one: _Refused) -> str:
    numbers = ((one.now, "just now"), (one.earlier, "before, since it was started"))
    counted = " and ".join(f"{number:g} {when}" for number, when in numbers if number)
    return f"{one.url}: {one.reason}, {counted}. {one.reason.meaning}"
