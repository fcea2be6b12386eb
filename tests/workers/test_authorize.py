"""The decision, from a server's request to an answer that the oracle opens: who is let in, as what, and until when."""

import json
import math
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.minting import (
    ABSENT,
    NatsKey,
    PretendServer,
)
from tests.nats_minting import NO_LIMITS
from tests.workers.deciding import (
    CALLOUT,
    NASTY,
    NOW,
    OTHER_ISSUER,
    PERMISSIONS,
    SETUPS,
    TOKEN,
    TTL,
    Callout,
    Setup,
    allowed,
    reason,
    remembered,
    token,
)
from workers.authorize import MAX_SERVERS, Allow, LoginTerms
from workers.reasons import Reason
from workers.record import Record
from workers.sa_token import (
    LEEWAY_S,
)
from workers.user_jwt import Mode, ResponsePermission, render_permissions

# --- let in ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sealed", [False, True], ids=["plain", "sealed"])
@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_a_good_request_lets_the_client_in(setup: Setup, sealed: bool) -> None:
    """The whole answer, in every mode of the server, opened and verified by the oracle."""
    callout = Callout(setup, sealed=sealed)
    request = callout.request()
    outcome = allowed(callout.decide(request))
    answer = callout.open(outcome, request)
    placement = {"aud": setup.account} if setup.mode is Mode.SERVER else {}
    issuer_account = {"issuer_account": setup.user_account} if setup.user_account else {}
    expected = {
        "jti": outcome.request_id,
        "iat": NOW,
        "iss": setup.user.public,
        "sub": request.user,
        "exp": NOW + TTL,
        **placement,
        "nats": {
            **json.loads(b"{" + PERMISSIONS + b"}"),
            **NO_LIMITS,
            "allowed_connection_types": ["STANDARD", "WEBSOCKET", "MQTT", "MQTT_WS", "IN_PROCESS"],
            "type": "user",
            "version": 2,
            **issuer_account,
        },
    }
    assert expected == answer.user
    assert setup.response_account == answer.response["nats"].get("issuer_account")
    assert NOW == answer.response["iat"]
    assert sealed is answer.sealed
    assert ("shop", "checkout", "uid-1") == (outcome.identity.namespace, outcome.identity.name, outcome.identity.uid)
    assert NOW + TTL == outcome.expires_at
    assert request.user == outcome.request.nats.user_nkey


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"auth_token": token()}, None),
        ({"pass": token()}, None),
        ({"pass": token(), "user": "anyone"}, None),
        ({"auth_token": "", "pass": token()}, None),
        ({"auth_token": token(), "pass": "nonsense"}, None),
        ({"auth_token": token(), "jwt": token(OTHER_ISSUER)}, None),
        ({"auth_token": "nonsense", "pass": token()}, Reason.TOKEN_MALFORMED),
        ({"auth_token": token(OTHER_ISSUER), "pass": token()}, Reason.TOKEN_UNKNOWN_KEY),
        ({"jwt": token()}, Reason.TOKEN_MISSING),
        ({"jwt": token(), "pass": ""}, Reason.TOKEN_MISSING),
        ({"user": token()}, Reason.TOKEN_MISSING),
        ({"nkey": token(), "sig": token()}, Reason.TOKEN_MISSING),
        ({}, Reason.TOKEN_MISSING),
    ],
)
def test_the_token_is_looked_for_in_two_places(options: dict[str, str], expected: Reason | None) -> None:
    """First `auth_token`, then `pass`; never `jwt`, which in operator mode is the sentinel's, and nowhere else."""
    outcome = Callout().ask(connect_opts={"auth_token": ABSENT, **options})
    assert expected == reason(outcome)


def test_the_record_says_account_and_permissions() -> None:
    """As they are in the snapshot at this moment."""
    callout = Callout()
    other = render_permissions(["a", "b.*"], ["c.>"], ResponsePermission(5, 7))
    callout.records["shop", "checkout"] = Record("uid-1", "OTHER", other)
    request = callout.request()
    user = callout.open(callout.decide(request), request).user
    assert user is not None
    assert user["aud"] == "OTHER"
    assert json.loads(b"{" + other + b"}").items() <= user["nats"].items()


# --- how long a login lasts ----------------------------------------------------------------------------------------

fractions = st.floats(0, 1, exclude_max=True)


@settings(max_examples=300, deadline=None)
@given(
    ttl=st.integers(1, 100_000),
    jitter=st.floats(0, 1),
    draw=fractions,
    token_ttl=st.integers(1 - LEEWAY_S, 100_000),
    part=st.floats(0, 0.999),  # more would be rounded up to the next second
)
def test_a_login_ends_with_the_token_or_the_ttl(
    ttl: int, jitter: float, draw: float, token_ttl: int, part: float
) -> None:
    """Never later, never in the past, and earlier by no more than the jitter's share of the time that remains."""
    callout = Callout(terms=LoginTerms(ttl, jitter, named=False))
    now = NOW + part
    outcome = allowed(callout.ask(token(ttl=token_ttl), now, draw))
    assert type(outcome.expires_at) is int
    end = outcome.identity.expires_at
    soonest = math.ceil(now) + 1  # what the server certainly takes, be it a moment past the very end of the leeway
    assert soonest <= outcome.expires_at <= max(end + LEEWAY_S, soonest)
    if end >= now + 1:
        assert outcome.expires_at <= end
    latest = min(now + ttl, end if end >= now + 1 else end + LEEWAY_S)
    assert outcome.expires_at <= max(latest, soonest)
    assert outcome.expires_at >= math.floor(now + (latest - now) * (1 - jitter)) - 1


