"""Why logins are refused: the operator learns it in three places under one id, the client nowhere, and no secret leaks.

Every reason that can be met from outside is met here, by a real client where a server lets it through, otherwise by a
request that no true server sends. The last test counts them.
"""

import json
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from tests.interop.cast import NOBODY, PLAIN
from tests.interop.clients import listen_refusals
from tests.interop.deployment import Deployment
from tests.interop.inquirer import Inquirer, reason_of
from tests.minting import (
    ABSENT,
    AuthorizationRequest,
    CurveKey,
    Issuer,
    NatsKey,
    claims_of,
    forge_hmac,
    forge_unsigned,
    override,
)
from tests.waiting import PATIENCE_SECONDS, until
from workers.reasons import Reason

LIFE_SECONDS = 3600
LEEWAY_SECONDS = 60
SHORT = 8
"""Shorter pieces of a token may stand in a line by chance."""
FLOOD = 20_000
"""Messages sent at once: more than two workers let wait, and a few hundredths of a second's work."""

_STRANGER = Issuer.generate("RS256")
_CURVE = CurveKey.generate()
Mint = Callable[[Deployment], str | None]
Forge = Callable[[Inquirer, str], AuthorizationRequest]


def changed(**claims: Any) -> Mint:
    """A token that the cluster has signed, though with other claims."""

    def mint(deployment: Deployment) -> str:
        true = claims_of(deployment.token(PLAIN))
        return deployment.cluster.signer.sign(override(true, claims))

    return mint


def signed(signer: Callable[[Deployment], Issuer], **header: Any) -> Mint:
    """A token with all the right claims, signed by another."""

    def mint(deployment: Deployment) -> str:
        return signer(deployment).sign(claims_of(deployment.token(PLAIN)), header=header)

    return mint


def true_issuer(deployment: Deployment) -> Issuer:
    """The cluster's own key."""
    return deployment.cluster.signer


def forger(deployment: Deployment) -> Issuer:
    """Another key that goes by the name of the cluster's own."""
    return Issuer("RS256", deployment.cluster.signer.kid, _STRANGER.key)


def confuse(deployment: Deployment) -> str:
    """The classic confusion: the public key, which everybody has, as the secret of an HMAC."""
    signer = deployment.cluster.signer
    return forge_hmac(claims_of(deployment.token(PLAIN)), signer.public_pem(), kid=signer.kid)


def leave_unsigned(deployment: Deployment) -> str:
    """`alg: none`, and nothing behind the second dot."""
    return forge_unsigned(claims_of(deployment.token(PLAIN)), kid=deployment.cluster.signer.kid)


def legacy(deployment: Deployment) -> str:
    """The token of a Secret."""
    return deployment.cluster.signer.legacy_token(PLAIN.namespace, PLAIN.name, "uid")


def truncate(deployment: Deployment) -> str:
    """A token that lost its end."""
    return deployment.token(PLAIN).rpartition(".")[0]


def tamper(deployment: Deployment) -> str:
    """Another's claims under a true signature."""
    head, _, signature = deployment.token(PLAIN).split(".")
    return f"{head}.{deployment.token(NOBODY).split('.')[1]}.{signature}"


def unbound(**bound: Any) -> Mint:
    """A token whose claim `kubernetes.io` lacks or has something else."""

    def mint(deployment: Deployment) -> str:
        true = claims_of(deployment.token(PLAIN))["kubernetes.io"]
        return str(changed(**{"kubernetes.io": override(true, bound)})(deployment))

    return mint


