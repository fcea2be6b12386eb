"""The answer's two JWTs: they parse, they are signed by whom they should be, and they say just what was asked."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.minting import (
    AuthorizationRequest,
    NatsKey,
    PretendServer,
    decode_nats_jwt,
    make_answer,
    open_answer,
    open_request,
)
from tests.nats_minting import NO_LIMITS, encode_nats_jwt
from workers.nkeys import decode_seed
from workers.user_jwt import (
    Mode,
    ResponsePermission,
    Signer,
    issue_user,
    render_permissions,
    respond_allow,
    respond_deny,
)

NOW = 1_800_000_000
CALLOUT = NatsKey.generate("account")
SIGNING_KEY = NatsKey.generate("account")  # of the callout account, or of the target, as the test says
TARGET = NatsKey.generate("account")
USER = NatsKey.generate("user").public
SERVER = PretendServer(NatsKey.generate("server"))
ONE_ANSWER = ResponsePermission(1, 0)
PERMISSIONS = render_permissions(["shop.>"], ["shop.>"], ONE_ANSWER)

# Text that JSON has to escape, and text that it need not.
texts = st.text() | st.sampled_from(('"', "\\", '","admin":true,"x":"', "\u2028", "\x00", "é", "😀", "}}", ""))
subjects = st.lists(texts, max_size=4)


def signer(response: NatsKey = CALLOUT, user: NatsKey | None = None, mode: Mode = Mode.SERVER) -> Signer:
    """A signer for the account `CALLOUT`; in server mode one key signs both JWTs."""
    return Signer(mode, decode_seed(response.seed), decode_seed((user or response).seed), CALLOUT.public)


def issue(signer: Signer, **changes: Any) -> dict[str, Any]:
    """The claims of a user JWT with a good signature."""
    arguments: dict[str, Any] = {
        "user_nkey": USER,
        "account": "APP",
        "permissions": PERMISSIONS,
        "issued_at": NOW,
        "expires_at": NOW + 600,
        "request_id": "UABCDEFGHIJK",
        "name": None,
    }
    return decode_nats_jwt(issue_user(signer, **(arguments | changes)).decode())


def members(permissions: bytes) -> Any:
    """Rendered members, read back."""
    return json.loads(b"{" + permissions + b"}")


# --- permissions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pub", "sub", "expected_pub", "expected_sub"),
    [
        (["a"], ["b", "c.>"], {"allow": ["a"]}, {"allow": ["b", "c.>"]}),
        ([], ["b"], {"deny": [">"]}, {"allow": ["b"]}),
        (["a"], [], {"allow": ["a"]}, {"deny": [">"]}),
        ([], [], {"deny": [">"]}, {"deny": [">"]}),
        ((), (), {"deny": [">"]}, {"deny": [">"]}),
    ],
)
def test_an_empty_side_is_denied_all(
    pub: list[str], sub: list[str], expected_pub: dict[str, Any], expected_sub: dict[str, Any]
) -> None:
    """NATS reads an empty allow list as "everything", for each side by itself."""
    found = members(render_permissions(pub, sub, ONE_ANSWER))
    assert {"pub": expected_pub, "sub": expected_sub, "resp": {"max": 1, "ttl": 0}} == found


def test_what_is_denied_stands_beside_what_is_allowed() -> None:
    """Exceptions from an allow list; without one, all is denied anyway."""
    with_allow = members(render_permissions(["a.>"], ["a.>"], ONE_ANSWER, pub_deny=["a.b", "a.c"]))
    assert {"allow": ["a.>"], "deny": ["a.b", "a.c"]} == with_allow["pub"]
    assert {"allow": ["a.>"]} == with_allow["sub"]
    without = members(render_permissions([], ["a.>"], ONE_ANSWER, pub_deny=["a.b"]))
    assert {"deny": [">"]} == without["pub"]


@settings(max_examples=200, deadline=None)
@given(subjects, subjects, subjects, st.integers(-1, 2**31), st.integers(-1, 2**63 - 1))
def test_permissions_say_what_they_were_given(
    pub: list[str], sub: list[str], deny: list[str], count: int, ttl_ns: int
) -> None:
    """Whatever a subject holds, it is one string of its list; and no allow list is ever empty."""
    found = members(render_permissions(pub, sub, ResponsePermission(count, ttl_ns), pub_deny=deny))
    assert {"pub", "sub", "resp"} == set(found)
    assert {"max": count, "ttl": ttl_ns} == found["resp"]
    assert (pub or None) == found["pub"].get("allow")
    assert (sub or None) == found["sub"].get("allow")
    assert (deny if pub else [">"]) == found["pub"].get("deny", [])
    assert ([] if sub else [">"]) == found["sub"].get("deny", [])


# --- the user JWT ----------------------------------------------------------------------------------------------------


def test_in_server_mode_the_account_is_the_audience() -> None:
    """The account by its name, and no `issuer_account`, which the server refuses there."""
    expected = {
        "jti": "UABCDEFGHIJK",
        "iat": NOW,
        "iss": CALLOUT.public,
        "sub": USER,
        "aud": "APP",
        "exp": NOW + 600,
        "nats": {
            **members(PERMISSIONS),
            **NO_LIMITS,
            "allowed_connection_types": ["STANDARD", "WEBSOCKET", "MQTT", "MQTT_WS", "IN_PROCESS"],
            "type": "user",
            "version": 2,
        },
    }
    assert expected == issue(signer())


def test_in_operator_mode_the_accounts_own_key_is_enough() -> None:
    """The issuer is the account, so nothing else need name it; `aud` would be ignored."""
    claims = issue(signer(CALLOUT, TARGET, Mode.OPERATOR), account=TARGET.public)
    assert TARGET.public == claims["iss"]
    assert "aud" not in claims
    assert "issuer_account" not in claims["nats"]


def test_in_operator_mode_a_signing_key_names_its_account() -> None:
    """Otherwise the server could not know whose user that is."""
    claims = issue(signer(CALLOUT, SIGNING_KEY, Mode.OPERATOR), account=TARGET.public)
    assert (SIGNING_KEY.public, TARGET.public) == (claims["iss"], claims["nats"]["issuer_account"])
    assert "aud" not in claims


@pytest.mark.parametrize("mode", Mode)
def test_a_user_has_a_name_only_if_one_is_given(mode: Mode) -> None:
    """A named user is dropped on a reload of the server's configuration."""
    keys = signer(mode=mode)
    assert "name" not in issue(keys)
    assert issue(keys, name="shop:checkout")["name"] == "shop:checkout"


