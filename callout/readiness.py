"""What has to be there before logins can be decided, and what is missing of it.

Pure: `Readiness` is told what has come and gone, and answers whether that makes a difference; who logs, and who lets
the workers begin, stands elsewhere. So every rule below has a test that needs no process.

Rules kept here:
- Workers may begin when key set and ServiceAccounts are in, each once: what is in stays in force, however old.
- The service is ready while, besides, a worker is connected and subscribed, and nobody has told it to stop.
- A change is told once. At the start nothing is ready, and that is no news.
- What is missing comes with words for the operator: what it means, and what to look at.
"""

from collections.abc import Collection
from typing import Final

from workers.reasons import Explained
from workers.status import State

START_PATIENCE_S: Final = 15.0  # a start takes 1 to 5 s, with 100,000 ServiceAccounts too: then it hangs, and says why


class Need(Explained):
    """What logins cannot be decided without; the remedy is the operator's."""

    KEY_SET = (
        "key set",
        "No key set has been read, so no token could be verified.",
        "Look for 'key set' in the log, and at JWKS_PATH, JWKS_URL, or what the API server says.",
    )
    SERVICEACCOUNTS = (
        "ServiceAccounts",
        "No complete list of ServiceAccounts has been read, so everybody would be unknown.",
        "Look for 'ServiceAccount' in the log, and at SERVICEACCOUNTS_PATH, or our own rights to list and watch.",
    )
    WORKER = (
        "worker subscribed to NATS",
        "No worker is connected and subscribed, so nobody hears the requests.",
        "Look at the lines of the workers in the log, and at NATS_URL.",
    )
    RUNNING = (
        "a service that is not stopping",
        "The service was told to stop, and finishes what it has.",
        "Nothing: another one takes over, or a new one starts.",
    )


class Readiness:
    """What is there and what is missing."""

    def __init__(self) -> None:
        """Start with everything missing but that it runs."""
        self._met = {Need.RUNNING}

    @property
    def missing(self) -> tuple[Need, ...]:
        """What is missing now, in the order in which it is to be looked at."""
        return tuple(need for need in Need if need not in self._met)

    @property
    def ready(self) -> bool:
        """Whether logins can be decided now."""
        return not self.missing

    @property
    def may_begin(self) -> bool:
        """Whether workers may subscribe: what they decide by is there."""
        return {Need.KEY_SET, Need.SERVICEACCOUNTS} <= self._met

    def note(self, need: Need, *, is_met: bool) -> bool:
        """Take note of something that has come or gone; tell whether the service has become, or ceased to be, ready."""
        before = self.ready
        (self._met.add if is_met else self._met.discard)(need)
        return self.ready is not before

    def note_workers(self, states: Collection[State]) -> bool:
        """Take note of what the workers do; tell as `note` does."""
        return self.note(Need.WORKER, is_met=State.SERVING in states)


def describe(missing: Collection[Need]) -> dict[str, str]:
    """Put what is missing into the fields of a log line: names for a search, and what to look at for whoever reads."""
    return {
        "missing": ", ".join(need.value for need in missing),
        "remedy": " ".join(need.remedy for need in missing),
    }