TOKENS: list[tuple[str, Reason, Mint]] = [
    ("none", Reason.TOKEN_MISSING, lambda _: None),
    ("a password", Reason.TOKEN_MALFORMED, lambda _: "correct-horse-battery-staple"),
    ("truncated", Reason.TOKEN_MALFORMED, truncate),
    ("unsigned", Reason.TOKEN_MALFORMED, leave_unsigned),
    ("with more behind it", Reason.TOKEN_MALFORMED, lambda deployment: deployment.token(PLAIN) + "\n"),
    ("from a Secret", Reason.TOKEN_LEGACY, legacy),
    ("by HMAC with the public key", Reason.TOKEN_ALGORITHM, confuse),
    ("alg none over a signature", Reason.TOKEN_ALGORITHM, signed(true_issuer, alg="none")),
    ("alg not the key's", Reason.TOKEN_ALGORITHM, signed(true_issuer, alg="RS512")),
    ("critical extension", Reason.TOKEN_ALGORITHM, signed(true_issuer, crit=["exp"])),
    ("unknown key", Reason.TOKEN_UNKNOWN_KEY, signed(lambda _: _STRANGER)),
    ("no key named", Reason.TOKEN_UNKNOWN_KEY, signed(true_issuer, kid=ABSENT)),
    ("other issuer", Reason.TOKEN_ISSUER, changed(iss="https://elsewhere")),
    ("other audience", Reason.TOKEN_AUDIENCE, changed(aud=["vault"])),
    ("no audience", Reason.TOKEN_AUDIENCE, changed(aud=ABSENT)),
    ("no end", Reason.TOKEN_NO_EXPIRY, changed(exp=ABSENT)),
    (
        "expired beyond leeway",
        Reason.TOKEN_EXPIRED,
        lambda deployment: deployment.token(PLAIN, now=time.time() - LIFE_SECONDS - LEEWAY_SECONDS - 1),
    ),
    (
        "not yet valid",
        Reason.TOKEN_NOT_YET_VALID,
        lambda deployment: deployment.token(PLAIN, now=time.time() + LIFE_SECONDS),
    ),
    ("sub of another", Reason.TOKEN_CLAIMS, changed(sub="system:serviceaccount:orders:neighbour")),
    ("no kubernetes.io", Reason.TOKEN_CLAIMS, changed(**{"kubernetes.io": ABSENT})),
    ("no uid", Reason.TOKEN_CLAIMS, unbound(serviceaccount={"name": PLAIN.name})),
    ("forged", Reason.TOKEN_SIGNATURE, signed(forger)),
    ("tampered with", Reason.TOKEN_SIGNATURE, tamper),
    ("no such ServiceAccount", Reason.SERVICEACCOUNT_UNKNOWN, lambda deployment: deployment.token(NOBODY)),
    (
        "of one made again",
        Reason.SERVICEACCOUNT_RECREATED,
        unbound(serviceaccount={"name": PLAIN.name, "uid": "9b6c1f2e-the-old-one"}),
    ),
]


class Request(msgspec.Struct, frozen=True):
    """A request that no true server sends.

    Attributes:
        reason: why it is refused or dropped.
        forge: makes it.
        sealed_only: it is wrong only where requests are sealed, and otherwise as good as any.
    """

    reason: Reason
    forge: Forge
    sealed_only: bool = False


def altered(**changes: Any) -> Forge:
    """A request that differs in that from a true one; see `PretendServer.request`."""
    return lambda inquirer, token: inquirer.request(token, **changes)


