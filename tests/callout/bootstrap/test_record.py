"""What a new deployment consists of."""

from typing import Any

import msgspec
import pytest

from callout.bootstrap.choices import Choices, Layout
from callout.bootstrap.record import Record, SigningKey, begin, check_record, plan_users
from callout.bootstrap.rotation import retire, rotate
from tests.callout.bootstrap.sample import NOW, deploy, drawing
from tests.nats_minting import decode_nats_jwt
from workers.nkeys import KeyPair, Kind
from workers.server import SUBJECT

FRESH = KeyPair(Kind.ACCOUNT, b"f" * 32).public


def claims(jwt: str) -> Any:
    """The claims of a JWT with a good signature."""
    return decode_nats_jwt(jwt)


def test_four_accounts_and_an_operator_have_two_keys_each() -> None:
    """Their own, which is handed out to be kept elsewhere, and a signing key."""
    deployment, roots = begin(Choices(), drawing(), NOW)
    record = deployment.record
    assert ["SYS", "AUTH_SERVICE", "AUTH_ACCOUNT", "NACK"] == [one.name for one in record.accounts]
    assert {"nats", *(one.name for one in record.accounts)} == set(roots)
    for member in (record.operator, *record.accounts):
        (signing,) = member.signing
        assert roots[member.name].public == member.public != signing.public
        assert deployment.material.signing[signing.public].public == signing.public
        assert roots[member.name].public not in deployment.material.signing


def test_the_operator_names_its_signing_key_and_its_system_account() -> None:
    """And signs itself."""
    deployment = deploy()
    operator = claims(deployment.material.operator_jwt)
    record = deployment.record
    assert operator["iss"] == operator["sub"] == record.operator.public
    assert [record.operator.signing[0].public] == operator["nats"]["signing_keys"]
    assert record.account("SYS").public == operator["nats"]["system_account"]


@pytest.mark.parametrize(
    ("user", "account", "rights"),
    [
        (
            "callout",
            "AUTH_SERVICE",
            {"pub": {"allow": ["$SYS._INBOX.>"]}, "sub": {"allow": [SUBJECT]}},
        ),
        ("sentinel", "AUTH_SERVICE", {"pub": {"deny": [">"]}, "sub": {"deny": [">"]}, "bearer_token": True}),
        ("sys", "SYS", {}),
        ("nack", "AUTH_ACCOUNT", {"pub": {"allow": ["$JS.API.>"]}, "sub": {"allow": ["_INBOX.>"]}}),
    ],
)
def test_each_user_has_its_rights_and_no_end(user: str, account: str, rights: dict[str, Any]) -> None:
    """The account's own key signs, so that replacing a signing key asks nobody for new credentials."""
    deployment = deploy()
    issued = deployment.material.credentials[user]
    decoded = claims(issued.jwt.reveal())
    limits = {"subs": -1, "data": -1, "payload": -1, "type": "user", "version": 2}
    assert limits | rights == decoded["nats"]
    assert (deployment.record.account(account).public, issued.key.public) == (decoded["iss"], decoded["sub"])
    assert "exp" not in decoded
    assert deployment.record.users[user] == issued.key.public


def test_nacks_user_goes_where_its_streams_are() -> None:
    """With an import or a service that is NACK's account."""
    assert {"AUTH_ACCOUNT", "NACK"} == {
        plan_users(deploy(nack=one).record.choices)["nack"][0] for one in (Layout.INSIDE, Layout.IMPORT)
    }
    assert "NACK" == plan_users(deploy(nack=Layout.SERVICE).record.choices)["nack"][0]


def test_without_nack_there_is_neither_its_account_nor_its_user() -> None:
    """Three accounts are left."""
    record = deploy(nack=Layout.NONE).record
    assert ["SYS", "AUTH_SERVICE", "AUTH_ACCOUNT"] == [one.name for one in record.accounts]
    assert {"callout", "sentinel", "sys"} == set(record.users)


def test_a_curve_key_is_drawn_if_asked() -> None:
    """The record has its public half."""
    sealed = deploy(xkey=True)
    assert sealed.material.curve is not None
    assert sealed.record.xkey == sealed.material.curve.public
    assert ("", None) == (deploy().record.xkey, deploy().material.curve)


def test_what_is_made_is_a_sound_record() -> None:
    """New, with a key that is being replaced, and after that."""
    record = deploy(xkey=True).record
    both = rotate(record, "NACK", FRESH, NOW)
    for one in (record, both, retire(both, "NACK", NOW)[0], deploy(nack=Layout.NONE).record):
        check_record(one)


def member(**changes: Any) -> Record:
    """A record whose first account was changed."""
    record = deploy().record
    first, *others = record.accounts
    return msgspec.structs.replace(record, accounts=(msgspec.structs.replace(first, **changes), *others))


@pytest.mark.parametrize(
    "record",
    [
        msgspec.structs.replace(deploy().record, version=2),
        msgspec.structs.replace(deploy().record, choices=Choices(sys_account="../x")),
        msgspec.structs.replace(deploy().record, choices=Choices(sys_account="OTHER")),
        msgspec.structs.replace(deploy().record, operator=deploy().record.accounts[0]),
        msgspec.structs.replace(deploy().record, accounts=()),
        msgspec.structs.replace(deploy().record, users={}),
        msgspec.structs.replace(deploy().record, users=deploy().record.users | {"callout": "x"}),
        msgspec.structs.replace(deploy().record, users=deploy().record.users | {"../x": deploy().record.users["sys"]}),
        msgspec.structs.replace(deploy().record, xkey="X"),
        msgspec.structs.replace(deploy(xkey=True).record, xkey=""),
        member(public="A"),
        member(public=deploy().record.operator.public),
        member(signing=()),
        member(signing=(SigningKey(0, FRESH),)),
        member(signing=(SigningKey(1, "$(id)"),)),
        member(signing=(SigningKey(2, FRESH), SigningKey(1, FRESH))),
        member(signing=(SigningKey(1, FRESH), SigningKey(2, FRESH), SigningKey(3, FRESH))),
    ],
    ids=lambda _: "",
)
def test_what_cannot_have_been_made_is_none(record: Record) -> None:
    """Names and keys become paths and parts of commands, so each of them is looked at."""
    with pytest.raises(ValueError, match=r"."):
        check_record(record)
