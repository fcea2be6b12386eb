"""What is on NATS' side, asked of real servers: in either mode, and where there is none."""

import asyncio
import socket
from typing import Any

import pytest

from callout.doctor.clocks import Reading
from callout.doctor.findings import Check, Finding, Severity
from callout.doctor.logins import Login
from callout.doctor.nats_claims import AccountJwt, read_account
from callout.doctor.nats_side import examine_nats
from callout.doctor.request import Request
from tests.callout.doctor.on_server import count_connections, find_login, make_settings
from tests.interop.environments import Environment
from tests.interop.server_configs import ADMINISTRATOR, OPERATOR_MODE_NAMES
from tests.minting import account_jwt
from tests.waiting import PATIENCE_SECONDS, until

CLOCK = Reading("the API server", 0.0)


def examine(environment: Environment, request: Request | None = None, **settings: str) -> dict[Check, list[Finding]]:
    """The findings by what they are about; nothing may be left behind on the server."""

    async def run() -> list[Finding]:
        before = await count_connections(environment)
        findings = await examine_nats(make_settings(environment, **settings), request or Request(), None, [CLOCK])

        async def is_as_before() -> bool:
            return before == await count_connections(environment)

        await until(is_as_before, PATIENCE_SECONDS, "the server has as many connections as before")
        return findings

    found: dict[Check, list[Finding]] = {}
    for finding in asyncio.run(asyncio.wait_for(run(), PATIENCE_SECONDS)):
        found.setdefault(finding.check, []).append(finding)
    return found


def severities(found: dict[Check, list[Finding]]) -> dict[Check, Severity]:
    """How each came out; each was made once."""
    assert {1} == {len(findings) for findings in found.values()}
    return {check: finding.severity for check, (finding,) in found.items()}


def make_accounts(environment: Environment, **changes: Any) -> dict[str, AccountJwt]:
    """The accounts as a file has them: the callout's with these changes, and the clients'."""
    keys = environment.keys
    users = [user.public for user in keys.users.values()]
    section = {"auth_users": users, "allowed_accounts": [keys.accounts["clients"].public]} | changes
    signing = [keys.clients_signing.public]
    jwts = (
        account_jwt(keys.issuer, keys.operator, OPERATOR_MODE_NAMES["callout"], authorization=section),
        account_jwt(keys.accounts["clients"], keys.operator, OPERATOR_MODE_NAMES["clients"], signing_keys=signing),
    )
    return {account.key: account for account in map(read_account, jwts)}


def find_sentinel(environment: Environment) -> Login:
    """The sentinel that clients show."""
    return Login(jwt=environment.keys.sentinel_jwt())


def test_server_mode_without_a_client(in_server_mode: Environment) -> None:
    """What only nats.conf or a login tells is not known, and what it has to be is said."""
    found = examine(in_server_mode)
    assert {
        Check.SERVICE_USER: Severity.OK,
        Check.SERVER_VERSION: Severity.NOTICE,
        Check.SERVICE_RIGHTS: Severity.OK,
        Check.SIGNING_KEY: Severity.UNKNOWN,
        Check.XKEY: Severity.UNKNOWN,
        Check.CLOCKS: Severity.OK,
    } == severities(found)
    assert in_server_mode.keys.issuer.public in found[Check.SIGNING_KEY][0].what
    assert "has to be absent: NATS_XKEY_FILE is not set" in found[Check.XKEY][0].what


def test_operator_mode_without_jwts(in_operator_mode: Environment) -> None:
    """The keys themselves tell whether ours is the callout's account; the rest is not known."""
    found = severities(examine(in_operator_mode))
    assert Severity.OK == found[Check.SIGNING_KEY]
    missing = (Check.ACCOUNT_SIGNING_KEY, Check.ALLOWED_ACCOUNT, Check.AUTH_USERS, Check.XKEY, Check.SENTINEL)
    assert {Severity.UNKNOWN} == {found[check] for check in missing}


def test_operator_mode_with_accounts_from_a_file(in_operator_mode: Environment) -> None:
    """Each of the five is judged, and the sentinel."""
    request = Request(accounts=make_accounts(in_operator_mode), sentinel=find_sentinel(in_operator_mode))
    found = severities(examine(in_operator_mode, request))
    checks = (
        Check.SIGNING_KEY,
        Check.ACCOUNT_SIGNING_KEY,
        Check.ALLOWED_ACCOUNT,
        Check.AUTH_USERS,
        Check.XKEY,
        Check.SENTINEL,
    )
    assert {Severity.OK} == {found[check] for check in checks}


def test_what_the_server_has_counts_more_than_a_file(in_operator_mode: Environment) -> None:
    """A file may be older: here it names other users, and the server's own does not."""
    stale = make_accounts(in_operator_mode, auth_users=["U" + "A" * 55])
    assert Severity.WRONG == severities(examine(in_operator_mode, Request(accounts=stale)))[Check.AUTH_USERS]
    asked = Request(accounts=stale, system=find_login(in_operator_mode, ADMINISTRATOR))
    assert Severity.OK == severities(examine(in_operator_mode, asked))[Check.AUTH_USERS]


def test_a_live_finding_takes_the_place_of_one_that_was_not_known(in_server_mode: Environment) -> None:
    """Nothing is told twice: the request says whose answers the server takes."""
    found = severities(examine(in_server_mode, Request(live=True)))
    assert (Severity.OK, Severity.OK) == (found[Check.SIGNING_KEY], found[Check.XKEY])
    assert Severity.WRONG == found[Check.ANSWERED]


def test_a_sentinel_is_for_operator_mode(in_server_mode: Environment) -> None:
    """In server mode nobody shows one."""
    finding = examine(in_server_mode, Request(sentinel=find_sentinel(in_server_mode)))[Check.SENTINEL][0]
    assert Severity.NOTICE == finding.severity


def test_a_user_of_the_system_account_that_is_none(in_server_mode: Environment) -> None:
    """It is told, and keeps nothing else from being asked."""
    found = examine(in_server_mode, Request(system=Login(user="nobody", password="wrong")))
    (finding,) = found[Check.RESPONDERS]
    assert (Severity.NOTICE, True) == (finding.severity, finding.what.startswith("the user of --sys-creds cannot"))
    assert "nats server info --user nobody --password <that of nats.conf>" == finding.mend
    assert Severity.OK == found[Check.SERVICE_USER][0].severity


def test_credentials_of_the_system_account_that_are_none(in_operator_mode: Environment) -> None:
    """They are in a file, and it is that which nats is to try."""
    found = examine(in_operator_mode, Request(system=find_sentinel(in_operator_mode)))
    (finding,) = found[Check.RESPONDERS]
    assert (Severity.NOTICE, "nats server info --creds FILE") == (finding.severity, finding.mend)


@pytest.mark.parametrize("live", [False, True])
def test_where_no_server_is(in_server_mode: Environment, live: bool) -> None:
    """One finding says so, and nothing is waited for again; the clocks that were read before are judged."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        request = Request(live=live, system=find_login(in_server_mode, ADMINISTRATOR))
        found = examine(in_server_mode, request, NATS_URL=f"nats://127.0.0.1:{nobody.getsockname()[1]}")
    assert Severity.WRONG == found[Check.SERVICE_USER][0].severity
    assert "cannot be reached" in found[Check.SERVICE_USER][0].what
    assert Severity.OK == found[Check.CLOCKS][0].severity
    assert Check.RESPONDERS not in found
    assert live == (Check.ANSWERED in found)
