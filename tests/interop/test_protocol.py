"""What is said on `$SYS.REQ.USER.AUTH`: the answers to true requests, and to true ones with one thing changed."""

import contextlib
import time

from tests.interop.cast import PARTNER, PLAIN
from tests.interop.deployment import Deployment
from tests.interop.inquirer import Inquirer, reason_of
from tests.interop.overhearing import Overheard, adopt, change, find_paths, overhear
from tests.minting import ABSENT, decode_nats_jwt
from workers.reasons import Reason

HOUR = 3600
JITTER = 0.2
TWO_MINUTES_NS = 120_000_000_000
REPLAYS = 3


async def test_the_answer_says_who_where_and_for_how_long(deployment: Deployment) -> None:
    """Signed by the right key for the right account, with the policy's permissions, no longer than the token lives."""
    environment, keys = deployment.environment, deployment.environment.keys
    began = int(time.time())
    soon = began + HOUR // 6
    async with deployment.inquirer() as inquirer:
        lasting = await inquirer.ask(inquirer.request(deployment.token(PARTNER, ttl=10 * HOUR)))
        ending = await inquirer.ask(inquirer.request(None, password=deployment.token(PARTNER, now=soon - HOUR)))
    took = time.time() - began
    for answer, end in ((lasting, began + HOUR), (ending, soon)):
        assert environment.setting.xkey == answer.sealed
        user = answer.user
        assert user is not None
        if environment.is_operator_mode:
            assert keys.clients_signing.public == user["iss"]
            assert environment.account("clients") == user["nats"]["issuer_account"]
        else:
            assert keys.issuer.public == user["iss"]
            assert environment.account("clients") == user["aud"]
            assert "issuer_account" not in user["nats"]
        assert "name" not in user
        inboxes = [f"{PARTNER.inbox}.>", "_INBOX.>"]
        assert {"allow": ["billing.>", *PARTNER.pub]} == user["nats"]["pub"]
        assert {"allow": ["billing.>", *inboxes, *PARTNER.sub]} == user["nats"]["sub"]
        assert {"max": 1, "ttl": TWO_MINUTES_NS} == user["nats"]["resp"]
        assert end - JITTER * (end - began) - 1 <= user["exp"] <= end + took
    assert ending.user is not None
    assert ending.user["exp"] <= soon


async def test_the_token_is_looked_for_in_two_places(deployment: Deployment) -> None:
    """First the auth token counts, then the password; the JWT is the sentinel's and never looked at."""
    good, bad = deployment.token(PLAIN), deployment.token(PLAIN, audience="vault")
    rows: list[tuple[dict[str, str], str]] = [
        ({"auth_token": good, "pass": bad}, ""),
        ({"auth_token": bad, "pass": good}, Reason.TOKEN_AUDIENCE),
        ({"auth_token": "", "pass": good}, ""),
        ({"pass": good, "jwt": bad}, ""),
        ({"jwt": good}, Reason.TOKEN_MISSING),
        ({"user": good, "nkey": good, "sig": good}, Reason.TOKEN_MISSING),
    ]
    async with deployment.inquirer() as inquirer:
        answers = await inquirer.ask_all([inquirer.request(None, connect_opts=options) for options, _ in rows])
    assert [expected for _, expected in rows] == [reason_of(answer) for answer in answers]


async def replay(deployment: Deployment, inquirer: Inquirer) -> tuple[Overheard, list[bytes]]:
    """Say three times what a true server has said; if it was too late by then, what it says the next time."""
    while True:
        heard = await overhear(deployment)
        with contextlib.suppress(TimeoutError):
            return heard, [await inquirer.ask_unread(heard.request) for _ in range(REPLAYS)]


async def test_a_replayed_request_is_answered_until_it_expires(deployment: Deployment) -> None:
    """The answer is of use to the server alone that asked: nothing needs to be remembered, and nobody is harmed."""
    async with deployment.inquirer() as inquirer, await deployment.connect(PLAIN) as client:
        heard, replayed = await replay(deployment, inquirer)
        late = inquirer.reissue(change(adopt(heard.claims, inquirer.server), "exp", int(time.time()) - 2))
        assert [None] == await inquirer.ask_all([late])
        await client.flush()
        assert client.is_connected
    if deployment.environment.setting.xkey:
        assert [b"xkv1"] * REPLAYS == [payload[:4] for payload in replayed]
        return
    for response in (decode_nats_jwt(payload.decode()) for payload in replayed):
        assert heard.claims["nats"]["server_id"]["id"] == response["aud"]
        assert heard.request.user == response["sub"] == decode_nats_jwt(response["nats"]["jwt"])["sub"]


LET_IN, DROPPED = "", None
VALUES = (ABSENT, "another", 7)
# What comes of a true request in which that member is left out, is another text, is a number. Members that are not
# named make no difference, whatever they are.
DECISIVE: dict[str, tuple[str | None, str | None, str | None]] = {
    "iss": (DROPPED, Reason.REQUEST_ISSUER, DROPPED),
    "aud": (Reason.REQUEST_AUDIENCE, Reason.REQUEST_AUDIENCE, DROPPED),
    "sub": (Reason.REQUEST_SUBJECT, Reason.REQUEST_SUBJECT, DROPPED),
    "exp": (DROPPED, DROPPED, DROPPED),
    "nats": (DROPPED, DROPPED, DROPPED),
    "nats.type": (Reason.REQUEST_VERSION, Reason.REQUEST_VERSION, DROPPED),
    "nats.version": (Reason.REQUEST_VERSION, DROPPED, Reason.REQUEST_VERSION),
    "nats.user_nkey": (DROPPED, DROPPED, DROPPED),
    "nats.server_id": (DROPPED, DROPPED, DROPPED),
    "nats.server_id.id": (DROPPED, DROPPED, DROPPED),
    "nats.server_id.name": (LET_IN, LET_IN, DROPPED),
    "nats.client_info": (LET_IN, DROPPED, DROPPED),
    "nats.client_info.host": (LET_IN, LET_IN, DROPPED),
    "nats.client_info.kind": (LET_IN, Reason.REQUEST_VERSION, DROPPED),
    "nats.connect_opts": (Reason.TOKEN_MISSING, DROPPED, DROPPED),
    "nats.connect_opts.auth_token": (Reason.TOKEN_MISSING, Reason.TOKEN_MALFORMED, DROPPED),
}
SEALED_ONLY: dict[str, tuple[str | None, str | None, str | None]] = {
    "nats.server_id.xkey": (Reason.REQUEST_XKEY, Reason.REQUEST_XKEY, DROPPED)
}


async def test_each_claim_counts_for_what_it_is_there_for(deployment: Deployment) -> None:
    """Of a true server's request one member is changed at a time: what decides is refused, and nothing else is."""
    decisive = DECISIVE | (SEALED_ONLY if deployment.environment.setting.xkey else {})
    heard = await overhear(deployment)
    async with deployment.inquirer() as inquirer:
        true = adopt(heard.claims, inquirer.server)
        paths = list(find_paths(true))
        answers = await inquirer.ask_all(
            [
                inquirer.reissue(true),
                *(inquirer.reissue(change(true, path, value)) for path in paths for value in VALUES),
            ]
        )
    outcomes = iter([reason_of(answer) for answer in answers])
    assert LET_IN == next(outcomes)
    actual = {path: (next(outcomes), next(outcomes), next(outcomes)) for path in paths}
    assert {path: decisive.get(path, (LET_IN,) * len(VALUES)) for path in paths} == actual
    assert decisive.keys() <= actual.keys()
