"""The JWTs of operator, accounts and users, as the oracle makes them. A server: test_nats_jwt_on_a_server.py."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.config.credentials import read_user_credentials
from callout.demo.config import draw_key, write_private
from callout.nats_jwt import (
    NOTHING,
    SENTINEL,
    Account,
    Authorization,
    Export,
    Import,
    JetStreamLimits,
    Permissions,
    User,
    _identify,
    issue_account,
    issue_activation,
    issue_operator,
    issue_user,
    render_creds,
)
from callout.secret import Secret
from tests import nats_minting as oracle
from workers.nkeys import KeyPair, Kind

NOW = 1_700_000_000
OPERATOR, SYSTEM, CALLOUT, CLIENTS, SIGNING = (
    draw_key(kind) for kind in (Kind.OPERATOR, Kind.ACCOUNT, Kind.ACCOUNT, Kind.ACCOUNT, Kind.ACCOUNT)
)
USER = draw_key(Kind.USER)
CURVE = draw_key(Kind.CURVE)
PRIVATE = Export("secret.>", "stream", token_req=True)


def claims(jwt: str) -> dict[str, Any]:
    """The claims of a JWT with a good signature, without what is drawn or depends on the time."""
    decoded = oracle.decode_nats_jwt(jwt)
    assert decoded.pop("jti")
    assert decoded.pop("iat")
    return decoded


def as_oracle_key(key: KeyPair) -> oracle.NatsKey:
    """The same key in the oracle's hands."""
    return oracle.NatsKey(seed=key.encode_seed(), public=key.public)


def test_an_operator_names_its_system_account() -> None:
    """It signs itself."""
    ours = issue_operator(OPERATOR, name="OPERATOR", system_account=SYSTEM.public, issued_at=NOW)
    theirs = oracle.operator_jwt(as_oracle_key(OPERATOR), as_oracle_key(SYSTEM))
    assert claims(theirs) == claims(ours)
    assert oracle.decode_nats_jwt(ours)["iat"] == NOW


@pytest.mark.parametrize(
    ("account", "members"),
    [
        (Account(), {}),
        (Account(signing_keys=(SIGNING.public,)), {"signing_keys": [SIGNING.public]}),
        (Account(jetstream=JetStreamLimits()), {"jetstream": True}),
        (
            Account(authorization=Authorization((USER.public,), (CLIENTS.public,), CURVE.public)),
            {
                "authorization": {
                    "auth_users": [USER.public],
                    "allowed_accounts": [CLIENTS.public],
                    "xkey": CURVE.public,
                }
            },
        ),
        (Account(authorization=Authorization((USER.public,))), {"authorization": {"auth_users": [USER.public]}}),
        (
            Account(exports=(Export("events.>", "stream", "events"),)),
            {"exports": [{"name": "events", "subject": "events.>", "type": "stream"}]},
        ),
        (
            Account(exports=(Export("events.>", "stream", token_req=True, revocations={CALLOUT.public: NOW}),)),
            {
                "exports": [
                    {
                        "subject": "events.>",
                        "type": "stream",
                        "token_req": True,
                        "revocations": {CALLOUT.public: NOW},
                    }
                ]
            },
        ),
        (
            Account(imports=(Import("events.>", CLIENTS.public, "stream", local_subject="theirs.>"),)),
            {
                "imports": [
                    {
                        "subject": "events.>",
                        "account": CLIENTS.public,
                        "type": "stream",
                        "local_subject": "theirs.>",
                    }
                ]
            },
        ),
    ],
    ids=["plain", "signing key", "JetStream", "callout, sealed", "callout", "export", "private export", "import"],
)
def test_an_account_has_what_it_is_given(account: Account, members: dict[str, Any]) -> None:
    """All limits are written out; what is not given is not there."""
    ours = issue_account(OPERATOR, CLIENTS.public, account, name="A", issued_at=NOW)
    theirs = oracle.account_jwt(as_oracle_key(CLIENTS), as_oracle_key(OPERATOR), "A", **members)
    assert claims(theirs) == claims(ours)


def test_connections_can_be_limited() -> None:
    """0 is a limit too: nobody may connect."""
    for number in (0, 64):
        jwt = issue_account(OPERATOR, CLIENTS.public, Account(connections=number), name="A", issued_at=NOW)
        assert number == claims(jwt)["nats"]["limits"]["conn"]
        assert "connections" not in claims(jwt)["nats"]


def test_what_expires_says_when() -> None:
    """Unless it never does."""
    account = issue_account(OPERATOR, CLIENTS.public, Account(), name="A", issued_at=NOW, expires_at=NOW + 1)
    user = issue_user(CLIENTS, USER.public, User(), name="user", issued_at=NOW, expires_at=NOW + 1)
    activation = issue_activation(CLIENTS, CALLOUT.public, PRIVATE, issued_at=NOW, expires_at=NOW + 1)
    assert [NOW + 1] * 3 == [claims(jwt)["exp"] for jwt in (account, user, activation)]
    assert "exp" not in claims(issue_activation(CLIENTS, CALLOUT.public, PRIVATE, issued_at=NOW))


@pytest.mark.parametrize(("signer", "named"), [(CLIENTS, {}), (SIGNING, {"issuer_account": CLIENTS.public})])
def test_an_activation_is_for_one_account_and_subject(signer: KeyPair, named: dict[str, str]) -> None:
    """Signed by the account that exports, or by a signing key of it, which says whose it is."""
    jwt = issue_activation(signer, CALLOUT.public, PRIVATE, issued_at=NOW, account=CLIENTS.public)
    nats = {"subject": "secret.>", "kind": "stream", "type": "activation", "version": 2} | named
    assert {"iss": signer.public, "name": "secret.>", "sub": CALLOUT.public, "nats": nats} == claims(jwt)


