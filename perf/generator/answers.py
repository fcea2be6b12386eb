"""What came of requests, and what an answer says of a client. Pure.

Rules kept here:
- Times are told of those that were let in: a refusal is quick, and would look like speed. It has a time of its own.
- A request that no answer came to has no time; it is counted, never left out silently.
- What the generator was late with a request is no part of the time of its answer; the time with it stands beside.
- Whatever an answer's bytes are, it lets somebody in or nobody; a signature is the server's to check.
"""

from typing import Final

import msgspec

from workers.jose import decode_segment, split

IN_TIME_S: Final = 1.5  # of the server's two seconds: what comes later may be too late for the client


class Answers(msgspec.Struct, frozen=True):
    """What came of requests.

    Attributes:
        seconds: from sending a request to its answer, of those that were let in, in the order they were sent.
        refusals: the same of those that were answered and not let in.
        unanswered: how many were not answered.
        wall: seconds from the first request to the last answer.
        sent: when each request left, seconds after the beginning, ascending.
        behind: seconds that the generator itself was late with each request, of those that had a time of their own.
        cpu: seconds of it by group, until the last request had left and the last answer had come.
        from_due: as `seconds`, from when each request was due, of those that had a time of their own.
        held_s: seconds in which the server took no more requests.
        began: the beginning, by `time.perf_counter`.
    """

    seconds: list[float]
    refusals: list[float]
    unanswered: int
    wall: float
    sent: list[float] = []
    behind: list[float] = []
    cpu: dict[str, float] = {}
    from_due: list[float] = []
    held_s: float = 0.0
    began: float = 0.0

    @property
    def allowed(self) -> int:
        """How many answers let the client in."""
        return len(self.seconds)

    @property
    def answered(self) -> int:
        """How many answers there were."""
        return len(self.seconds) + len(self.refusals)


class _Answer(msgspec.Struct):
    jwt: str = ""


class _AnswerClaims(msgspec.Struct):
    nats: _Answer


def is_allowed(answer: bytes) -> bool:
    """Tell whether an answer holds a user JWT."""
    return bool(_find_user_jwt(answer))


def read_user_claims(answer: bytes) -> bytes:
    """Return the claims of the user JWT in an answer; empty if there are none."""
    user = split(_find_user_jwt(answer).encode())
    try:
        return decode_segment(user.payload) if user else b""
    except ValueError:
        return b""


def _find_user_jwt(answer: bytes) -> str:
    """Return the user JWT in an answer; empty if it lets nobody in."""
    compact = split(answer)
    if compact is None:
        return ""
    try:
        return msgspec.json.decode(decode_segment(compact.payload), type=_AnswerClaims).nats.jwt
    except (ValueError, RecursionError):
        return ""