@settings(max_examples=200, deadline=None)
@given(texts, st.none() | texts, subjects, st.sampled_from(Mode))
def test_no_text_breaks_out_of_a_user_jwt(account: str, name: str | None, pub: list[str], mode: Mode) -> None:
    """Account, name and subjects each stay one string, whatever they hold."""
    claims = issue(signer(mode=mode), account=account, name=name, permissions=render_permissions(pub, pub, ONE_ANSWER))
    placed = claims["aud"] if mode is Mode.SERVER else claims["nats"]["issuer_account"]
    assert (account, name) == (placed, claims.get("name"))
    expected = {"jti", "iat", "iss", "sub", "exp", "nats"} | ({"aud"} if mode is Mode.SERVER else set())
    assert expected | (set() if name is None else {"name"}) == set(claims)
    expected_nats = {"pub", "sub", "resp", "allowed_connection_types", "type", "version", *NO_LIMITS}
    assert expected_nats | (set() if mode is Mode.SERVER else {"issuer_account"}) == set(claims["nats"])


# --- the response ----------------------------------------------------------------------------------------------------


def request() -> AuthorizationRequest:
    """What the answers here answer."""
    return SERVER.request(CALLOUT.public, now=NOW, user=USER)


def allow(keys: Signer, user_jwt: bytes) -> bytes:
    """A good answer."""
    return respond_allow(keys, user_nkey=USER, server_id=SERVER.key.public, issued_at=NOW, user_jwt=user_jwt)


def deny(keys: Signer, error: str) -> bytes:
    """A refusal."""
    return respond_deny(keys, user_nkey=USER, server_id=SERVER.key.public, issued_at=NOW, error=error)


@pytest.mark.parametrize("mode", Mode)
def test_an_answer_is_the_oracles(mode: Mode) -> None:
    """But for `jti`, which counts for nothing in a response, member for member what nats-io/jwt would write."""
    asked = open_request(request().payload, None, None)
    user_jwt = encode_nats_jwt({"iss": CALLOUT.public, "sub": USER, "nats": {"type": "user", "version": 2}}, CALLOUT)
    keys = signer(mode=mode)
    for ours, oracle in (
        (allow(keys, user_jwt.encode()), make_answer(asked, CALLOUT, jwt=user_jwt)),
        (deny(keys, "no"), make_answer(asked, CALLOUT, error="no")),
    ):
        expected = decode_nats_jwt(oracle.decode())
        del expected["jti"]
        assert expected == decode_nats_jwt(ours.decode())
        open_answer(ours, request(), server=SERVER, response_issuer=CALLOUT.public)


def test_a_response_by_a_signing_key_names_the_account() -> None:
    """A signing key of the callout account, in operator mode; its own key names nobody."""
    for key, expected in ((CALLOUT, None), (SIGNING_KEY, CALLOUT.public)):
        keys = signer(key, TARGET, Mode.OPERATOR)
        for payload in (allow(keys, b"x"), deny(keys, "no")):
            response = decode_nats_jwt(payload.decode())
            assert (key.public, expected) == (response["iss"], response["nats"].get("issuer_account"))


@settings(max_examples=200, deadline=None)
@given(texts)
def test_no_text_breaks_out_of_an_error(error: str) -> None:
    """The error is one string."""
    assert error == open_answer(deny(signer(), error), request(), server=SERVER, response_issuer=CALLOUT.public).error
