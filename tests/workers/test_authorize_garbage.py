"""The decision on any bytes: an outcome of the three, a reason of the closed set, and never an exception."""

import base64
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import any_json
from tests.minting import (
    ABSENT,
    decode_nats_jwt,
)
from tests.workers.deciding import (
    CURVE,
    NOW,
    SERVER,
    TOKEN,
    XKEY_HEADER,
    Callout,
    reason,
)
from workers.authorize import MAX_REQUEST_SIZE, Allow, Denied, Dropped
from workers.reasons import Reason

CALLOUTS = {sealed: Callout(sealed=sealed) for sealed in (False, True)}
REASONS_OF_DROPS = {Reason.REQUEST_MALFORMED, Reason.REQUEST_UNREADABLE, Reason.REQUEST_EXPIRED}

JSON_VALUES = any_json.values(finite=True)


def decide_on_bytes(payload: bytes, header: str = "") -> None:
    """Decide with a curve key and without: an outcome of the three, a reason of the closed set, a readable answer."""
    for sealed, callout in CALLOUTS.items():
        outcome = callout.authorizer.decide(payload, header, callout, NOW, 0.5)
        if isinstance(outcome, Dropped):
            assert outcome.reason in REASONS_OF_DROPS
            continue
        assert isinstance(outcome, Allow | Denied)
        payload_of_answer = outcome.answer
        if sealed and payload.startswith(b"xkv1"):
            assert SERVER.curve is not None
            payload_of_answer = SERVER.curve.open(payload_of_answer, CURVE.public)
        response = decode_nats_jwt(payload_of_answer.decode())
        if isinstance(outcome, Denied):
            assert f"{outcome.refusal.reason} id={outcome.request_id}" == response["nats"]["error"]
            assert outcome.refusal.reason in set(Reason)


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=200) | st.text("eyJ.A-_", max_size=60).map(str.encode), st.text(max_size=60))
def test_arbitrary_bytes_are_dropped(payload: bytes, header: str) -> None:
    """Whatever somebody publishes to the subject."""
    for prefix in (b"", b"xkv1"):
        for callout in CALLOUTS.values():
            outcome = callout.authorizer.decide(prefix + payload, header, callout, NOW, 0.5)
            assert isinstance(outcome, Dropped)
            assert outcome.reason in REASONS_OF_DROPS


@settings(max_examples=300, deadline=None)
@given(
    sealed=st.booleans(),
    position=st.integers(min_value=0),
    replacement=st.binary(max_size=3) | st.sampled_from((b".", b"=", b"A")),
    width=st.integers(0, 3),
)
def test_a_damaged_request_lets_nobody_in(sealed: bool, position: int, replacement: bytes, width: int) -> None:
    """Bytes taken out, put in or changed: no login, unless they are bits of the signature that stand for nothing."""
    request = REQUESTS[sealed]
    position %= len(request.payload)
    damaged = request.payload[:position] + replacement + request.payload[position + width :]
    decide_on_bytes(damaged, (request.headers or {}).get(XKEY_HEADER, ""))
    outcome = CALLOUTS[sealed].decide(msgspec.structs.replace(request, payload=damaged))
    if isinstance(outcome, Allow):
        assert damaged.rpartition(b".")[0] == request.payload.rpartition(b".")[0] or damaged == request.payload


REQUESTS = {sealed: callout.request(TOKEN) for sealed, callout in CALLOUTS.items()}


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_every_cut_of_a_request_is_dropped_or_denied(sealed: bool) -> None:
    """A truncated request lets nobody in, wherever it was cut."""
    request = REQUESTS[sealed]
    for length in range(0, len(request.payload), 7):
        cut = msgspec.structs.replace(request, payload=request.payload[:length])
        assert isinstance(CALLOUTS[sealed].decide(cut), Dropped | Denied)


def sign(payload: bytes) -> bytes:
    """Any bytes as the payload of a request that the server has signed."""
    text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (b'{"alg":"ed25519-nkey"}', payload))
    return text + b"." + base64.urlsafe_b64encode(SERVER.key.sign(text)).rstrip(b"=")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"null",
        b"[]",
        b"{}",
        b'{"x":' + b"[" * 20_000 + b"]" * 20_000 + b"}",
        b'{"x":' * 8000,
        b'{"iss":"\xff"}',
        b'{"exp":1e999}',
        b'{"exp":' + b"9" * 40_000 + b"}",
        b'{"exp":NaN}',
        b"\0" * 40_000,
    ],
    ids=["empty", "null", "list", "object", "deep", "deep object", "bytes", "infinite", "huge number", "NaN", "zeros"],
)
@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
def test_a_payload_that_is_no_request_is_dropped(payload: bytes, sealed: bool) -> None:
    """Though a server's key has signed it, and sealed it."""
    assert SERVER.curve is not None
    message = sign(payload)
    if sealed:
        message = SERVER.curve.seal(message, CURVE.public)
    outcome = CALLOUTS[sealed].authorizer.decide(message, SERVER.curve.public, CALLOUTS[sealed], NOW, 0.5)
    assert Dropped(Reason.REQUEST_MALFORMED) == outcome


@pytest.mark.parametrize(("sealed", "overhead"), [(False, 0), (True, 44)], ids=["plain", "sealed"])
def test_a_request_has_a_largest_size(sealed: bool, overhead: int) -> None:
    """The largest that fits is served, the next one is not looked at; what sealing adds does not count."""
    callout = CALLOUTS[sealed]
    room = MAX_REQUEST_SIZE + overhead
    filler = (room - len(REQUESTS[sealed].payload)) * 3 // 4 - 100  # base64 makes four characters of three bytes
    fits = large = REQUESTS[sealed]
    while len(large.payload) <= room:
        fits = large
        filler += 1
        large = callout.request(TOKEN, filler="x" * filler)
    assert room - 3 < len(fits.payload)
    assert reason(callout.decide(fits)) is None
    assert reason(callout.decide(large)) is Reason.REQUEST_MALFORMED


def test_a_message_of_many_megabytes_is_dropped() -> None:
    """More than NATS carries."""
    for callout in CALLOUTS.values():
        for payload in (b"." * 20_000_000, b"xkv1" * 5_000_000, REQUESTS[False].payload * 10_000):
            assert isinstance(callout.authorizer.decide(payload, CURVE.public, callout, NOW, 0.5), Dropped)


@settings(max_examples=300, deadline=None)
@given(
    sealed=st.booleans(),
    parts=st.dictionaries(
        st.sampled_from(("server_id", "user_nkey", "client_info", "connect_opts", "type", "version")),
        JSON_VALUES | st.just(ABSENT),
        max_size=2,
    ),
    claims=st.dictionaries(
        st.sampled_from(("iss", "aud", "sub", "exp", "nats")), JSON_VALUES | st.just(ABSENT), max_size=1
    ),
    server_id=st.dictionaries(st.sampled_from(("id", "name", "xkey")), JSON_VALUES | st.just(ABSENT), max_size=1),
)
def test_a_request_with_members_of_any_type_is_answered_or_dropped(
    sealed: bool, parts: Mapping[str, Any], claims: dict[str, Any], server_id: Mapping[str, Any]
) -> None:
    """Truly signed nonsense: an outcome, never an exception."""
    callout = CALLOUTS[sealed]
    nats = claims.pop("nats", None)
    if nats is not None:
        parts = nats if isinstance(nats, dict) else {"nats": nats}
    request = callout.request(TOKEN, nats=parts, server_id=server_id, **claims)
    decide_on_bytes(request.payload, (request.headers or {}).get(XKEY_HEADER, ""))
