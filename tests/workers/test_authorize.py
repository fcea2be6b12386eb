"""The decision, from a server's request to an answer that the oracle opens: every reason, every mode, any bytes."""

import base64
import json
import math
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.minting import (
    ABSENT,
    Answer,
    AuthorizationRequest,
    CurveKey,
    Issuer,
    NatsKey,
    PretendServer,
    decode_nats_jwt,
    open_answer,
)
from workers.authorize import (
    MAX_REQUEST_SIZE,
    MAX_SERVERS,
    Allow,
    Authorizer,
    Denied,
    Dropped,
    Outcome,
    Session,
)
from workers.keyset import parse_keyset
from workers.nkeys import decode_seed
from workers.reasons import Reason
from workers.record import Record
from workers.sa_token import LEEWAY_S, TokenRules, TokenVerifier
from workers.user_jwt import Mode, ResponsePermission, Signer, render_permissions
from workers.xkeys import SealingKey

NOW = 1_800_000_000
TTL = 3600
XKEY_HEADER = "Nats-Server-Xkey"
ISSUER_URL, AUDIENCE = "https://k", "nats"
RULES = TokenRules(frozenset({ISSUER_URL}), frozenset({AUDIENCE}))
SESSION = Session(ttl=TTL, jitter=0, named=False)
PERMISSIONS = render_permissions(["shop.>"], [], ResponsePermission(1, 0))

ISSUER = Issuer.generate("EdDSA", "key-1")
OTHER_ISSUER = Issuer.generate("EdDSA", "key-2")
CALLOUT, CALLOUT_SIGNING = NatsKey.generate("account"), NatsKey.generate("account")
TARGET, TARGET_SIGNING = NatsKey.generate("account"), NatsKey.generate("account")
CURVE, STRANGER = CurveKey.generate(), CurveKey.generate()
SERVER = PretendServer(NatsKey.generate("server"), CurveKey.generate())
OTHER_SERVER = NatsKey.generate("server")


class Setup(msgspec.Struct, frozen=True):
    """How a server and its accounts are set up, and what an answer has to look like because of that."""

    mode: Mode
    envelope: NatsKey
    user: NatsKey
    account: str
    envelope_account: str | None = None
    user_account: str | None = None


SERVER_MODE = Setup(Mode.SERVER, CALLOUT, CALLOUT, "APP")
SETUPS = {
    "server": SERVER_MODE,
    "operator": Setup(Mode.OPERATOR, CALLOUT, TARGET, TARGET.public),
    "operator, signing key": Setup(Mode.OPERATOR, CALLOUT, TARGET_SIGNING, TARGET.public, user_account=TARGET.public),
    "operator, signing key for the envelope": Setup(
        Mode.OPERATOR, CALLOUT_SIGNING, TARGET, TARGET.public, envelope_account=CALLOUT.public
    ),
}


def token(
    issuer: Issuer = ISSUER, *, uid: str = "uid-1", ttl: float = TTL, name: str = "checkout", **changes: Any
) -> str:
    """A good token, but for what is named."""
    return issuer.token("shop", name, uid, audience=AUDIENCE, issuer=ISSUER_URL, now=NOW, ttl=ttl, **changes)


class Callout:
    """An authorizer with its token check and a snapshot that the test may change."""

    def __init__(self, setup: Setup = SERVER_MODE, *, sealed: bool = False, session: Session = SESSION) -> None:
        self.setup = setup
        self.curve = CURVE if sealed else None
        self.tokens = TokenVerifier()
        self.trust(ISSUER)
        self.records = {("shop", "checkout"): Record("uid-1", setup.account, PERMISSIONS)}
        signer = Signer(setup.mode, decode_seed(setup.envelope.seed), decode_seed(setup.user.seed), CALLOUT.public)
        sealing_key = SealingKey(decode_seed(CURVE.seed)) if sealed else None
        self.authorizer = Authorizer(signer, self.tokens, session, sealing_key)

    def trust(self, issuer: Issuer) -> None:
        """Put another key set in force."""
        self.tokens.trust(parse_keyset(json.dumps(issuer.jwks()).encode()), RULES)

    def look_up(self, namespace: str, name: str) -> Record | None:
        """Be the snapshot."""
        return self.records.get((namespace, name))

    def request(self, text: str | None = None, **changes: Any) -> AuthorizationRequest:
        """A request as the server makes it, with a good token unless another is given, but for what is named."""
        curve = self.curve.public if self.curve else None
        arguments: dict[str, Any] = {
            "subject": CALLOUT.public,
            "now": NOW,
            "token": text or token(),
            "callout_curve": curve,
        }
        return SERVER.request(**(arguments | changes))

    def decide(self, request: AuthorizationRequest, now: float = NOW, draw: float = 0.5) -> Outcome:
        """Decide as the worker does."""
        header = (request.headers or {}).get(XKEY_HEADER, "")
        return self.authorizer.decide(request.payload, header, self, now, draw)

    def ask(self, text: str | None = None, now: float = NOW, draw: float = 0.5, **changes: Any) -> Outcome:
        """Make a request and decide on it."""
        return self.decide(self.request(text, **changes), now, draw)

    def open(self, outcome: Outcome, request: AuthorizationRequest) -> Answer:
        """Read the answer as the strictest server would."""
        assert isinstance(outcome, Allow | Denied)
        return open_answer(
            outcome.reply,
            request,
            server=SERVER,
            envelope_issuer=self.setup.envelope.public,
            callout_curve=self.curve.public if self.curve else None,
        )


