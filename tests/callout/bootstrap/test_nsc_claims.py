"""What is read of the JWTs in an nsc store: as nats-io/jwt v2 writes them, and no more than is compared."""

from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.bootstrap.nsc_claims import Side, StoredAccount, StoredOperator, StoredUser
from tests.any_json import values
from tests.minting import NatsKey, account_jwt, claims_of, operator_jwt, sentinel_jwt

OPERATOR, ACCOUNT, USER = (NatsKey.generate(kind) for kind in ("operator", "account", "user"))


def read(jwt: str, kind: Any) -> Any:
    """The claims of a JWT, as the store has them read."""
    return msgspec.convert(claims_of(jwt), kind)


def test_an_operator() -> None:
    """Its system account is known; a signing key that it lacks is none."""
    operator = read(operator_jwt(OPERATOR, ACCOUNT), StoredOperator)
    assert (OPERATOR.public, ACCOUNT.public) == (operator.sub, operator.nats.system_account)
    assert () == operator.nats.signing_keys


def test_an_account() -> None:
    """With both forms of signing keys, its authorization, what it shares and its limits."""
    scope = {"kind": "user_scope", "key": USER.public}
    share = {"subject": "events.>", "type": "stream", "account": ACCOUNT.public, "name": "events"}
    jwt = account_jwt(
        ACCOUNT,
        OPERATOR,
        "A",
        signing_keys=["plain", scope],  # type: ignore[list-item]  # JSON is what counts
        authorization={"auth_users": [USER.public], "allowed_accounts": ["*"], "xkey": "X"},
        jetstream=True,
        imports=[share],
        exports=[{"subject": "a", "type": "service", "response_type": "Stream"}],
    )
    account = read(jwt, StoredAccount)
    assert ("plain", scope) == account.nats.signing_keys
    assert account.nats.authorization is not None
    assert ((USER.public,), ("*",)) == (
        account.nats.authorization.auth_users,
        account.nats.authorization.allowed_accounts,
    )
    (imported,), (exported,) = account.nats.imports, account.nats.exports
    assert ("events.>", "stream", ACCOUNT.public) == (imported.subject, imported.type, imported.account)
    assert ("a", "service", "Stream") == (exported.subject, exported.type, exported.response_type)
    assert (-1, -1) == (account.nats.limits.mem_storage, account.nats.limits.disk_storage)
    assert {} == account.users


def test_an_account_without_jetstream() -> None:
    """What is left out is 0, and that is none at all."""
    limits = read(account_jwt(ACCOUNT, OPERATOR, "A"), StoredAccount).nats.limits
    assert (0, 0, {}) == (limits.mem_storage, limits.disk_storage, limits.tiered_limits)


def test_a_user() -> None:
    """A sentinel as it should be, and one that lacks everything."""
    sentinel = read(sentinel_jwt(USER.public, ACCOUNT), StoredUser)
    assert (True, -1, Side(deny=(">",)), 0) == (
        sentinel.nats.bearer_token,
        sentinel.nats.subs,
        sentinel.nats.sub,
        sentinel.exp,
    )
    bare = msgspec.convert({"sub": USER.public, "nats": {}}, StoredUser)
    assert (False, 0, 0, 0, Side()) == (
        bare.nats.bearer_token,
        bare.nats.subs,
        bare.nats.data,
        bare.nats.payload,
        bare.nats.pub,
    )


@pytest.mark.parametrize("kind", [StoredOperator, StoredAccount, StoredUser])
def test_what_has_no_name_or_no_claims_is_none(kind: Any) -> None:
    """Both are in whatever nsc writes."""
    lacking: tuple[dict[str, Any], ...] = ({}, {"sub": "x"}, {"nats": {}}, {"sub": 1, "nats": {}})
    for members in lacking:
        with pytest.raises(msgspec.ValidationError):
            msgspec.convert(members, kind)


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.text(max_size=8), values(), max_size=4))
def test_what_nsc_writes_besides_is_passed_over(more: dict[str, Any]) -> None:
    """Now and later: only what is compared is decoded."""
    user = {"sub": USER.public, "nats": {"bearer_token": True}}
    assert msgspec.convert(user, StoredUser) == msgspec.convert(
        {f"x-{name}": more[name] for name in more} | user, StoredUser
    )
