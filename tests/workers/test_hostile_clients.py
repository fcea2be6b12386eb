"""A client that means harm: tokens made to cost time or memory. Each is denied at once, and nothing is kept of it.

The request around it is a true server's, for that is how far a client gets; `test_authorize_garbage` has the others.
"""

import base64
import gc
import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import any_json
from tests.minting import Issuer, claims_of
from tests.workers.deciding import ISSUER, NOW, Callout, reason, token
from workers.authorize import Denied, Dropped
from workers.reasons import Reason
from workers.sa_token import MAX_HEADERS, MAX_TOKEN_LENGTH, Refusal

GOOD = token()
CLAIMS = claims_of(GOOD)
STRANGER = Issuer.generate("EdDSA", "key-1")
DISTINCT = 3000
"""Many more than headers are kept."""
KEPT_BYTES = 8 << 20
"""What the memories of a worker may hold of tokens that were refused: `MAX_HEADERS` of the largest."""


def join(header: str, payload: str, signature: str = "AAAA") -> str:
    """A token with this JSON in it, whatever that is."""
    parts = (base64.urlsafe_b64encode(part.encode("utf-8", "surrogatepass")).rstrip(b"=") for part in (header, payload))
    return b".".join((*parts, signature.encode())).decode()


def nest(opening: str, closing: str, depth: int) -> str:
    """JSON that lies so deep in itself."""
    return '{"x":' + opening * depth + "1" + closing * depth + "}"


HEADER = '{"alg":"EdDSA","kid":"key-1"}'
FORGED: dict[str, tuple[str, Reason]] = {
    "deep lists in the header": (join(nest("[", "]", 1200), "{}"), Reason.TOKEN_MALFORMED),
    "deep objects in the payload": (join(HEADER, nest('{"x":', "}", 450)), Reason.TOKEN_ISSUER),
    "open lists": (join(HEADER, "[" * 2900), Reason.TOKEN_MALFORMED),
    "an end of two thousand digits": (join(HEADER, '{"exp":' + "9" * 2000 + "}"), Reason.TOKEN_MALFORMED),
    "an end of a huge exponent": (join(HEADER, '{"exp":1e999999999}'), Reason.TOKEN_MALFORMED),
    "digits without end after the point": (join(HEADER, '{"exp":0.' + "1" * 2000 + "}"), Reason.TOKEN_ISSUER),
    "half a surrogate": (join(HEADER, '{"iss":"\\ud800"}'), Reason.TOKEN_MALFORMED),
    "half a surrogate in bytes": (join(HEADER, '{"iss":"\ud800"}'), Reason.TOKEN_MALFORMED),
    "a kid of 16 KiB": (join('{"alg":"EdDSA","kid":"' + "k" * (16 << 10) + '"}', "{}"), Reason.TOKEN_TOO_LONG),
    "the longest kid": (join('{"alg":"EdDSA","kid":"' + "k" * 2900 + '"}', "{}"), Reason.TOKEN_UNKNOWN_KEY),
    "a kid that is a path": (join('{"alg":"EdDSA","kid":"../key-1\\u0000"}', "{}"), Reason.TOKEN_UNKNOWN_KEY),
    "two algs": (join('{"alg":"none","kid":"key-1","alg":"EdDSA"}', json.dumps(CLAIMS)), Reason.TOKEN_SIGNATURE),
    "two kids": (join('{"alg":"EdDSA","kid":"key-1","kid":"key-9"}', json.dumps(CLAIMS)), Reason.TOKEN_UNKNOWN_KEY),
    "a thousand claims": (join(HEADER, json.dumps({f"{n:x}": n for n in range(250)})), Reason.TOKEN_ISSUER),
    "a signature of nothing but zeros": (GOOD.rpartition(".")[0] + "." + "A" * 86, Reason.TOKEN_SIGNATURE),
    "signed by another": (STRANGER.sign(CLAIMS), Reason.TOKEN_SIGNATURE),
}


@pytest.mark.parametrize(("text", "expected"), FORGED.values(), ids=FORGED)
def test_a_token_made_to_do_harm_is_denied(text: str, expected: Reason) -> None:
    """With an answer that names the reason, and the next client is served as ever."""
    callout = Callout()
    request = callout.request(text)
    outcome = callout.decide(request)
    assert isinstance(outcome, Denied)
    assert expected is outcome.refusal.reason
    assert f"{expected} id={outcome.request_id}" == callout.open(outcome, request).error
    assert reason(callout.ask(GOOD)) is None


def test_a_kid_of_64_kib_is_not_even_decoded() -> None:
    """The request around it is larger than any that is read."""
    huge = join('{"alg":"EdDSA","kid":"' + "k" * (64 << 10) + '"}', "{}")
    assert Dropped(Reason.REQUEST_MALFORMED) == Callout().ask(huge)


def test_thousands_of_distinct_tokens_leave_nothing_behind() -> None:
    """Each with a header, a kid and claims of its own, as long as a server lets through: memory stays bounded."""
    callout = Callout()
    filler = "x" * (MAX_TOKEN_LENGTH * 3 // 8 - 200)
    callout.ask(GOOD)
    gc.collect()
    tracemalloc.start()
    for number in range(DISTINCT):
        header = json.dumps({"alg": "EdDSA", "kid": f"{number}{filler}"})
        text = join(header, json.dumps(CLAIMS | {"jti": f"{number}{filler}"}))[:MAX_TOKEN_LENGTH]
        assert isinstance(callout.tokens.verify(text, NOW), Refusal)
    gc.collect()
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert len(callout.tokens._headers) <= MAX_HEADERS
    assert len(callout.tokens._remembered) == 1
    assert kept < KEPT_BYTES


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(("alg", "kid", "crit", "typ", "x")), any_json.values(finite=True)), max_size=4),
    st.lists(st.tuples(st.sampled_from([*CLAIMS, "x"]), any_json.values(finite=True)), max_size=4),
    st.booleans(),
)
def test_members_given_twice_let_nobody_in_who_was_not_signed_for(
    header: list[tuple[str, Any]], claims: list[tuple[str, Any]], signed: bool
) -> None:
    """Whichever of two equal members counts: a signature over something else opens nothing, whatever they say."""
    spelled = [_spell([*{"alg": "EdDSA", "kid": "key-1"}.items(), *header]), _spell([*CLAIMS.items(), *claims])]
    signature = GOOD.rpartition(".")[2] if signed else "A" * 86
    outcome = Callout().ask(join(spelled[0], spelled[1], signature))
    assert isinstance(outcome, Denied)


def _spell(members: list[tuple[str, Any]]) -> str:
    return "{" + ",".join(f"{json.dumps(name)}:{json.dumps(value)}" for name, value in members) + "}"


def test_the_issuer_of_the_bench_signs_what_is_good() -> None:
    """Lest everything above be refused for another reason."""
    assert reason(Callout().ask(ISSUER.sign(CLAIMS))) is None
