"""What the demo shows: scenarios as a table of data, each saying what is expected of it.

Rules kept here:
- Pure; who carries them out is `callout.demo_clients`.
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
_CHECKOUT: Final = "orders/checkout"
_INVOICER: Final = "billing/invoicer"


class Flaw(StrEnum):
    """What is wrong with a token."""

    NONE = ""
    EXPIRED = "token expired an hour ago"
    AUDIENCE = "token for another audience"
    UNKNOWN = "no such ServiceAccount"
    RECREATED = "token of a deleted namesake"
    FORGED = "token signed by a forger"


class LogIn(msgspec.Struct, frozen=True):
    """A client logs in, with a flawless token unless it is said otherwise, and is refused for the reason named."""

    who: str
    flaw: Flaw = Flaw.NONE
    reason: Reason | None = None

    @property
    def deed(self) -> str:
        """What is done, in words."""
        return f"log in: {self.flaw}" if self.flaw else "log in"


class Publish(msgspec.Struct, frozen=True):
    """A client publishes a message, which reaches `receiver`, who has subscribed; without one, it is denied."""

    who: str
    subject: str
    receiver: str = ""

    @property
    def deed(self) -> str:
        """What is done, in words."""
        return f"publish {self.subject}"


class Subscribe(msgspec.Struct, frozen=True):
    """A client subscribes."""

    who: str
    subject: str
    allowed: bool

    @property
    def deed(self) -> str:
        """What is done, in words."""
        return f"subscribe {self.subject}"


class Ask(msgspec.Struct, frozen=True):
    """A client sends a request, which `answerer` tries to answer twice."""

    who: str
    subject: str
    answerer: str

    @property
    def deed(self) -> str:
        """What is done, in words."""
        return f"request {self.subject}"


Scenario = LogIn | Publish | Subscribe | Ask

SCENARIOS: Final[tuple[Scenario, ...]] = (
    LogIn(_CHECKOUT),
    LogIn(_INVOICER),
    Publish(_CHECKOUT, "orders.created", receiver=_INVOICER),
    Publish(_CHECKOUT, "billing.invoices"),
    Subscribe(_CHECKOUT, "warehouse.stock.*.changed", allowed=True),
    Subscribe(_INVOICER, "orders.cancelled", allowed=False),
    Subscribe(_CHECKOUT, "_INBOX_orders_checkout.>", allowed=True),
    Subscribe(_INVOICER, "_INBOX_orders_checkout.>", allowed=False),
    Ask(_CHECKOUT, "billing.requests.invoice", answerer=_INVOICER),
    LogIn(_CHECKOUT, Flaw.EXPIRED, Reason.TOKEN_EXPIRED),
    LogIn(_CHECKOUT, Flaw.AUDIENCE, Reason.TOKEN_AUDIENCE),
    LogIn("orders/nobody", Flaw.UNKNOWN, Reason.SERVICEACCOUNT_UNKNOWN),
    LogIn(_CHECKOUT, Flaw.RECREATED, Reason.SERVICEACCOUNT_RECREATED),
    LogIn(_CHECKOUT, Flaw.FORGED, Reason.TOKEN_SIGNATURE),
)
"""What is shown, in this order; the ServiceAccounts are those of k8s/examples/serviceaccounts."""


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
