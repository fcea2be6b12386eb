"""The service's own user: what the server lets it do, and why it does not let it in."""

import asyncio
import shlex

import msgspec
import pytest

from callout.doctor.connections import LoginError
from callout.doctor.findings import Check, Severity
from callout.doctor.nats_claims import Rights, UserJwt
from callout.doctor.service_user import judge_refusal, try_rights
from callout.doctor.users import OWN_CREDS, Tried
from tests.callout.doctor.on_server import enter, enter_as_listener
from tests.interop.environments import Environment
from workers.user_jwt import Mode

NOW = 1_000.0
SERVERS = ("nats://127.0.0.1:4222",)
USER = UserJwt(
    key="U-1",
    account="A-callout",
    name="callout",
    expires_at=0,
    bearer=False,
    pub=Rights(),
    sub=Rights(),
    subs=-1,
    data=-1,
    payload=-1,
)


def refuse(seconds: float = 0.01, *, refused: bool = True) -> LoginError:
    """A login that failed."""
    return LoginError("nats: 'Authorization Violation'", refused=refused, seconds=seconds, info={})


def test_the_least_rights_are_tried_out(in_server_mode: Environment) -> None:
    """As the server enforces them, whatever was meant."""

    async def run() -> Tried:
        async with await enter(in_server_mode) as service:
            return await try_rights(service)

    assert Tried(hears=True, answers=True, hears_more=False, says_more=False) == asyncio.run(run())


def test_rights_beyond_them_are_seen(in_server_mode: Environment) -> None:
    """Nobody may publish to the subject of requests; anything else, this user may."""

    async def run() -> Tried:
        async with await enter_as_listener(in_server_mode) as user:
            return await try_rights(user)

    assert Tried(hears=True, answers=True, hears_more=True, says_more=True) == asyncio.run(run())


def test_no_server_is_no_refusal() -> None:
    """The words are those of the connection."""
    (finding,) = judge_refusal(refuse(refused=False), Mode.SERVER, None, SERVERS, NOW)
    assert (Check.SERVICE_USER, Severity.WRONG) == (finding.check, finding.severity)
    assert finding.what.startswith("no login: nats: ")
    assert finding.mend.startswith("nats server check connection --server nats://127.0.0.1:4222  # ")


def test_all_servers_that_were_tried_are_asked() -> None:
    """One that answers would be enough; an address becomes no part of a command."""
    servers = ("nats://a:4222", "tls://b:4222", "nats://c:1/;id")
    (finding,) = judge_refusal(refuse(refused=False), Mode.SERVER, None, servers, NOW)
    assert ",".join(servers) == shlex.split(finding.mend, comments=True)[-1]


@pytest.mark.parametrize("seconds", [0.01, 2.0])
@pytest.mark.parametrize("expires_at", [0, 1])
def test_a_sentinel_never_becomes_an_auth_user(seconds: float, expires_at: int) -> None:
    """Whoever has its JWT, which all clients have, would pass by the callout; its file was named by a slip."""
    user = msgspec.structs.replace(USER, bearer=True, expires_at=expires_at)
    (finding,) = judge_refusal(refuse(seconds), Mode.OPERATOR, user, SERVERS, NOW)
    assert (Check.SERVICE_USER, Severity.WRONG) == (finding.check, finding.severity)
    assert "it is a bearer, as a sentinel is" in finding.what
    assert OWN_CREDS == finding.mend
    assert "creds/callout.creds" in finding.mend
    assert "--auth-user" not in finding.mend


@pytest.mark.parametrize(("expires_at", "expired"), [(0, False), (999, True), (1_000, True), (1_001, False)])
def test_a_user_that_has_expired(expires_at: int, expired: bool) -> None:
    """That comes before all other causes."""
    user = msgspec.structs.replace(USER, expires_at=expires_at)
    findings = judge_refusal(refuse(9.0), Mode.OPERATOR, user, SERVERS, NOW)
    assert expired == ("the service's user has expired" == findings[0].what)
    assert expired == findings[0].mend.startswith("nsc edit user --name callout --expiry 0 && nsc generate creds")


@pytest.mark.parametrize(
    ("mode", "user", "mend"),
    [
        (Mode.SERVER, None, "name NATS_URL's user in auth_users of auth_callout in nats.conf"),
        (Mode.OPERATOR, USER, "nsc edit authcallout --account <account A-callout> --auth-user U-1 && nsc push -A"),
        (Mode.OPERATOR, None, "name NATS_URL's user in auth_users"),
    ],
)
def test_a_slow_refusal_tells_that_the_callout_was_asked(mode: Mode, user: UserJwt | None, mend: str) -> None:
    """The server had nobody to ask but us; so the user is none of auth_users, which is a finding of its own."""
    findings = judge_refusal(refuse(2.0), mode, user, SERVERS, NOW)
    assert [Check.SERVICE_USER, Check.AUTH_USERS] == [finding.check for finding in findings]
    assert {Severity.WRONG} == {finding.severity for finding in findings}
    assert "after 2.0 s: it asks the callout about it" in findings[0].what
    assert all(finding.mend.startswith(mend) for finding in findings)


def test_a_quick_refusal_has_several_causes() -> None:
    """They are all named, the likeliest first, and the mends in the same order."""
    (finding,) = judge_refusal(refuse(), Mode.SERVER, None, SERVERS, NOW)
    assert "wrong password or credentials, or not one of auth_users" in finding.what
    places = [
        finding.mend.index(part) for part in ("put user and password", "NATS_URL", "name NATS_URL's user in auth")
    ]
    assert sorted(places) == places


def test_refused_credentials_are_made_anew() -> None:
    """Before anybody is added to auth_users; whoever has no nsc has had them made by `callout bootstrap`."""
    (finding,) = judge_refusal(refuse(), Mode.OPERATOR, USER, SERVERS, NOW)
    assert finding.mend.startswith("nsc generate creds --name callout  # into NATS_USER_CREDS_FILE, or without nsc the")
    assert "callout bootstrap FOLDER has made; or, if it is right: nsc edit" in finding.mend
    assert "nsc edit authcallout --account <account A-callout> --auth-user U-1 && nsc push -A" in finding.mend


def test_a_name_becomes_no_part_of_a_command() -> None:
    """It comes from a JWT."""
    user = msgspec.structs.replace(USER, expires_at=1, name="x; $(id)")
    (finding,) = judge_refusal(refuse(), Mode.OPERATOR, user, SERVERS, NOW)
    assert "x; $(id)" in shlex.split(finding.mend)