DENIED: dict[str, Request] = {
    "in the clear": Request(Reason.REQUEST_NOT_SEALED, altered(callout_curve=None), sealed_only=True),
    "curve key of another in the claims": Request(
        Reason.REQUEST_XKEY, altered(server_id={"xkey": _CURVE.public}), sealed_only=True
    ),
    "no curve key in the claims": Request(Reason.REQUEST_XKEY, altered(server_id={"xkey": ABSENT}), sealed_only=True),
    "issuer not the server it names": Request(Reason.REQUEST_ISSUER, altered(iss=NatsKey.generate("server").public)),
    "issuer no server": Request(Reason.REQUEST_ISSUER, altered(iss=NatsKey.generate("account").public)),
    "other audience": Request(Reason.REQUEST_AUDIENCE, altered(aud="nats-authorization-response")),
    "no audience": Request(Reason.REQUEST_AUDIENCE, altered(aud=ABSENT)),
    "for another account": Request(Reason.REQUEST_SUBJECT, altered(subject=NatsKey.generate("account").public)),
    "version 1": Request(Reason.REQUEST_VERSION, altered(nats={"version": 1})),
    "no version": Request(Reason.REQUEST_VERSION, altered(nats={"version": ABSENT})),
    "type of an answer": Request(Reason.REQUEST_VERSION, altered(nats={"type": "authorization_response"})),
    "a kind of connection that nobody knows": Request(
        Reason.REQUEST_VERSION, altered(client_info={"kind": "JetStream"})
    ),
    "a leafnode": Request(Reason.REQUEST_LEAFNODE, altered(client_info={"kind": "Leafnode"})),
    "signed by another": Request(
        Reason.REQUEST_SIGNATURE,
        lambda inquirer, token: inquirer.request(
            token, signer=NatsKey.generate("server"), iss=inquirer.server.key.public
        ),
    ),
    "a token of 4,097 bytes": Request(Reason.TOKEN_TOO_LONG, lambda inquirer, _: inquirer.request("a" * 4097)),
}

DROPPED: dict[str, Request] = {
    "no JWT": Request(Reason.REQUEST_MALFORMED, lambda inquirer, _: inquirer.wrap(b"hello")),
    "JWT of something else": Request(Reason.REQUEST_MALFORMED, lambda inquirer, token: inquirer.wrap(token.encode())),
    "user key that is none": Request(Reason.REQUEST_MALFORMED, altered(user="UNKNOWN")),
    "not sealed for us": Request(
        Reason.REQUEST_UNREADABLE, lambda inquirer, token: seal_for(inquirer, token, CurveKey.generate().public)
    ),
    "too late": Request(Reason.REQUEST_EXPIRED, altered(now=1)),
}

ELSEWHERE = {Reason.REQUEST_OVERFLOW}
"""Met by the flood below."""
NEVER = {Reason.INTERNAL_ERROR}
"""Would be a fault of ours: nobody outside should be able to bring it about."""


def seal_for(inquirer: Inquirer, token: str, curve: str) -> AuthorizationRequest:
    """A request in a box that the service has no key for."""
    request = inquirer.request(token, callout_curve=None)
    return AuthorizationRequest(_CURVE.seal(request.payload, curve), {"Nats-Server-Xkey": _CURVE.public}, request.user)


def find_pieces(token: str, text: str) -> list[str]:
    """The parts of a token that stand in a text."""
    return [piece for piece in token.split(".") if len(piece) >= SHORT and piece in text]


@pytest.mark.parametrize(("reason", "mint"), [row[1:] for row in TOKENS], ids=[row[0] for row in TOKENS])
async def test_a_refused_client_learns_nothing_and_the_operator_all(
    deployment: Deployment, reason: Reason, mint: Mint
) -> None:
    """Reason and id are the same in our log, in the server's and in its advisory, it is counted, and no token leaks."""
    environment, service = deployment.environment, deployment.service
    token = mint(deployment)
    before = deployment.count(reason)
    async with await environment.connect_listener() as listener:
        heard = await listen_refusals(listener)
        options: dict[str, Any] = {} if token is None else {"name": "refused"}
        refusal = await environment.refusal(token, **options)  # type: ignore[arg-type]  # no token at all is a row
        await until(lambda: heard, PATIENCE_SECONDS, "the server's advisory")
    assert "nats: 'Authorization Violation'" == refusal
    (told,) = [advisory["reason"] for advisory in heard]
    stated, _, number = told.removeprefix("Auth callout service returned an error: ").partition(" id=")
    assert reason == stated
    line = await service.logged("login denied", id=number)
    assert (reason, "127.0.0.1", "bench") == (line["reason"], line["client"], line["server"])
    await until(lambda: environment.server.logged(f"[WRN] {told}"), PATIENCE_SECONDS, "the server's line")
    await deployment.until_counted(reason, before + 1)
    public = [told, service.output(), service.get("/metrics")[1].decode(), service.get("/health")[1].decode()]
    assert [] == find_pieces(token or "", "".join(public))


