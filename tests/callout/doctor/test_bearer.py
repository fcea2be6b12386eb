"""Who is to be let in: a token, whose it is, and what the server then lets its client do."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import msgspec
import pytest

from callout.config.loading import load
from callout.config.table import Settings
from callout.doctor.bearer import Bearer, make_bearer, try_permissions
from callout.doctor.connections import log_in
from callout.doctor.findings import Check, Finding, Severity, ok
from callout.doctor.logins import Login
from callout.keys.reader import FoundKeys
from callout.manifests.manifest import derive_uid
from callout.policy.decision import make_inbox_prefix
from callout.secret import HIDDEN
from callout.serviceaccounts import ServiceAccount
from tests.callout.doctor.on_server import find_door
from tests.interop.environments import Environment
from tests.minting import Issuer, NatsKey, user_jwt
from workers.keyset import parse_keyset
from workers.nkeys import decode_seed

NAME = "https://kubernetes.test"
SIGNER = Issuer.generate("ES256", "k1")
DOCUMENT = json.dumps(SIGNER.jwks()).encode()
KEYS = FoundKeys(DOCUMENT, parse_keyset(DOCUMENT), (NAME,), None)
MANIFEST = "apiVersion: v1\nkind: ServiceAccount\nmetadata: {namespace: orders, name: checkout}\n"
CHECKOUT = ServiceAccount("orders", "checkout", "u-1", {})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Settings that know orders/checkout."""
    (tmp_path / "accounts.yaml").write_text(MANIFEST)
    return make_settings(tmp_path)


def make_settings(folder: Path, **changes: str) -> Settings:
    """Settings that look for ServiceAccounts in that folder."""
    needed = {"NATS_ACCOUNT": "APP", "NATS_SIGNING_KEY_FILE": "x", "JWKS_PATH": "x", "JWT_ISSUER": NAME}
    return load({**needed, "SERVICEACCOUNTS_PATH": str(folder / "accounts.yaml"), **changes})[0]


def make_token(uid: str = derive_uid("orders", "checkout"), **changes: Any) -> str:
    """A token of orders/checkout, good unless something is changed."""
    given: dict[str, Any] = {"namespace": "orders", "name": "checkout", "audience": "nats", "issuer": NAME}
    return SIGNER.token(uid=uid, now=time.time(), **(given | changes))


def find(settings: Settings, token: str) -> Bearer:
    """What is found of a token."""
    return asyncio.run(make_bearer(settings, token, KEYS))


def test_a_good_token_and_its_serviceaccount(settings: Settings) -> None:
    """With the inbox that its client has to use."""
    token = make_token()
    bearer = find(settings, token)
    assert (token, Severity.OK, "orders", "checkout") == (
        bearer.token,
        bearer.finding.severity,
        bearer.namespace,
        bearer.name,
    )
    assert bearer.found is not None
    assert make_inbox_prefix("orders", "checkout", static=False) == bearer.inbox_prefix


def test_a_serviceaccount_that_was_made_again(settings: Settings) -> None:
    """Its old token is refused."""
    finding = find(settings, make_token("u-0")).finding
    assert (Severity.WRONG, True) == (finding.severity, "serviceaccount_recreated" in finding.what)


def test_a_serviceaccount_that_is_not_known(settings: Settings) -> None:
    """Nor is anything known of what it should be given."""
    bearer = find(settings, make_token(name="other"))
    assert (None, Severity.WRONG) == (bearer.found, bearer.finding.severity)
    assert "serviceaccount_unknown" in bearer.finding.what


def test_a_serviceaccount_that_cannot_be_looked_for(tmp_path: Path) -> None:
    """The token may be good or not: it may stand in what could not be read."""
    (tmp_path / "accounts.yaml").write_text("{")
    finding = find(make_settings(tmp_path), make_token()).finding
    assert (Check.TOKEN, Severity.UNKNOWN) == (finding.check, finding.severity)
    assert "its ServiceAccount cannot be looked for: " in finding.what


def test_a_refused_token_has_no_names_but_possible_ones(settings: Settings) -> None:
    """Nobody has vouched for them, and they become part of commands."""
    refused = find(settings, make_token(audience="vault"))
    assert (Severity.WRONG, "orders", "checkout") == (refused.finding.severity, refused.namespace, refused.name)
    odd = find(settings, make_token(namespace="x; id", audience="vault"))
    assert (Severity.WRONG, "", "") == (odd.finding.severity, odd.namespace, odd.name)


def test_a_token_is_not_shown() -> None:
    """Neither by itself nor within something else."""
    assert f"[Bearer({HIDDEN})]" == str([Bearer("a-token", ok(Check.TOKEN, "good"))])


def try_as(environment: Environment, settings: Settings, permissions: dict[str, Any], **bearer: Any) -> Finding:
    """What is found of a client with those permissions; operator mode."""

    async def run() -> Finding:
        key = NatsKey.generate("user")
        jwt = user_jwt(key.public, environment.keys.accounts["clients"], **permissions)
        login = Login(jwt=jwt, key=decode_seed(key.seed))
        async with await log_in(find_door(environment), login) as client:
            given: dict[str, Any] = {"namespace": "orders", "name": "checkout", "found": CHECKOUT} | bearer
            return await try_permissions(settings, Bearer("a-token", ok(Check.TOKEN, "good"), **given), client)

    return asyncio.run(run())


INBOX = f"{make_inbox_prefix('orders', 'checkout', static=False)}.>"
INBOXES = (INBOX, "_INBOX.>")


@pytest.mark.parametrize(
    ("sub", "pub", "severity", "words"),
    [
        (["orders.>", *INBOXES], ["orders.>"], Severity.OK, "the server grants what orders/checkout should have"),
        (
            ["orders.>", "_INBOX.>"],
            ["orders.>"],
            Severity.WRONG,
            f"may not subscribe to {INBOX}, which orders/checkout should",
        ),
        ([">"], ["orders.>"], Severity.WRONG, "the client may subscribe to >, which"),
        (["orders.>", *INBOXES], [">"], Severity.WRONG, "the client may publish to $SYS.REQ.USER.INFO, which"),
    ],
)
def test_the_servers_behaviour_is_compared_with_the_policy(
    in_operator_mode: Environment, settings: Settings, sub: list[str], pub: list[str], severity: Severity, words: str
) -> None:
    """By trying: what is granted has to work, and what is granted to nobody must not."""
    finding = try_as(in_operator_mode, settings, {"pub": {"allow": pub}, "sub": {"allow": sub}})
    assert severity == finding.severity
    assert words in finding.what


def test_without_anything_to_compare_nothing_is_claimed(
    in_operator_mode: Environment, settings: Settings, tmp_path: Path
) -> None:
    """No client, no ServiceAccount, no ceiling: each by its own words."""
    bearer = Bearer("a-token", ok(Check.TOKEN, "good"), "orders", "checkout", CHECKOUT)
    nobody = asyncio.run(try_permissions(settings, bearer, None))
    stranger = try_as(in_operator_mode, settings, {}, found=None)
    (tmp_path / "ceiling").write_text("{")
    spoilt = msgspec.structs.replace(settings, nats_ceiling_file=tmp_path / "ceiling")
    lawless = try_as(in_operator_mode, spoilt, {})
    for finding, words in ((nobody, "no client was let in"), (stranger, "is not known"), (lawless, "ceiling")):
        assert (Check.PERMISSIONS, Severity.UNKNOWN) == (finding.check, finding.severity)
        assert words in finding.what