@pytest.mark.parametrize(
    ("token_ttl", "draw", "expected"),
    [
        (7200, 0, 3600),
        (7200, 0.5, 3240),
        (7200, 0.999999, 2880),
        (1800, 0, 1800),
        (1800, 0.5, 1620),
        (600, 0.999999, 480),
        (2, 0, 2),
        (1, 0, 1),
        (1, 0.999999, 1),
        (0, 0, 60),
        (-30, 0, 30),
        (-59, 0, 1),
    ],
)
def test_the_jitter_takes_up_to_its_share_of_the_remaining_time(token_ttl: float, draw: float, expected: int) -> None:
    """TTL an hour, jitter a fifth; a token in its leeway is honoured until that is over."""
    callout = Callout(terms=LoginTerms(3600, 0.2, named=False))
    assert NOW + expected == allowed(callout.ask(token(ttl=token_ttl), draw=draw)).expires_at


def test_the_expiry_in_the_answer_is_the_outcomes() -> None:
    """What is logged is what the server was told."""
    callout = Callout(terms=LoginTerms(1000, 0.9, named=False))
    request = callout.request()
    outcome = allowed(callout.decide(request, draw=0.3))
    user = callout.open(outcome, request).user
    assert user is not None
    assert outcome.expires_at == user["exp"]


# --- remembered tokens -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_a_remembered_token_is_answered_alike(setup: Setup) -> None:
    """The second login of a client differs in its own key only."""
    callout = Callout(setup)
    users = []
    for _ in range(2):
        request = callout.request(TOKEN)
        user = callout.open(callout.decide(request), request).user
        assert user is not None
        users.append({name: user[name] for name in user.keys() - {"sub", "jti"}})
    assert users[0] == users[1]


def test_a_remembered_token_expires_all_the_same() -> None:
    """At the same moment as if it had never been seen."""
    callout = remembered()
    for offset, expected in ((TTL + LEEWAY_S - 1, None), (TTL + LEEWAY_S, Reason.TOKEN_EXPIRED)):
        assert expected == reason(callout.ask(TOKEN, NOW + offset, exp=NOW + offset))


def test_a_remembered_token_is_forgotten_with_its_key() -> None:
    """A key that was withdrawn lets nobody in."""
    callout = remembered()
    callout.trust(OTHER_ISSUER)
    assert reason(callout.ask(TOKEN)) is Reason.TOKEN_UNKNOWN_KEY


def test_a_remembered_token_does_not_outlive_its_serviceaccount() -> None:
    """Deleted: unknown. Made again: another uid, and only a new token counts."""
    callout = remembered()
    del callout.records["shop", "checkout"]
    assert reason(callout.ask(TOKEN)) is Reason.SERVICEACCOUNT_UNKNOWN
    callout.records["shop", "checkout"] = Record("uid-2", "APP", PERMISSIONS)
    assert reason(callout.ask(TOKEN)) is Reason.SERVICEACCOUNT_RECREATED
    assert reason(callout.ask(token(uid="uid-2"))) is None


def test_a_remembered_token_gets_the_permissions_of_now() -> None:
    """Re-annotated since: what the annotations say now, and the account of now."""
    callout = remembered()
    callout.records["shop", "checkout"] = Record(
        "uid-1", "OTHER", render_permissions(["new.>"], [], ResponsePermission(1, 0))
    )
    request = callout.request(TOKEN)
    user = callout.open(callout.decide(request), request).user
    assert user is not None
    assert ("OTHER", {"allow": ["new.>"]}) == (user["aud"], user["nats"]["pub"])


def test_servers_keys_are_kept_in_bounded_number() -> None:
    """Made-up servers do not grow the memory, and the true one is served after them."""
    callout = Callout()
    text = token()
    for _ in range(MAX_SERVERS + 2):
        server = PretendServer(NatsKey.generate("server"))
        assert callout.decide(server.request(CALLOUT.public, now=NOW, token=text)).__class__ is Allow
        assert len(callout.authorizer._servers) <= MAX_SERVERS
    assert reason(callout.ask(text)) is None


# --- strings from outside --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NASTY)
def test_a_named_login_has_the_serviceaccounts_name(name: str) -> None:
    """Quoted as JSON has it, whatever the issuer has signed."""
    callout = Callout(terms=LoginTerms(TTL, 0, named=True))
    callout.records["shop", name] = Record("uid-1", "APP", PERMISSIONS)
    request = callout.request(token(name=name))
    user = callout.open(callout.decide(request), request).user
    assert user is not None
    assert f"shop:{name}" == user["name"]
    assert "admin" not in user


@settings(max_examples=100, deadline=None)
@given(st.text() | st.sampled_from(NASTY))
def test_nothing_that_a_client_chooses_comes_back(text: str) -> None:
    """Its user name, its host, its program's name: the answer is the same whatever they are."""
    callout = Callout()
    changes: dict[str, Any] = {
        "user": NatsKey.generate("user").public,
        "client_info": {"host": text, "user": text, "name": text, "tags": [text]},
        "connect_opts": {"user": text, "name": text, "lang": text, "jwt": text},
        "server_id": {"name": text, "host": text, "cluster": text},
    }
    plain = callout.decide(callout.request(TOKEN, user=changes["user"]))
    assert allowed(plain).answer == allowed(callout.ask(TOKEN, **changes)).answer
