"""The API server's signing keys are rotated as Kubernetes' own instructions say, and no login fails for it."""

import time
from collections.abc import Sequence
from pathlib import Path

from tests.e2e.cluster import Cluster
from tests.e2e.deployment import Deployment, until_denied, until_so
from tests.e2e.nats_cli import Logins
from tests.e2e.workloads import Workload, make_callout_with_rights, unique
from tests.kubeconfigs import write_kubeconfig
from tests.minting import Issuer
from tests.service import Service


def test_no_login_fails_while_the_signing_key_is_rotated(cluster: Cluster, tools: Path, tmp_path: Path) -> None:
    """Published beside the old one, then signing, then alone: each step is complete before the next one begins.

    Before a new key may sign, an hour has to pass, which is how long the API server calls its key set fresh. Here
    somebody's token of an unknown key makes the service look at once. Its own token is renewed like everybody's.
    """
    [old] = cluster.keys
    new = cluster.make_signing_key("ES256")
    callout = make_callout_with_rights(cluster)
    checkout = Workload(cluster, unique("orders"), "checkout")
    kubeconfig = tmp_path / "kubeconfig"
    _renew(kubeconfig, cluster, callout)
    (tmp_path / "nats").mkdir()
    with (
        Deployment(tools, tmp_path / "nats") as deployment,
        deployment.serve({"K8S_IN_CLUSTER": "false", "KUBECONFIG": str(kubeconfig)}) as service,
    ):
        before = checkout.token()
        deployment.nats.until_let_in(before)
        with Logins(deployment.nats, before) as logins:
            _restart(cluster, [old, new])
            _make_it_look(deployment, service, 2)
            logins.more()
            _restart(cluster, [new, old])
            after = logins.token = checkout.token()
            _renew(kubeconfig, cluster, callout)
            logins.more()
            assert deployment.nats.lets_in(before)
            _restart(cluster, [new])
            _make_it_look(deployment, service, 3)
            logins.more()
            assert [] == logins.refusals
        assert deployment.nats.lets_in(after)
        assert not deployment.nats.lets_in(before)
        until_denied(service, "token_unknown_key")


def _renew(kubeconfig: Path, cluster: Cluster, callout: Workload) -> None:
    """Write it with a new token."""
    fresh = kubeconfig.with_suffix(".new")
    token = cluster.create_token(callout.namespace, callout.name)
    write_kubeconfig(fresh, {"server": cluster.url, "certificate-authority": str(cluster.ca_file)}, {"token": token})
    fresh.rename(kubeconfig)


def _restart(cluster: Cluster, keys: Sequence[Path]) -> None:
    """Without waiting for open watches to end."""
    cluster.kill()
    cluster.restart(keys)


def _make_it_look(deployment: Deployment, service: Service, number: int) -> None:
    """Come once with a token of an unknown key; wait until so many key sets have been put in force since the start."""
    stranger = Issuer.generate("ES256").token(
        "elsewhere", "stranger", "uid", audience="nats", issuer="https://elsewhere", now=time.time()
    )
    assert not deployment.nats.lets_in(stranger)
    until_so(service, lambda: len(service.log_lines("key set in force")) == number, f"key set {number} is in force")
