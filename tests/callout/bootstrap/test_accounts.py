"""The accounts' JWTs."""

import pytest

from callout.bootstrap.accounts import declare_accounts, issue_accounts
from callout.bootstrap.choices import Layout
from callout.bootstrap.rotation import rotate
from tests.callout.bootstrap.sample import NOW, deploy
from tests.nats_minting import decode_nats_jwt
from workers.nkeys import KeyPair, Kind


def test_the_operators_signing_key_signs_them() -> None:
    """Each has a signing key, and all limits written out."""
    deployment = deploy()
    for name, jwt in issue_accounts(deployment).items():
        decoded = decode_nats_jwt(jwt)
        member = deployment.record.account(name)
        assert deployment.record.operator.signing[0].public == decoded["iss"]
        assert (member.public, name, NOW) == (decoded["sub"], decoded["name"], decoded["iat"])
        assert [member.signing[0].public] == decoded["nats"]["signing_keys"]
        assert -1 == decoded["nats"]["limits"]["conn"]


def test_the_callout_is_authorised_in_its_account_alone() -> None:
    """Its user, the one account that it may place clients in, and the curve key."""
    record = deploy(xkey=True).record
    declared = declare_accounts(record)
    authorization = declared["AUTH_SERVICE"].authorization
    assert authorization is not None
    assert (record.users["callout"],) == authorization.auth_users
    assert (record.account("AUTH_ACCOUNT").public,) == authorization.allowed_accounts
    assert record.xkey == authorization.xkey
    assert [None] * 3 == [one.authorization for name, one in declared.items() if name != "AUTH_SERVICE"]


@pytest.mark.parametrize("layout", list(Layout))
def test_one_account_has_jetstream_with_its_limits(layout: Layout) -> None:
    """Which, depends on the layout."""
    declared = declare_accounts(deploy(nack=layout, js_disk=1 << 30, js_streams=5).record)
    (limits,) = (one.jetstream for one in declared.values() if one.jetstream)
    assert (-1, 1 << 30, 5, -1) == (limits.mem_storage, limits.disk_storage, limits.streams, limits.consumer)


@pytest.mark.parametrize("layout", [Layout.IMPORT, Layout.SERVICE])
def test_exports_and_imports_face_each_other(layout: Layout) -> None:
    """An import names the key of the account that exports it."""
    record = deploy(nack=layout).record
    declared = declare_accounts(record)
    (source,) = (name for name, one in declared.items() if one.exports)
    (target,) = (name for name, one in declared.items() if one.imports)
    assert {"AUTH_ACCOUNT", "NACK"} == {source, target}
    assert {record.account(source).public} == {one.account for one in declared[target].imports}


def test_names_are_free() -> None:
    """Roles stay what they are."""
    declared = declare_accounts(deploy(service_account="CALLOUT", client_account="APPS").record)
    assert {"SYS", "CALLOUT", "APPS", "NACK"} == set(declared)
    assert declared["CALLOUT"].authorization
    assert declared["APPS"].jetstream


def test_both_keys_are_listed_while_one_is_replaced() -> None:
    """Old and new."""
    fresh = KeyPair(Kind.ACCOUNT, bytes(32)).public
    record = rotate(deploy().record, "AUTH_ACCOUNT", fresh, NOW)
    assert 2 == len(declare_accounts(record)["AUTH_ACCOUNT"].signing_keys)
    assert fresh in declare_accounts(record)["AUTH_ACCOUNT"].signing_keys