async def test_what_the_server_itself_tells_of_a_refused_token(deployment: Deployment) -> None:
    """Line 2.10 gives the whole token away to whoever hears its advisories; later lines do not."""
    environment = deployment.environment
    token = deployment.token(NOBODY)
    async with await environment.connect_listener() as listener:
        heard = await listen_refusals(listener)
        await environment.refusal(token)
        await until(lambda: heard, PATIENCE_SECONDS, "the server's advisory")
    leaks = not environment.is_operator_mode and environment.setting.binary.line == "2.10"
    assert leaks == (token in json.dumps(heard))


@pytest.mark.parametrize("row", DENIED)
async def test_a_request_that_is_wrong_is_denied_at_once(deployment: Deployment, row: str) -> None:
    """The answer is an error, properly signed, with the id that the log has too."""
    wrong = DENIED[row]
    expected = "" if wrong.sealed_only and not deployment.environment.setting.xkey else wrong.reason
    before = deployment.count(expected)
    token = deployment.token(PLAIN)
    async with deployment.inquirer() as inquirer:
        answer = await inquirer.ask(wrong.forge(inquirer, token))
    assert expected == reason_of(answer)
    if answer.error:
        number = answer.error.rpartition("=")[2]
        line = await deployment.service.logged("login denied", id=number)
        assert (wrong.reason, "pretend") == (line["reason"], line["server"])
    await deployment.until_counted(expected, before + 1)
    assert [] == find_pieces(token, deployment.service.output())


async def test_requests_that_nobody_waits_for_are_dropped(deployment: Deployment) -> None:
    """They are counted and logged, without an id, and get no answer; others go on being decided."""
    before = {reason: deployment.count(reason) for reason in Reason}
    logged = len(deployment.service.log_lines("requests dropped"))
    token = deployment.token(PLAIN)
    async with deployment.inquirer() as inquirer:
        wrong = [row.forge(inquirer, token) for row in DROPPED.values()]
        answers = await inquirer.ask_all([*wrong, inquirer.request(token)])
    assert [*[None] * len(wrong), ""] == [reason_of(answer) for answer in answers]
    for reason, number in Counter(row.reason for row in DROPPED.values()).items():
        await deployment.until_counted(reason, before[reason] + number)
    assert [] == find_pieces(token, json.dumps(deployment.service.log_lines("requests dropped")[logged:]))


async def test_a_flood_is_counted_and_passes(deployment: Deployment) -> None:
    """Whatever waits beyond the limit is dropped; nothing is counted twice or not at all; logins work afterwards."""
    reasons = (Reason.REQUEST_OVERFLOW, Reason.REQUEST_MALFORMED, Reason.REQUEST_EXPIRED)
    before = [deployment.count(reason) for reason in reasons]
    sent = 0
    async with deployment.inquirer() as inquirer:
        while deployment.count(Reason.REQUEST_OVERFLOW) == before[0]:
            await pour(inquirer)
            sent += FLOOD
    assert sent == sum(map(deployment.count, reasons)) - sum(before)
    async with await deployment.connect(PLAIN):
        pass


async def pour(inquirer: Inquirer) -> None:
    """Send so much that not all can wait, and wait until it is gone."""
    dropped = inquirer.dropped()
    await inquirer.flood(b"x", FLOOD)
    await until(lambda: inquirer.dropped() - dropped == FLOOD, PATIENCE_SECONDS, "the end of the flood")


def test_every_reason_is_met() -> None:
    """A reason that is added needs a row here."""
    rows = [*(reason for _, reason, _ in TOKENS), *(request.reason for request in (DENIED | DROPPED).values())]
    assert set(Reason) == {*rows, *ELSEWHERE, *NEVER}
    assert NEVER.isdisjoint(rows)
