"""Who is not let in: every reason, and whether it is answered; requests that are sealed, or should have been."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.minting import (
    ABSENT,
    AuthorizationRequest,
    NatsKey,
    PretendServer,
    open_answer,
)
from tests.workers.deciding import (
    CALLOUT,
    CURVE,
    ISSUER,
    NASTY,
    NOW,
    OTHER_ISSUER,
    OTHER_SERVER,
    SERVER,
    SETUPS,
    STRANGER,
    TARGET,
    TOKEN,
    XKEY_HEADER,
    Callout,
    Setup,
    reason,
    remembered,
    token,
)
from workers.authorize import Denied, Dropped
from workers.reasons import Reason
from workers.sa_token import (
    LEEWAY_S,
)

# --- denied and dropped ----------------------------------------------------------------------------------------------


def forged(**claims: Any) -> dict[str, Any]:
    """A request that another server signed in this one's name."""
    return {"signer": OTHER_SERVER, "iss": SERVER.key.public, **claims}


DENIED: list[tuple[dict[str, Any], Reason]] = [
    ({"signer": OTHER_SERVER}, Reason.REQUEST_ISSUER),
    ({"server_id": {"id": OTHER_SERVER.public}}, Reason.REQUEST_ISSUER),
    ({"iss": CALLOUT.public}, Reason.REQUEST_ISSUER),
    ({"iss": ""}, Reason.REQUEST_ISSUER),
    ({"aud": ABSENT}, Reason.REQUEST_AUDIENCE),
    ({"aud": ""}, Reason.REQUEST_AUDIENCE),
    ({"aud": "nats-authorization-response"}, Reason.REQUEST_AUDIENCE),
    ({"subject": TARGET.public}, Reason.REQUEST_SUBJECT),
    ({"subject": ""}, Reason.REQUEST_SUBJECT),
    ({"subject": CALLOUT.public.lower()}, Reason.REQUEST_SUBJECT),
    ({"sub": ABSENT}, Reason.REQUEST_SUBJECT),
    ({"nats": {"type": "authorization_response"}}, Reason.REQUEST_VERSION),
    ({"nats": {"type": ABSENT}}, Reason.REQUEST_VERSION),
    ({"nats": {"version": 1}}, Reason.REQUEST_VERSION),
    ({"nats": {"version": 3}}, Reason.REQUEST_VERSION),
    ({"nats": {"version": ABSENT}}, Reason.REQUEST_VERSION),
    ({"client_info": {"kind": "Leafnode"}}, Reason.REQUEST_LEAFNODE),
    ({"client_info": {"kind": "LeafNode"}}, Reason.REQUEST_VERSION),
    ({"client_info": {"kind": "JetStream"}}, Reason.REQUEST_VERSION),
    ({"client_info": {"kind": "Unknown Type"}}, Reason.REQUEST_VERSION),
    (forged(), Reason.REQUEST_SIGNATURE),
    (forged(server_id={"name": "other"}), Reason.REQUEST_SIGNATURE),
    # A server's key in form, but not in its checksum.
    ({"iss": "N" + "A" * 55, "server_id": {"id": "N" + "A" * 55}}, Reason.REQUEST_SIGNATURE),
    ({"connect_opts": {"auth_token": ABSENT}}, Reason.TOKEN_MISSING),
    ({"text": "not a token"}, Reason.TOKEN_MALFORMED),
    ({"text": "x" * 4097}, Reason.TOKEN_TOO_LONG),
    ({"text": ISSUER.legacy_token("shop", "checkout", "uid-1")}, Reason.TOKEN_LEGACY),
    ({"text": token(header={"alg": "HS256"})}, Reason.TOKEN_ALGORITHM),
    ({"text": token(OTHER_ISSUER)}, Reason.TOKEN_UNKNOWN_KEY),
    ({"text": token(iss="https://other")}, Reason.TOKEN_ISSUER),
    ({"text": token(aud=["other"])}, Reason.TOKEN_AUDIENCE),
    ({"text": token(exp=ABSENT)}, Reason.TOKEN_NO_EXPIRY),
    ({"text": token(ttl=-LEEWAY_S)}, Reason.TOKEN_EXPIRED),
    ({"text": token(nbf=NOW + LEEWAY_S + 1)}, Reason.TOKEN_NOT_YET_VALID),
    ({"text": token(sub="system:serviceaccount:shop:other")}, Reason.TOKEN_CLAIMS),
    ({"text": token(OTHER_ISSUER, header={"kid": "key-1"})}, Reason.TOKEN_SIGNATURE),
    ({"text": token(name="other")}, Reason.SERVICEACCOUNT_UNKNOWN),
    ({"text": token(uid="uid-0")}, Reason.SERVICEACCOUNT_RECREATED),
]


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize(("changes", "expected"), DENIED, ids=[f"{n}-{why}" for n, (_, why) in enumerate(DENIED)])
def test_a_refusal_is_a_signed_answer(changes: dict[str, Any], expected: Reason, sealed: bool) -> None:
    """Its text is the reason and the id that the outcome carries too, and nothing else: nothing of the token."""
    callout = Callout(sealed=sealed)
    request = callout.request(**changes)
    outcome = callout.decide(request)
    assert isinstance(outcome, Denied)
    assert expected is outcome.refusal.reason
    server = (changes.get("server_id") or {}).get("id", SERVER.key.public)
    answer = open_answer(
        outcome.answer,
        request,
        server=PretendServer(NatsKey(seed="", public=server), SERVER.curve),
        response_issuer=CALLOUT.public,
        callout_curve=CURVE.public,
    )
    assert f"{expected} id={outcome.request_id}" == answer.error
    assert request.user.startswith(outcome.request_id)
    assert sealed is answer.sealed


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_every_mode_signs_its_refusals(setup: Setup) -> None:
    """With the response's key: the servers' newest versions check it on errors too."""
    callout = Callout(setup)
    request = callout.request("not a token")
    answer = callout.open(callout.decide(request), request)
    assert answer.error is not None
    assert setup.response_account == answer.response["nats"].get("issuer_account")