def test_jetstream_can_be_limited() -> None:
    """The limits are bytes and numbers."""
    limits = JetStreamLimits(mem_storage=0, disk_storage=1 << 20, streams=3, consumer=5)
    jwt = issue_account(OPERATOR, CLIENTS.public, Account(jetstream=limits), name="A", issued_at=NOW)
    expected = {"mem_storage": 0, "disk_storage": 1 << 20, "streams": 3, "consumer": 5}
    assert expected.items() <= claims(jwt)["nats"]["limits"].items()


@pytest.mark.parametrize(
    ("signer", "account", "named"),
    [(CLIENTS, None, None), (CLIENTS, CLIENTS.public, None), (SIGNING, CLIENTS.public, CLIENTS.public)],
    ids=["the account's own key", "the same, named", "a signing key"],
)
def test_a_user_names_the_account_of_its_signing_key(signer: KeyPair, account: str | None, named: str | None) -> None:
    """Only where the signer does not tell by itself whose user it is."""
    rights = User(pub=Permissions(allow=("a",)), sub=NOTHING)
    ours = issue_user(signer, USER.public, rights, name="user", issued_at=NOW, account=account)
    theirs = oracle.user_jwt(
        USER.public, as_oracle_key(signer), account=named, pub={"allow": ["a"]}, sub={"deny": [">"]}
    )
    theirs_claims, ours_claims = claims(theirs), claims(ours)
    assert theirs_claims == ours_claims


def test_the_sentinel_can_do_nothing() -> None:
    """A bearer that may neither publish nor subscribe, without an end, and with limits that let it in at all."""
    ours = issue_user(CALLOUT, USER.public, SENTINEL, name="sentinel", issued_at=NOW)
    assert claims(oracle.sentinel_jwt(USER.public, as_oracle_key(CALLOUT))) == claims(ours)


def test_an_operator_names_its_signing_keys() -> None:
    """They may sign its accounts."""
    signing = (draw_key(Kind.OPERATOR).public,)
    jwt = issue_operator(OPERATOR, name="OPERATOR", system_account=SYSTEM.public, issued_at=NOW, signing_keys=signing)
    assert [*signing] == claims(jwt)["nats"]["signing_keys"]


@pytest.mark.parametrize(
    ("registered", "jti"),
    [
        (
            {
                "iat": 1795497253,
                "iss": "OA5WZZBV7VZXFNPTBQMEEMKYEXX7D2JCEBF3WECG3TTN3QBPNYM6F4RB",
                "name": "OP",
                "sub": "OA5WZZBV7VZXFNPTBQMEEMKYEXX7D2JCEBF3WECG3TTN3QBPNYM6F4RB",
            },
            "AN5UEZO7RXMQHJ3NZDV22C3LDZNLUEMC7QQPWJWHZWQYGDSKU6NA",
        ),
        (
            {
                "iat": 1795497253,
                "iss": "OCIZ7BEXTHF4PMDWLYEDDDINNSZMJYPKB3S2XIHPSBBWKBF6SBPOMIKJ",
                "name": "a<b>&c",
                "sub": "OCIZ7BEXTHF4PMDWLYEDDDINNSZMJYPKB3S2XIHPSBBWKBF6SBPOMIKJ",
            },
            "2OBWOENEUAV5ES6V232USREYIGWAFLZTDAWWXIK7DAWXEASWWTEA",
        ),
        (
            {
                "exp": 1795804094,
                "iat": 1795717694,
                "iss": "OALKOLMMY4C3GUW5VHHMLTHOVUK4EYOX4MQZPISOOQVGCRVBEHSKJB4V",
                "name": "ACC",
                "sub": "ACYLM2B7T2IKK3VKI6PULFRRQOYWHLJQWJ7IVG7GGYUUDCAZJQTLDVKF",
            },
            "JMJ3RWG7YERTBZAU4LMQZUF36SFAWFA27QA2MCL2VV6UIRWIMWEA",
        ),
    ],
    ids=["an operator", "characters that Go escapes", "an account that expires"],
)
def test_a_jwt_is_named_as_nats_io_names_it(registered: dict[str, object], jti: str) -> None:
    """The examples were made by the nats CLI 0.5.1 (`nats auth operator add`, `nats auth account add --expiry`)."""
    assert jti == _identify(registered | {"nats": {}})


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=20), st.lists(st.text(max_size=20), max_size=3), st.integers(0, 1 << 40))
def test_the_same_is_signed_for_the_same(name: str, subjects: list[str], issued_at: int) -> None:
    """To the byte; and whatever the text, it arrives."""
    user = User(pub=Permissions(allow=tuple(subjects)))
    first, second = (issue_user(CLIENTS, USER.public, user, name=name, issued_at=issued_at) for _ in range(2))
    decoded = oracle.decode_nats_jwt(first)
    assert first == second
    assert (name, subjects) == (decoded["name"], decoded["nats"].get("pub", {}).get("allow", []))


def test_credentials_are_read_by_the_service(tmp_path: Path) -> None:
    """What is written here is what `NATS_USER_CREDS_FILE` takes."""
    jwt = issue_user(SIGNING, USER.public, User(), name="user", issued_at=NOW, account=CLIENTS.public)
    content = render_creds(jwt, Secret(USER.encode_seed()))
    path = Path(write_private(tmp_path / "user.creds", content))
    read = read_user_credentials(path)
    assert (Secret(jwt), USER.public, CLIENTS.public) == (read.jwt, read.key.public, read.account)
    assert oracle.creds(jwt, USER.encode_seed()) == content.reveal()
    assert (0o600, "***") == (path.stat().st_mode & 0o777, str(content))
