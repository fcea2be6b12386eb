"""Where logins end up that the server has the last word on, and how a service ends: each with a service of its own."""

from pathlib import Path

from tests.interop.cast import PLAIN
from tests.interop.clients import listen_refusals
from tests.interop.deployment import serve
from tests.interop.environments import Environment
from tests.minting import NatsKey
from tests.waiting import PATIENCE_SECONDS, until


async def test_a_second_account(environment: Environment, tmp_path: Path) -> None:
    """In server mode every account of the configuration will do; in operator mode the server allows those named."""
    with serve(environment, tmp_path, placement="other", NATS_WORKERS="1") as deployment:
        await deployment.service.ready()
        if not environment.is_operator_mode:
            async with await deployment.connect(PLAIN) as client:
                assert "other" == (await environment.connection(client))["account"]
            return
        account = environment.account("other")
        async with await environment.connect_listener() as listener:
            heard = await listen_refusals(listener)
            refusal = await environment.refusal(deployment.token(PLAIN))
            await until(lambda: heard, PATIENCE_SECONDS, "the server's advisory")
        assert "nats: 'Authorization Violation'" == refusal
        assert f'Account "{account}" not permitted as valid account option' in heard[0]["reason"]
        # The service has let the client in; that the server has not is something that it does not learn.
        await deployment.until_counted("", 1)


async def test_an_account_that_does_not_exist(environment: Environment, tmp_path: Path) -> None:
    """The server lets nobody in and says why, to the operator only."""
    account = NatsKey.generate("account").public if environment.is_operator_mode else "NOWHERE"
    with serve(environment, tmp_path, NATS_WORKERS="1", NATS_ACCOUNT=account) as deployment:
        await deployment.service.ready()
        async with await environment.connect_listener() as listener:
            heard = await listen_refusals(listener)
            refusal = await environment.refusal(deployment.token(PLAIN))
            await until(lambda: heard, PATIENCE_SECONDS, "the server's advisory")
    assert "nats: 'Authorization Violation'" == refusal
    # In operator mode the server names whoever signed the user instead.
    signer = environment.keys.clients_signing.public
    told = f'Account "{signer}" not permitted' if environment.is_operator_mode else f'No valid account "{account}"'
    assert told in heard[0]["reason"]


async def test_what_was_dropped_last_is_reported_too(environment: Environment, tmp_path: Path) -> None:
    """A worker that is told to leave says first what it has dropped since it last did."""
    with serve(environment, tmp_path, NATS_WORKERS="1") as deployment:
        await deployment.service.ready()
        async with await environment.injector() as injector:
            await injector.flood(b"no request", 3)
        assert 0 == await deployment.service.stop()
        assert 3 == sum(line["requests"] for line in deployment.service.log_lines("requests dropped"))