@pytest.mark.parametrize(
    ("text", "namespace", "name"),
    [
        (token(OTHER_ISSUER), "shop", "checkout"),
        (token(uid="uid-0"), "shop", "checkout"),
        (token(name="other"), "shop", "other"),
        ("not a token", "", ""),
    ],
)
def test_a_refusal_says_whose_token_it_was(text: str, namespace: str, name: str) -> None:
    """For the log, as far as the token says it."""
    outcome = Callout().ask(text)
    assert isinstance(outcome, Denied)
    assert (namespace, name) == (outcome.refusal.namespace, outcome.refusal.name)


DROPPED: list[tuple[dict[str, Any], Reason]] = [
    ({"exp": ABSENT}, Reason.REQUEST_EXPIRED),
    ({"exp": 0}, Reason.REQUEST_EXPIRED),
    ({"exp": -(2**63)}, Reason.REQUEST_EXPIRED),
    ({"exp": NOW - 1}, Reason.REQUEST_EXPIRED),
    ({"exp": float(NOW)}, Reason.REQUEST_MALFORMED),
    ({"exp": str(NOW)}, Reason.REQUEST_MALFORMED),
    ({"exp": None}, Reason.REQUEST_MALFORMED),
    ({"exp": True}, Reason.REQUEST_MALFORMED),
    ({"iss": ABSENT}, Reason.REQUEST_MALFORMED),
    ({"iss": None}, Reason.REQUEST_MALFORMED),
    ({"nats": {"user_nkey": ABSENT}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"user_nkey": ""}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"user_nkey": CALLOUT.public}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"user_nkey": "U" * 55 + '"'}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"user_nkey": "U" * 55 + "é"}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"user_nkey": "U" * 57}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"user_nkey": "u" * 56}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"server_id": ABSENT}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"server_id": SERVER.key.public}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"client_info": None}}, Reason.REQUEST_MALFORMED),
    ({"nats": {"version": "2"}}, Reason.REQUEST_MALFORMED),
    ({"server_id": {"id": ABSENT}}, Reason.REQUEST_MALFORMED),
    ({"server_id": {"id": 'N","aud":"' + "N" * 47}}, Reason.REQUEST_MALFORMED),
    ({"server_id": {"id": CALLOUT.public}, "iss": CALLOUT.public}, Reason.REQUEST_MALFORMED),
    ({"connect_opts": {"auth_token": 7}}, Reason.REQUEST_MALFORMED),
]


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize(("changes", "expected"), DROPPED)
def test_who_cannot_be_answered_or_does_not_wait_is_dropped(
    changes: dict[str, Any], expected: Reason, sealed: bool
) -> None:
    """Silence is for what cannot be decoded and for what is too late."""
    assert Dropped(expected) == Callout(sealed=sealed).ask(**changes)


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(-2, None), (0, None), (0.999, None), (1, Reason.REQUEST_EXPIRED), (5, Reason.REQUEST_EXPIRED)],
)
def test_a_request_lives_until_the_second_after_its_exp(offset: float, expected: Reason | None) -> None:
    """The server cuts `exp` to whole seconds, so it may still wait for the rest of that one."""
    assert expected == reason(Callout().ask(now=NOW + offset, exp=NOW))


