"""A login that nobody decides: what the client is told, and where nats-server says so."""

from collections.abc import Callable
from typing import Any

from tests.interop.changing_cluster import ChangingCluster
from tests.interop.clients import listen, listen_refusals
from tests.interop.environments import Environment
from tests.interop.operation import REDUCED, on, serve
from tests.waiting import PATIENCE_SECONDS, until

SLOW = "Readloop processing time"
ERROR = "authentication error"
"""What the page calls the server's line: both stand at its default level."""


def has_heard(advisories: list[dict[str, Any]]) -> Callable[[], bool]:
    """Make the condition that there has been one."""
    return lambda: bool(advisories)


@on(*REDUCED)
async def test_the_advisory_of_a_login_that_nobody_decides_has_no_reason(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """In the callout's account; the system account's says of every refusal the same."""
    async with await environment.connect_listener() as listener, await environment.connect_system() as system:
        refusals = await listen_refusals(listener)
        failures = await listen(system, "$SYS.SERVER.*.CLIENT.AUTH.ERR")
        slow, errors = len(environment.server.logged(SLOW)), len(environment.server.logged(ERROR))
        assert "nats: 'Authorization Violation'" == await environment.refusal(cluster.token("orders", "checkout"))
        await until(has_heard(refusals), PATIENCE_SECONDS, "the callout's account is told")
        await until(has_heard(failures), PATIENCE_SECONDS, "the system account is told")
        assert [""] == [one["reason"] for one in refusals]
        assert {"Authentication Failure"} == {one["reason"] for one in failures}
        await until(lambda: len(environment.server.logged(SLOW)) > slow, PATIENCE_SECONDS, "the server logs it")
        assert len(environment.server.logged(ERROR)) > errors


@on(*REDUCED)
async def test_the_advisory_of_a_login_that_is_refused_has_one(
    environment: Environment, cluster: ChangingCluster
) -> None:
    """So the two can be told apart there, and in the log by the line about time that is missing."""
    async with (
        serve(environment, cluster),
        await environment.connect_listener() as listener,
        await environment.connect_system() as system,
    ):
        refusals = await listen_refusals(listener)
        failures = await listen(system, "$SYS.SERVER.*.CLIENT.AUTH.ERR")
        slow = len(environment.server.logged(SLOW))
        assert "nats: 'Authorization Violation'" == await environment.refusal(cluster.token("orders", "nobody"))
        await until(has_heard(refusals), PATIENCE_SECONDS, "the callout's account is told")
        await until(has_heard(failures), PATIENCE_SECONDS, "the system account is told")
        [refusal] = refusals
        assert "serviceaccount_unknown" in refusal["reason"]
        assert {"Authentication Failure"} == {one["reason"] for one in failures}
        assert slow == len(environment.server.logged(SLOW))
