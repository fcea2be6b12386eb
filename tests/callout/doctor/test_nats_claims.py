"""JWTs of accounts and users, read back."""

import base64

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.doctor.nats_claims import find_jwts, read_account, read_json, read_user
from tests.minting import NatsKey, account_jwt, creds, sentinel_jwt, user_jwt

OPERATOR, ACCOUNT, SIGNING, USER = (NatsKey.generate(kind) for kind in ("operator", "account", "account", "user"))
AUTHORIZATION = {"auth_users": [USER.public], "allowed_accounts": ["*"], "xkey": "X"}


def test_an_account() -> None:
    """Signing keys with and without a scope are told apart, and the authorization section is read."""
    scoped = {"kind": "user_scope", "key": SIGNING.public, "role": "r"}
    jwt = account_jwt(ACCOUNT, OPERATOR, "A", signing_keys=["plain"], authorization=AUTHORIZATION)
    account = read_account(jwt)
    assert (ACCOUNT.public, "A", frozenset({"plain"})) == (account.key, account.name, account.signing_keys)
    assert (True, frozenset({USER.public}), frozenset({"*"})) == (
        account.is_callout,
        account.auth_users,
        account.allowed_accounts,
    )
    other = read_account(_with_scope(scoped))
    assert (frozenset({SIGNING.public}), frozenset()) == (other.scoped_keys, other.signing_keys)


def _with_scope(scope: dict[str, str]) -> str:
    return account_jwt(ACCOUNT, OPERATOR, "A", signing_keys=[scope])  # type: ignore[list-item]  # JSON is what counts


def test_a_user_of_a_signing_key_belongs_to_the_account_that_it_names() -> None:
    """`issuer_account` counts before the issuer."""
    assert ACCOUNT.public == read_user(user_jwt(USER.public, SIGNING, account=ACCOUNT.public)).account


def test_an_absent_limit_is_none_left() -> None:
    """nats-server reads it as 0."""
    jwt = sentinel_jwt(USER.public, ACCOUNT)
    assert (-1, -1, -1, True) == tuple(getattr(read_user(jwt), name) for name in ("subs", "data", "payload", "bearer"))


@pytest.mark.parametrize("text", ["", "x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "é.é.é"])
def test_what_is_no_jwt_is_an_error(text: str) -> None:
    """One line, and nothing of it is repeated."""
    with pytest.raises(ValueError, match="JWT"):
        read_user(text)


def test_a_damaged_jwt_is_no_jwt() -> None:
    """Whoever changed a claim has not the key that it names."""
    head, _, signature = account_jwt(ACCOUNT, OPERATOR, "A").split(".")
    _, other, _ = account_jwt(SIGNING, OPERATOR, "B").split(".")
    with pytest.raises(ValueError, match="not signed"):
        read_account(f"{head}.{other}.{signature}")


def test_a_user_is_no_account() -> None:
    """The kind is looked at."""
    with pytest.raises(ValueError, match="another thing"):
        read_account(user_jwt(USER.public, ACCOUNT))


def test_jwts_are_found_in_any_file() -> None:
    """In credentials as in a nats.conf."""
    one, two = user_jwt(USER.public, ACCOUNT), account_jwt(ACCOUNT, OPERATOR, "A")
    assert [one, two] == find_jwts(f'{creds(one, USER.seed)}\nresolver_preload: {{ "A": "{two}" }}')


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200))
def test_any_text_that_nobody_has_signed_is_refused(text: str) -> None:
    """There is no way around the signature."""
    with pytest.raises(ValueError, match="JWT"):
        read_account(text)


def test_depth_is_no_jwt() -> None:
    """However deep the claims go, there is an answer."""
    claims = base64.urlsafe_b64encode(b"[" * 20_000).decode().rstrip("=")
    for read in (read_json, read_user, read_account):
        with pytest.raises(ValueError, match="JWT"):
            read(f"eyJ.{claims}.{'A' * 86}")


def test_claims_by_themselves() -> None:
    """As they stand, whoever has signed them: our own token's, which the API server judges."""
    assert {"sub": "x"} == read_json("a.eyJzdWIiOiJ4In0.c2ln")
    with pytest.raises(ValueError, match=r"."):
        read_json("a.e30")
