"""An answer lets somebody in or nobody, whatever its bytes are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.generator.answers import Answers, is_allowed, read_user_claims
from workers.jose import encode_segment

CLAIMS = b'{"nats":{"pub":{"allow":["a.>"]}}}'


def answer_with(jwt: str) -> bytes:
    """An answer that holds this for a user JWT."""
    return b"e30." + encode_segment(b'{"nats":{"jwt":"%b"}}' % jwt.encode()) + b".AA"


def test_the_claims_are_those_of_the_user_jwt() -> None:
    """What the client may do stands in it, and not in the answer around it."""
    answer = answer_with(f"e30.{encode_segment(CLAIMS).decode()}.AA")
    assert (True, CLAIMS) == (is_allowed(answer), read_user_claims(answer))


@pytest.mark.parametrize("claims", [b"[" * 20_000, b"{}", b'{"nats":{"jwt":5}}', b"\xff"])
def test_an_answer_that_is_none_lets_nobody_in(claims: bytes) -> None:
    """Deep, empty, of other types or no text."""
    answer = b"e30." + encode_segment(claims) + b".AA"
    assert (False, b"") == (is_allowed(answer), read_user_claims(answer))


@pytest.mark.parametrize("answer", [b"", b"a.b.c", answer_with("a.b.c"), answer_with("e30.A.AA"), answer_with("none")])
def test_what_cannot_be_decoded_grants_nothing(answer: bytes) -> None:
    """Neither the answer nor the JWT in it: of base64 no length is 1 more than a multiple of 4."""
    assert b"" == read_user_claims(answer)


@given(st.binary() | st.binary().map(lambda claims: b"e30." + encode_segment(claims) + b".AA"))
def test_any_bytes_are_an_answer_or_none(answer: bytes) -> None:
    """Nothing is raised."""
    assert not is_allowed(answer)
    assert b"" == read_user_claims(answer)


def test_refusals_are_answers_too() -> None:
    """They are counted, and let nobody in."""
    answers = Answers([0.1, 0.2], [0.3], unanswered=1, wall=1.0)
    assert (2, 3) == (answers.allowed, answers.answered)
