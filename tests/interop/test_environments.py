"""The environments themselves work: shown with the reference callout, which is no part of the product."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from nats.errors import Error

from tests.callout_minting import PretendServer, open_answer
from tests.interop.clients import WorkloadClient, listen_disconnects, listen_refusals
from tests.interop.environments import BINARIES, ENVIRONMENTS, Environment, Setting, Transport, Via
from tests.interop.mqtt import ACCEPTED, NOT_AUTHORIZED, SUBSCRIBE_FAILED
from tests.interop.reference_callout import ReferenceCallout, Request
from tests.minting import CurveKey, NatsKey
from tests.nats_minting import ABSENT
from tests.waiting import PATIENCE_SECONDS, until

TOKEN = "any text will do for a callout that verifies nothing"
VIOLATION = "Authorization Violation"


def allow(callout: ReferenceCallout, request: Request) -> bytes:
    """Let everyone in, with the subjects `app.>` to publish and `news.>` to hear."""
    return callout.allow(request, pub=["app.>"], sub=["news.>"])


@pytest.mark.parametrize("transport", ["nats", "websocket"])
@pytest.mark.parametrize("via", ["auth_token", "pass"])
async def test_a_client_comes_in_where_the_callout_puts_it(
    environment: Environment, via: Via, transport: Transport
) -> None:
    """The token reaches the callout by that way, and the client lands in the clients' account."""
    async with (
        ReferenceCallout(environment, allow) as callout,
        await environment.connect(TOKEN, via=via, transport=transport) as client,
    ):
        connection = await environment.connection(client)
    assert "clients" == connection["account"]
    assert [TOKEN] == [request["nats"]["connect_opts"][via] for request in callout.requests]


async def test_permissions_are_enforced(environment: Environment) -> None:
    """What the answer allows works, and what it does not is an error on that side."""
    async with ReferenceCallout(environment, allow), await environment.connect(TOKEN) as client:
        await client.publish("app.1", b"")
        await client.subscribe("news.1")
        await client.flush()
        assert [] == client.errors
        await client.publish("news.1", b"")
        await client.subscribe("app.1")
        await client.flush()
        await until(lambda: len(client.errors) == 2, PATIENCE_SECONDS, "both violations")
        violation = "nats: permissions violation for {} to {}"
        expected = [violation.format("publish", '"news.1"'), violation.format("subscription", '"app.1"')]
        assert expected == [str(error) for error in client.errors]


async def test_absent_limits_are_none_before_2_15_3_and_zero_since(environment: Environment) -> None:
    """So an answer has to name them: with -1 all lines let the client do what it may."""

    def answer(callout: ReferenceCallout, request: Request) -> bytes:
        return callout.allow(request, sub=["news.>"], subs=ABSENT, data=ABSENT, payload=ABSENT)

    async with ReferenceCallout(environment, answer) as callout:

        def are_enforced() -> bool:
            version: str = callout.requests[0]["nats"]["server_id"]["version"]
            return tuple(map(int, version.split("."))) >= (2, 15, 3)

        thrown_out = False
        try:
            async with await environment.connect(TOKEN) as client:
                if are_enforced():
                    await until(lambda: client.errors or client.is_closed, PATIENCE_SECONDS, "the client is thrown out")
                else:
                    await client.subscribe("news.1")
                    await client.flush()
                    assert [] == client.errors
        except Error:  # it was thrown out before nats-py had taken it for connected
            thrown_out = True
        assert are_enforced() or not thrown_out


async def test_a_denial_tells_the_operator_why_and_the_client_nothing(environment: Environment) -> None:
    """The error of the reply is in the server's log and in an advisory in the callout's account."""
    reason = f"denial {environment.setting}"
    async with (
        await environment.connect_listener() as listener,
        ReferenceCallout(environment, lambda callout, request: callout.deny(request, reason)),
    ):
        heard = await listen_refusals(listener)
        refusal = await environment.refusal(TOKEN)
        await until(lambda: heard, PATIENCE_SECONDS, "the advisory")
        assert VIOLATION in refusal
        assert reason not in refusal
        assert [f"Auth callout service returned an error: {reason}"] == [advisory["reason"] for advisory in heard]
        line = f"[WRN] Auth callout service returned an error: {reason}"
        await until(lambda: environment.server.logged(line), PATIENCE_SECONDS, "the server's own line about it")


@pytest.mark.parametrize(
    ("claims", "complaint"),
    [
        ({"sub": NatsKey.generate("user").public}, "not for expected user"),
        ({"aud": NatsKey.generate("server").public}, "not for server"),
        ({"nats": {"version": 1}}, "Claim failed V1 signature verification"),
        ({"exp": 1}, "claim is expired"),
    ],
)
async def test_a_bad_response_is_refused(environment: Environment, claims: dict[str, object], complaint: str) -> None:
    """Answers for another user, for another server, of another form or out of date let nobody in."""
    before = len(environment.server.logged(complaint))
    async with ReferenceCallout(environment, lambda callout, request: callout.wrap(request, error="x", **claims)):
        await environment.refusal(TOKEN)
    await until(lambda: before < len(environment.server.logged(complaint)), PATIENCE_SECONDS, "the server's complaint")


async def test_who_checks_the_signer_of_the_response(environment: Environment) -> None:
    """Only 2.15 does in server mode, all do in operator mode, and none when the reply is sealed."""
    stranger = NatsKey.generate("account")

    def answer(callout: ReferenceCallout, request: Request) -> bytes:
        return callout.allow(request, sub=["news.>"], signer=stranger)

    setting = environment.setting
    expected = not setting.xkey and (environment.is_operator_mode or setting.binary.line == "2.15")
    async with ReferenceCallout(environment, answer):
        try:
            async with await environment.connect(TOKEN):
                checked = False
        except Error:
            checked = True
    assert expected == checked


