"""The requests that wait for their decision: which is next, and which are given up.

Rules kept here:
- What waits is bounded, in number and in bytes. Where there is no room the oldest goes: its server gives up soonest.
- What has waited too long is given up unread.
- First come, first served, as long as everybody is served soon enough so. When more has come than that, the newest is
  first: in turn, everybody would be served when it is nearly too late. The order is looked at once in a while and not
  for each: what waits may be thousands.
- No clock: the moment is an argument, and so is what a decision takes.
"""

from collections import deque
from itertools import pairwise
from typing import Final

import msgspec

from workers.frames import Message

PARTS: Final = 64  # of what waits; the more there are, the less is too much that could still be served in turn


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
        in_turn_s: for how long everybody may wait when who came first is first.
    """

    def __init__(self, max_requests: int, max_bytes: int, max_wait_s: float, in_turn_s: float) -> None:
        """Start with nothing."""
        self._requests: deque[Request] = deque()
        self._bytes = 0
        self._max_requests = max_requests
        self._max_bytes = max_bytes
        self._max_wait_s = max_wait_s
        self._in_turn_s = in_turn_s
        self._in_turn = True

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

    def choose_order(self, now: float, decision_s: float) -> None:
        """Choose the order from now on, when a decision takes so long.

        Of each part of what waits the first has waited longest, and the last is served when all before it are: nobody
        in it waits for longer than both together.
        """
        waiting = len(self._requests)
        if self._is_timely(0, waiting, now, decision_s):  # of all as one part, which is quicker
            self._in_turn = True
            return
        ends = [waiting * part // PARTS for part in range(PARTS + 1)]
        self._in_turn = all(self._is_timely(first, end, now, decision_s) for first, end in pairwise(ends))

    def take(self) -> Request:
        """Return who is next; there has to be somebody."""
        if self._in_turn:
            return self._take_oldest()
        request = self._requests.pop()
        self._bytes -= len(request.message.payload)
        return request

    def _take_oldest(self) -> Request:
        request = self._requests.popleft()
        self._bytes -= len(request.message.payload)
        return request

    def _is_timely(self, first: int, end: int, now: float, decision_s: float) -> bool:
        """Tell whether the part from `first` to `end`, which is none of it, is served soon enough in turn."""
        return first == end or now - self._requests[first].arrived_at + end * decision_s <= self._in_turn_s