def test_a_late_request_is_dropped_whatever_else_is_wrong_with_it() -> None:
    """Nobody waits for that answer either."""
    callout = Callout()
    for changes, _ in DENIED:
        assert Dropped(Reason.REQUEST_EXPIRED) == callout.ask(**(changes | {"exp": NOW - 1}))


# --- sealed requests -------------------------------------------------------------------------------------------------


def test_a_sealed_request_without_a_key_of_ours_is_dropped() -> None:
    """Nothing of it can be read, not even whom to answer."""
    sealed = Callout(sealed=True).request()
    assert Dropped(Reason.REQUEST_UNREADABLE) == Callout().decide(sealed)


@pytest.mark.parametrize(
    "change",
    [
        lambda request: msgspec.structs.replace(request, headers=None),
        lambda request: msgspec.structs.replace(request, headers={XKEY_HEADER: ""}),
        lambda request: msgspec.structs.replace(request, headers={XKEY_HEADER: "X" * 56}),
        lambda request: msgspec.structs.replace(request, headers={XKEY_HEADER: STRANGER.public}),
        lambda request: msgspec.structs.replace(request, headers={XKEY_HEADER: CALLOUT.public}),
        lambda request: msgspec.structs.replace(request, payload=request.payload[:-1]),
        lambda request: msgspec.structs.replace(request, payload=request.payload[:20]),
        lambda request: msgspec.structs.replace(request, payload=b"xkv1"),
    ],
    ids=["no header", "empty", "no key", "another's key", "an account's key", "cut", "cut nonce", "magic alone"],
)
def test_a_request_that_cannot_be_opened_is_dropped(
    change: Callable[[AuthorizationRequest], AuthorizationRequest],
) -> None:
    """Wrong sender or damage: it makes no difference."""
    callout = Callout(sealed=True)
    assert Dropped(Reason.REQUEST_UNREADABLE) == callout.decide(change(callout.request()))


def test_a_request_in_the_clear_is_refused_where_a_key_is_set() -> None:
    """And answered in the clear: the server that asked like that could not open anything else."""
    callout = Callout(sealed=True)
    request = callout.request(callout_curve=None)
    outcome = callout.decide(request)
    answer = callout.open(outcome, request)
    assert reason(outcome) is Reason.REQUEST_NOT_SEALED
    assert not answer.sealed


@pytest.mark.parametrize("claimed", [STRANGER.public, ABSENT, "", "nonsense", "X" * 56, SERVER.key.public, "X\u00e9"])
def test_the_curve_key_is_the_same_in_header_and_request(claimed: object) -> None:
    """The answer goes to whoever sealed the request, never to a key that is only claimed."""
    callout = Callout(sealed=True)
    request = callout.request(server_id={"xkey": claimed})
    outcome = callout.decide(request)
    answer = callout.open(outcome, request)
    assert reason(outcome) is Reason.REQUEST_XKEY
    assert f"request_xkey id={request.user[:12]}" == answer.error
    assert answer.sealed


def test_a_plain_request_is_answered_in_the_clear_whatever_key_it_names() -> None:
    """Without a key of ours nothing can be sealed, and the header means nothing."""
    callout = Callout()
    request = callout.request(server_id={"xkey": STRANGER.public})
    assert not callout.open(callout.decide(request), request).sealed


def test_a_remembered_token_does_not_excuse_a_bad_request() -> None:
    """Who asks is checked each time."""
    callout = remembered()
    for changes, expected in DENIED:
        if expected.startswith("request_"):
            assert expected is reason(callout.ask(TOKEN, **changes))


def test_a_denied_request_of_the_oracle_is_well_formed_json() -> None:
    """The error text comes back as the reason and the id, whatever the client sent as its token."""
    callout = Callout()
    for text in NASTY:
        request = callout.request(text + '"')
        outcome = callout.decide(request)
        assert f"token_malformed id={request.user[:12]}" == callout.open(outcome, request).error


def test_the_tables_above_name_every_reason() -> None:
    """But those that the shell around the decision gives: overload and errors of our own."""
    found = {why for _, why in DENIED + DROPPED}
    found |= {Reason.REQUEST_UNREADABLE, Reason.REQUEST_NOT_SEALED, Reason.REQUEST_XKEY}
    assert set(Reason) - {Reason.REQUEST_OVERFLOW, Reason.INTERNAL_ERROR} == found
