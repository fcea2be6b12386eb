"""What the system account tells, by a real server, and by answers that no true server gives."""

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from callout.doctor.clocks import Reading
from callout.doctor.nats_claims import AccountJwt
from callout.doctor.system import (
    MAX_NAMED,
    Listener,
    fetch_account,
    fetch_clocks,
    fetch_listeners,
    fetch_placement,
)
from callout.doctor.users import AUTH_SUBJECT
from tests.any_json import values
from tests.callout.doctor.on_server import Answers, enter_as_listener, enter_as_system
from tests.callout.doctor.on_server import enter as enter_as_service
from tests.interop.environments import BINARIES, Environment, ServerBinary, Setting
from tests.minting import NatsKey, account_jwt, user_jwt
from workers.server import QUEUE_GROUP

LOOKUP = "$SYS.REQ.ACCOUNT.{}.CLAIMS.LOOKUP"
ACCOUNTS, CLOCKS, SUBSCRIPTIONS, CONNECTIONS = (
    f"$SYS.REQ.SERVER.PING.{name}" for name in ("ACCOUNTZ", "STATSZ", "SUBSZ", "CONNZ")
)
ACCOUNT, OTHER, OPERATOR = (NatsKey.generate(kind) for kind in ("account", "account", "operator"))
JWT, OTHER_JWT = account_jwt(ACCOUNT, OPERATOR, "A"), account_jwt(OTHER, OPERATOR, "B")


def answer(server: str = "N-1", **data: Any) -> bytes:
    """An answer as a server gives it."""
    return json.dumps({"server": {"id": server, "name": "one"}, "data": data}).encode()


def test_an_account_is_fetched_by_its_key(in_operator_mode: Environment) -> None:
    """As the server has it; one that there is not is none."""

    async def run() -> tuple[AccountJwt | None, AccountJwt | None]:
        async with (
            await enter_as_service(in_operator_mode),  # a memory resolver has an account once somebody is there
            await enter_as_system(in_operator_mode) as system,
        ):
            key = in_operator_mode.keys.issuer.public
            return await fetch_account(system, key), await fetch_account(system, OTHER.public)

    found, missing = asyncio.run(run())
    assert missing is None
    assert found is not None
    assert in_operator_mode.keys.issuer.public == found.key
    assert in_operator_mode.keys.users["callout"].public in found.auth_users


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({LOOKUP.format(ACCOUNT.public): [JWT.encode()]}, True),
        ({ACCOUNTS: [answer(account_detail={"jwt": JWT})]}, True),
        ({ACCOUNTS: [b"", b"\xff", answer(), answer(account_detail={"jwt": JWT})]}, True),
        ({LOOKUP.format(ACCOUNT.public): [OTHER_JWT.encode()]}, False),
        ({ACCOUNTS: [JWT[:-4].encode() + b"AAAA"]}, False),
        ({ACCOUNTS: [user_jwt(ACCOUNT.public, ACCOUNT).encode()]}, False),
        ({}, False),
    ],
)
def test_an_account_is_the_one_that_was_asked_for(answers: dict[str, list[bytes]], found: bool) -> None:
    """Its JWT is verified, and another account's is none; a resolver's folder is asked first."""
    system = Answers(answers)
    account = asyncio.run(fetch_account(system, ACCOUNT.public))
    assert found == (account is not None and account.key == ACCOUNT.public)
    assert LOOKUP.format(ACCOUNT.public) == system.asked[0]


@pytest.mark.parametrize("binary", BINARIES, ids=lambda one: one.line)
def test_a_servers_clock_is_read(tmp_path: Path, binary: ServerBinary) -> None:
    """The same machine's agrees with ours, for between asking and the answer it was right."""

    async def run(environment: Environment) -> list[Reading]:
        async with await enter_as_system(environment) as system:
            return await fetch_clocks(system)

    with Environment(Setting("server", xkey=False, binary=binary), tmp_path) as environment:
        assert [Reading("nats-server bench", 0.0, is_nats=True)] == asyncio.run(run(environment))


