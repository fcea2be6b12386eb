"""Leafnodes are not let in by a workload's token: line 2.10 checks nothing of what they publish."""

import pytest

from tests.interop.cast import PLAIN
from tests.interop.deployment import Deployment
from tests.interop.intruder import LEAFNODE, intrude
from workers.reasons import Reason


@pytest.mark.parametrize("way", ["auth_token", "pass", "user"])
async def test_a_token_lets_no_leafnode_in(deployment: Deployment, way: str) -> None:
    """Whichever way it is shown, as clients may too; of a URL with nothing but a token the server makes the last."""
    environment = deployment.environment
    token = deployment.token(PLAIN)
    shown = {
        "auth_token": {"auth_token": token},
        "pass": {"user": "anyone", "pass": token},
        "user": {"user": token, "auth_token": token},
    }[way]
    key = None
    if environment.setting.mode == "operator-creds":
        key = environment.keys.sentinel
        shown |= {"jwt": environment.keys.sentinel_jwt()}
    before = deployment.count(Reason.REQUEST_LEAFNODE)
    async with intrude(environment.server.ports.leafnode, {**LEAFNODE, **shown}, key=key) as intruder:
        assert intruder.has_heard(b"-ERR 'Authorization Violation'")
        assert not intruder.has_heard(b"PONG")
    await deployment.until_counted(Reason.REQUEST_LEAFNODE, before + 1)
