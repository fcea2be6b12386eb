"""What the demo shows: scenarios as a table of data, each saying what is expected of it.

Rules kept here:
- Pure; who carries them out is `callout.demo.clients`.
- What is expected stands in the very words that an outcome has, so that whatever else comes out is shown as it is.
- The ServiceAccounts are those of k8s/examples/serviceaccounts; what they may do follows from their annotations there.
"""

from enum import StrEnum
from typing import Final

import msgspec

from workers.reasons import Reason

ALLOWED: Final = "allowed"
DENIED: Final = "denied"
ONE_ANSWER: Final = "one answer; a second is denied"
NOT_IN: Final = "not logged in"
CHECKOUT: Final = "orders/checkout"
INVOICER: Final = "billing/invoicer"


class Flaw(StrEnum):
    """What is wrong with a token."""

    NONE = ""
    EXPIRED = "token expired an hour ago"
    AUDIENCE = "token for another audience"
    UNKNOWN = "no such ServiceAccount"
    RECREATED = "token of a deleted namesake"
    FORGED = "token signed by a forger"


class Verb(StrEnum):
    """What is done."""

    LOG_IN = "log in"
    PUBLISH = "publish"
    SUBSCRIBE = "subscribe"
    REQUEST = "request"


class Scenario(msgspec.Struct, frozen=True):
    """Something that a client does.

    Attributes:
        who: its ServiceAccount, `<namespace>/<name>`.
        verb: what it does.
        expected: what should come of it; `{account}` stands for the account that clients are in.
        subject: to what subject; empty for a login.
        partner: the ServiceAccount whose client is subscribed to that subject, to receive or to answer; may be empty.
        flaw: what is wrong with the token it logs in with.
    """

    who: str
    verb: Verb
    expected: str
    subject: str = ""
    partner: str = ""
    flaw: Flaw = Flaw.NONE

    @property
    def deed(self) -> str:
        """What is done, in words."""
        return f"{self.verb}: {self.flaw}" if self.flaw else f"{self.verb} {self.subject}".rstrip()


def _log_in(who: str) -> Scenario:
    return Scenario(who, Verb.LOG_IN, "in account {account}")


def _refused(who: str, flaw: Flaw, reason: Reason) -> Scenario:
    return Scenario(who, Verb.LOG_IN, f"refused: {reason}", flaw=flaw)


SCENARIOS: Final = (
    _log_in(CHECKOUT),
    _log_in(INVOICER),
    Scenario(CHECKOUT, Verb.PUBLISH, f"received by {INVOICER}", "orders.created", partner=INVOICER),
    Scenario(CHECKOUT, Verb.PUBLISH, DENIED, "billing.invoices"),
    Scenario(CHECKOUT, Verb.SUBSCRIBE, ALLOWED, "warehouse.stock.*.changed"),
    Scenario(INVOICER, Verb.SUBSCRIBE, DENIED, "orders.cancelled"),
    Scenario(CHECKOUT, Verb.SUBSCRIBE, ALLOWED, "_INBOX_orders_checkout.>"),
    Scenario(INVOICER, Verb.SUBSCRIBE, DENIED, "_INBOX_orders_checkout.>"),
    Scenario(CHECKOUT, Verb.REQUEST, ONE_ANSWER, "billing.requests.invoice", partner=INVOICER),
    _refused(CHECKOUT, Flaw.EXPIRED, Reason.TOKEN_EXPIRED),
    _refused(CHECKOUT, Flaw.AUDIENCE, Reason.TOKEN_AUDIENCE),
    _refused("orders/nobody", Flaw.UNKNOWN, Reason.SERVICEACCOUNT_UNKNOWN),
    _refused(CHECKOUT, Flaw.RECREATED, Reason.SERVICEACCOUNT_RECREATED),
    _refused(CHECKOUT, Flaw.FORGED, Reason.TOKEN_SIGNATURE),
)
"""What is shown, in this order."""


class Row(msgspec.Struct, frozen=True):
    """A line of the table; `expected` is what should have come of it, in the same words as `outcome`."""

    who: str
    deed: str
    outcome: str
    expected: str

    @property
    def ok(self) -> bool:
        """Whether it came as expected."""
        return self.outcome == self.expected
