"""`callout explain --all`: every ServiceAccount at once."""

import json
from pathlib import Path

from callout.policy.verdict import MAX_REPORTED
from tests.callout.explain.running import CHECKOUT, Run
from tests.fake_kube_api import FakeKubeApi


def test_all_are_looked_through(run: Run, tmp_path: Path) -> None:
    """A line for each whose annotations do not count as they stand, and exit code 1; without any, 0."""
    code, out, err = run("--all")
    assert (1, "") == (code, err)
    assert "orders/checkout: publish >: leading_wildcard" == out.splitlines()[0]
    (tmp_path / "accounts" / "orders.yaml").write_text(CHECKOUT.replace(", >", ""))
    expected = "1 ServiceAccount, none with annotations that do not count as they stand.\n"
    assert (0, expected, "") == run("--all")


def test_all_of_a_cluster_are_looked_through(run: Run, api: FakeKubeApi, tmp_path: Path) -> None:
    """Those of K8S_NAMESPACE alone, if it is set; keys, issuer and account are not asked for."""
    with api.cluster() as cluster:
        cluster.put("billing", "invoicer", uid="u-2", annotations={"nat.io/allowed-sub-subjects": "orders.>"})
    settings = {"K8S_IN_CLUSTER": "false", "KUBECONFIG": str(api.write_kubeconfig(tmp_path / "config"))}
    unset = dict.fromkeys(("JWKS_PATH", "JWT_ISSUER", "SERVICEACCOUNTS_PATH", "NATS_ACCOUNT", "NATS_SIGNING_KEY_FILE"))
    code, out, err = run("--all", **settings, **unset)
    assert (1, "") == (code, err)
    assert "billing/invoicer: nat.io/allowed-sub-subjects means nothing" == out.splitlines()[0]
    assert 0 == run("--all", K8S_NAMESPACE="orders", **settings, **unset)[0]
    assert 0 == api.count("keys")


def test_those_of_a_cluster_that_cannot_be_read_are_not_well(run: Run, api: FakeKubeApi, tmp_path: Path) -> None:
    """The service refuses their clients, and so there is something to be put right, whatever the others are."""
    settings = {"K8S_IN_CLUSTER": "false", "KUBECONFIG": str(api.write_kubeconfig(tmp_path / "config"))}
    unset = dict.fromkeys(("JWKS_PATH", "JWT_ISSUER", "SERVICEACCOUNTS_PATH"))
    with api.cluster() as cluster:
        for number in range(MAX_REPORTED + 2):
            cluster.put("billing", f"a{number:03}", uid="u\0")
    code, out, err = run("--all", **settings, **unset)
    assert (1, "") == (code, err)
    assert out.startswith("These ServiceAccounts cannot be read, so the service refuses their clients: billing/a000, ")
    assert f"billing/a{MAX_REPORTED - 1:03} and 2 more.\n" in out


def test_all_are_told_of_in_json(run: Run) -> None:
    """For machines, the same."""
    code, out, _ = run("--all", "--json")
    found = json.loads(out)
    assert (1, 1) == (code, found["serviceaccounts"])
    assert ["orders/checkout"] == [one["serviceaccount"] for one in found["findings"]]


def test_all_with_a_file_that_cannot_be_read_are_not_well(run: Run, tmp_path: Path) -> None:
    """It may hold more of them."""
    (tmp_path / "accounts" / "orders.yaml").write_text(CHECKOUT.replace(", >", ""))
    (tmp_path / "accounts" / "broken.yaml").write_text("a: b: c")
    code, out, _ = run("--all")
    assert 1 == code
    assert out.startswith("broken.yaml: document 1 (line 1): broken YAML")


def test_all_of_a_folder_that_is_not_there_are_not_told_of(run: Run) -> None:
    """One line says what is wrong, as for one of them."""
    code, out, err = run("--all", SERVICEACCOUNTS_PATH="/nowhere")
    assert (1, "", 1) == (code, out, len(err.splitlines()))
    assert err.startswith("callout: SERVICEACCOUNTS_PATH: /nowhere: no such file or directory; give")