@pytest.mark.parametrize(
    ("shown", "ahead"),
    [
        ("2001-09-09T01:46:40Z", 10**9),
        ("2001-09-09T01:46:40.123456789Z", 10**9),
        ("2001-09-09T01:46:40.5Z", 10**9),
        ("", None),
        ("yesterday", None),
        ("2001-09-09T01:46:40.xZ", None),
        ("99999-09-09T01:46:40Z", None),
    ],
)
def test_a_clock_that_is_wrong(shown: str, ahead: int | None) -> None:
    """Go writes nine digits of a second; what is no time is no clock."""
    made = json.dumps({"server": {"name": "one", "time": shown}}).encode()
    readings = asyncio.run(fetch_clocks(Answers({CLOCKS: [made]})))
    assert (ahead is None) == (readings == [])
    assert all(abs(time.time() - 10**9 - reading.ahead) < 60 for reading in readings)


def test_who_hears_requests_is_found(in_server_mode: Environment) -> None:
    """With queue group, server and connection; those of others have their names."""

    async def run() -> tuple[list[Listener], str, set[int]]:
        async with (
            await enter_as_system(in_server_mode) as system,
            await enter_as_service(in_server_mode) as ours,
            await enter_as_listener(in_server_mode) as stranger,
        ):
            await ours.subscribe(AUTH_SUBJECT, queue=QUEUE_GROUP)
            await stranger.subscribe(AUTH_SUBJECT)
            await asyncio.gather(ours.flush(), stranger.flush())
            found = await fetch_listeners(system, "AUTH")
            return found, str(ours.info["server_id"]), {ours.client_id or 0, stranger.client_id or 0}

    found, server, connections = asyncio.run(run())
    assert {QUEUE_GROUP: "", "": "nats-k8s-oidc-callout doctor"} == {one.queue_group: one.name for one in found}
    assert ({server}, connections) == ({one.server for one in found}, {one.connection for one in found})


def test_not_everybody_is_asked_for_a_name() -> None:
    """Each costs a question: the first few are enough to begin with, and our own have none to show."""
    listed = [{"subject": AUTH_SUBJECT, "qgroup": QUEUE_GROUP, "cid": 0}]
    listed += [{"subject": AUTH_SUBJECT, "qgroup": "", "cid": number} for number in range(1, 50)]
    named = [answer("N-2", connections=[{"cid": 1, "name": "no"}]), answer(connections=[{"cid": 1, "name": "x"}])]
    system = Answers({SUBSCRIPTIONS: [answer(subscriptions_list=listed)], CONNECTIONS: named})
    found = asyncio.run(fetch_listeners(system, "AUTH"))
    assert 50 == len(found)
    assert ["", *["x"] * MAX_NAMED, *[""] * (49 - MAX_NAMED)] == [one.name for one in found]
    assert 1 + MAX_NAMED == len(system.asked)


def test_where_a_client_is(in_server_mode: Environment) -> None:
    """The account's name, on that very server; empty if nobody tells."""

    async def run() -> tuple[str, str, str]:
        async with await enter_as_system(in_server_mode) as system, await enter_as_service(in_server_mode) as client:
            server, number = str(client.info["server_id"]), client.client_id or 0
            return (
                await fetch_placement(system, server, number),
                await fetch_placement(system, server, 12_345),
                await fetch_placement(system, "N-other", number),
            )

    assert ("AUTH", "", "") == asyncio.run(run())


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=20) | values(finite=True).map(lambda one: json.dumps(one).encode()), max_size=3))
def test_garbage_tells_nothing(answers: list[bytes]) -> None:
    """And is no error: whoever is in the system account may be a stranger's server."""
    system = Answers(dict.fromkeys((ACCOUNTS, CLOCKS, SUBSCRIPTIONS, CONNECTIONS), answers))

    async def run() -> tuple[object, ...]:
        return (
            await fetch_account(system, ACCOUNT.public),
            await fetch_clocks(system),
            await fetch_listeners(system, "AUTH"),
            await fetch_placement(system, "N-1", 1),
        )

    assert (None, [], [], "") == asyncio.run(run())


def test_depth_tells_nothing() -> None:
    """However deep an answer goes, it is none."""
    deep = b'{"server":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    assert [] == asyncio.run(fetch_clocks(Answers({CLOCKS: [deep]})))
