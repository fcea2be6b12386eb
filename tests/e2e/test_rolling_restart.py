"""Two replicas are replaced one after the other, as a Deployment of Kubernetes does it, while clients log in."""

import asyncio
import contextlib
from pathlib import Path

from tests.e2e.cluster import Cluster
from tests.e2e.deployment import Deployment
from tests.e2e.nats_cli import Logins
from tests.e2e.workloads import Workload, make_callout_with_rights, make_kubeconfig, unique

AT_ONCE = 2


def test_a_rolling_restart_costs_no_login(cluster: Cluster, tools: Path, tmp_path: Path) -> None:
    """A new one is ready before an old one is told to leave: nobody is refused, and nobody's login goes undecided."""
    variables = make_kubeconfig(cluster, make_callout_with_rights(cluster))
    token = Workload(cluster, unique("orders"), "checkout").token()
    with Deployment(tools, tmp_path, "--xkey") as deployment, contextlib.ExitStack() as services:
        replicas = [services.enter_context(deployment.serve(variables)) for _ in range(2)]
        with Logins(deployment.nats, token, AT_ONCE) as logins:
            logins.more()
            for old in replicas:
                new = services.enter_context(deployment.serve(variables))
                logins.more()
                assert 0 == asyncio.run(old.stop())
                logins.more()
                assert new.exit_code is None
            assert [] == logins.refusals