def allowed(outcome: Outcome) -> Allow:
    """The outcome, which has to be a login."""
    assert isinstance(outcome, Allow)
    return outcome


def reason(outcome: Outcome) -> Reason | None:
    """Why there is no login, or None."""
    if isinstance(outcome, Denied):
        return outcome.refusal.reason
    return outcome.reason if isinstance(outcome, Dropped) else None


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
        "nats": {**json.loads(b"{" + PERMISSIONS + b"}"), "type": "user", "version": 2, **issuer_account},
    }
    assert expected == answer.user
    assert setup.envelope_account == answer.envelope["nats"].get("issuer_account")
    assert NOW == answer.envelope["iat"]
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
        outcome.reply,
        request,
        server=PretendServer(NatsKey(seed="", public=server), SERVER.curve),
        envelope_issuer=CALLOUT.public,
        callout_curve=CURVE.public,
    )
    assert f"{expected} id={outcome.request_id}" == answer.error
    assert request.user.startswith(outcome.request_id)
    assert sealed is answer.sealed


@pytest.mark.parametrize("setup", SETUPS.values(), ids=SETUPS)
def test_every_mode_signs_its_refusals(setup: Setup) -> None:
    """With the envelope's key: the servers' newest versions check it on errors too."""
    callout = Callout(setup)
    request = callout.request("not a token")
    answer = callout.open(callout.decide(request), request)
    assert answer.error is not None
    assert setup.envelope_account == answer.envelope["nats"].get("issuer_account")


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


# --- how long a session lasts ----------------------------------------------------------------------------------------

fractions = st.floats(0, 1, exclude_max=True)


@settings(max_examples=300, deadline=None)
@given(
    ttl=st.integers(1, 100_000),
    jitter=st.floats(0, 1),
    draw=fractions,
    token_ttl=st.integers(1 - LEEWAY_S, 100_000),
    part=st.floats(0, 0.999),  # more would be rounded up to the next second
)
def test_a_session_ends_with_the_token_or_the_ttl(
    ttl: int, jitter: float, draw: float, token_ttl: int, part: float
) -> None:
    """Never later, never in the past, and earlier by no more than the jitter's share of the time that remains."""
    callout = Callout(session=Session(ttl, jitter, named=False))
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
    callout = Callout(session=Session(3600, 0.2, named=False))
    assert NOW + expected == allowed(callout.ask(token(ttl=token_ttl), draw=draw)).expires_at


def test_the_expiry_in_the_answer_is_the_outcomes() -> None:
    """What is logged is what the server was told."""
    callout = Callout(session=Session(1000, 0.9, named=False))
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


TOKEN = token()


def remembered() -> Callout:
    """A callout that has let `TOKEN` in once."""
    callout = Callout()
    allowed(callout.ask(TOKEN))
    return callout


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


def test_a_remembered_token_does_not_excuse_a_bad_request() -> None:
    """Who asks is checked each time."""
    callout = remembered()
    for changes, expected in DENIED:
        if expected.startswith("request_"):
            assert expected is reason(callout.ask(TOKEN, **changes))


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

NASTY = ('"', "\\", '","admin":true,"x":"', "\u2028", "\x00", "é", "😀", "}}", "a:b", ">", "\u202e")


@pytest.mark.parametrize("name", NASTY)
def test_a_named_session_has_the_serviceaccounts_name(name: str) -> None:
    """Quoted as JSON has it, whatever the issuer has signed."""
    callout = Callout(session=Session(TTL, 0, named=True))
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
    assert allowed(plain).reply == allowed(callout.ask(TOKEN, **changes)).reply


# --- any bytes -------------------------------------------------------------------------------------------------------

CALLOUTS = {sealed: Callout(sealed=sealed) for sealed in (False, True)}
REASONS_OF_DROPS = {Reason.REQUEST_MALFORMED, Reason.REQUEST_UNREADABLE, Reason.REQUEST_EXPIRED}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)


def decide_on_bytes(payload: bytes, header: str = "") -> None:
    """Decide with a curve key and without: an outcome of the three, a reason of the closed set, a readable answer."""
    for sealed, callout in CALLOUTS.items():
        outcome = callout.authorizer.decide(payload, header, callout, NOW, 0.5)
        if isinstance(outcome, Dropped):
            assert outcome.reason in REASONS_OF_DROPS
            continue
        assert isinstance(outcome, Allow | Denied)
        reply = outcome.reply
        if sealed and payload.startswith(b"xkv1"):
            assert SERVER.curve is not None
            reply = SERVER.curve.open(reply, CURVE.public)
        answer = decode_nats_jwt(reply.decode())
        if isinstance(outcome, Denied):
            assert f"{outcome.refusal.reason} id={outcome.request_id}" == answer["nats"]["error"]
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
        json_values | st.just(ABSENT),
        max_size=2,
    ),
    claims=st.dictionaries(
        st.sampled_from(("iss", "aud", "sub", "exp", "nats")), json_values | st.just(ABSENT), max_size=1
    ),
    server_id=st.dictionaries(st.sampled_from(("id", "name", "xkey")), json_values | st.just(ABSENT), max_size=1),
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