async def test_an_mqtt_client_comes_in_wherever_it_needs_no_credentials_besides(environment: Environment) -> None:
    """Its password is the token, so in operator mode only a default sentinel can open the door for it."""
    async with ReferenceCallout(environment, allow) as callout, await environment.connect_mqtt(TOKEN) as client:
        if environment.setting.mode == "operator-creds":
            assert NOT_AUTHORIZED == client.return_code
            assert [] == callout.requests
            return
        assert ACCEPTED == client.return_code
        assert TOKEN == callout.requests[0]["nats"]["connect_opts"]["auth_token"]
        assert TOKEN == callout.requests[0]["nats"]["connect_opts"]["pass"]
        assert SUBSCRIBE_FAILED == await client.subscribe("app/1")
        assert 0 == await client.subscribe("news/1")
        async with await _connect_as_newsman(environment, callout) as newsman:
            await newsman.publish("news.1", b"hello")
            assert ("news/1", b"hello") == await client.next_message()


async def _connect_as_newsman(environment: Environment, callout: ReferenceCallout) -> WorkloadClient:
    callout.decide = lambda callout, request: callout.allow(request, pub=["news.>"])
    return await environment.connect(TOKEN)


async def test_what_is_injected_is_answered(environment: Environment) -> None:
    """A request that no server of this environment made reaches the callout, and the answer comes back."""
    sealed = environment.setting.xkey
    curve = environment.keys.curve.public if sealed else None
    server = PretendServer(NatsKey.generate("server"), CurveKey.generate() if sealed else None)
    request = server.request("anything", now=1, token=TOKEN, callout_curve=curve)
    async with ReferenceCallout(environment, allow), await environment.injector() as injector:
        payload = await injector.ask(request.payload, request.headers)
    issuer = environment.keys.issuer.public
    answer = open_answer(payload, request, server=server, response_issuer=issuer, callout_curve=curve)
    assert sealed == answer.sealed
    assert answer.user is not None
    assert ["app.>"] == answer.user["nats"]["pub"]["allow"]


async def test_nobody_publishes_to_the_callouts_subject_directly(environment: Environment) -> None:
    """Not even the callout's own user may pretend to be a server."""
    async with await environment.connect_as_service() as service:
        await service.publish("$SYS.REQ.USER.AUTH", b"{}")
        await service.flush()
        await until(lambda: service.errors, PATIENCE_SECONDS, "the violation")
        assert "permissions violation for publish" in str(service.errors[0])


async def test_a_disconnect_is_announced_in_the_system_account(environment: Environment) -> None:
    """An administrator hears which client went away, and from which account."""
    async with await environment.connect_system() as system:
        heard = await listen_disconnects(system)
        async with ReferenceCallout(environment, allow), await environment.connect(TOKEN, name="short-lived"):
            pass
        named = await until(
            lambda: [advisory for advisory in heard if advisory["client"].get("name") == "short-lived"],
            PATIENCE_SECONDS,
            "the advisory",
        )
        assert [environment.account("clients")] == [advisory["client"]["acc"] for advisory in named]


async def test_a_restarted_server_is_found_again(environment: Environment) -> None:
    """A restart keeps the ports, so a client that reconnects comes back."""
    async with await environment.connect_as_service(allow_reconnect=True, max_reconnect_attempts=-1) as service:
        ports = environment.server.ports
        environment.server.restart()
        await until(lambda: service.stats["reconnects"], PATIENCE_SECONDS, "the reconnect")
        await service.flush()
    assert ports == environment.server.ports


async def test_the_variables_for_the_service_name_true_keys(environment: Environment) -> None:
    """Every file that the variables name exists, holds the right seed, and is closed to others."""
    keys = environment.keys
    variables = environment.service_env()
    files = {name: Path(path) for name, path in variables.items() if name.endswith("_FILE")}
    assert {0o600} == {path.stat().st_mode & 0o777 for path in files.values()}
    assert keys.issuer.seed == files["NATS_SIGNING_KEY_FILE"].read_text()
    assert environment.setting.xkey == ("NATS_XKEY_FILE" in files)
    assert environment.is_operator_mode == ("NATS_USER_CREDS_FILE" in files)
    if environment.is_operator_mode:
        assert keys.clients_signing.seed == files["NATS_ACCOUNT_SIGNING_KEY_FILE"].read_text()
        environment.service_env(own_key=True)
        assert keys.accounts["clients"].seed == files["NATS_ACCOUNT_SIGNING_KEY_FILE"].read_text()


async def test_nobody_comes_in_without_a_responder(tmp_path: Path) -> None:
    """Silence is a refusal, everywhere. All servers at once, because each waits its two seconds."""
    with contextlib.ExitStack() as stack:
        running = []
        for number, setting in enumerate(ENVIRONMENTS):
            folder = tmp_path / str(number)
            folder.mkdir()
            running.append(stack.enter_context(Environment(setting, folder)))
        await asyncio.gather(*(environment.refusal(TOKEN) for environment in running))


def test_line_2_10_knows_no_default_sentinel(tmp_path: Path) -> None:
    """This is why the matrix has a hole: the server refuses the setting and does not start."""
    (oldest,) = [binary for binary in BINARIES if not binary.has_default_sentinel()]
    environment = Environment(Setting("operator-default-sentinel", xkey=False, binary=oldest), tmp_path)
    with pytest.raises(AssertionError, match='unknown field "default_sentinel"'):
        environment.server.start()
