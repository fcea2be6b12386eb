"""The requests that wait for their decision: which is next, and which are given up.

Rules kept here:
- What waits is bounded, in number and in bytes. Where there is no room the oldest goes: its server gives up soonest.
- What has waited too long is given up unread.
- First come, first served, as long as all that waits can be decided in time so. When more has come than that, the
  newest is first: in turn, everybody would be served when it is nearly too late.
- No clock: the moment is an argument, and so is what a decision takes.
"""

from collections import deque

import msgspec

from workers.frames import Message


class Request(msgspec.Struct, frozen=True, gc=False):
    """A message that waits, and when it arrived (monotonic seconds)."""

    message: Message
    arrived_at: float


class Backlog:
    """Keeps what waits, in the order of arrival.

    Args:
        max_requests: how many may wait.
        max_bytes: how much payload may wait.
        max_wait_s: for how long one may wait.
    """

    def __init__(self, max_requests: int, max_bytes: int, max_wait_s: float) -> None:
        """Start with nothing."""
        self._requests: deque[Request] = deque()
        self._bytes = 0
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._max_wait_s = max_wait_s

    def __len__(self) -> int:
        """How many wait."""
        return len(self._requests)

    def add(self, message: Message, now: float) -> int:
        """Let a message wait; return how many were given up to make room."""
        self._requests.append(Request(message, now))
        self._bytes += len(message.payload)
        given_up = 0
        while len(self._requests) > self._max_requests or self._bytes > self._max_bytes:
            self._take_oldest()
            given_up += 1
        return given_up

    def expire(self, now: float) -> int:
        """Give up what has waited too long; return how many that were."""
        given_up = 0
        while self._requests and now - self._requests[0].arrived_at > self._max_wait_s:
            self._take_oldest()
            given_up += 1
        return given_up

    def take(self, now: float, decision_s: float) -> Request:
        """Return who is next, when a decision takes so long; there has to be somebody.

        In turn each of them has waited, when all are decided, no longer than the oldest has now and all of the work.
        """
        oldest_s = now - self._requests[0].arrived_at
        if oldest_s + len(self._requests) * decision_s <= self._max_wait_s:
            return self._take_oldest()
        request = self._requests.pop()
        self._bytes -= len(request.message.payload)
        return request

    def _take_oldest(self) -> Request:
        request = self._requests.popleft()
        self._bytes -= len(request.message.payload)
        return request
